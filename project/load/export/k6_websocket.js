
function address() {
  return RUN.url;
}

function lineOf(socket, gotAnswer) {
  socket.on("message", (text) => {
    const id = RUN.matching === "order" ? undefined : idIn(read(text));
    if (id !== null) {
      gotAnswer(id);
    }
  });
  return {
    ready: (work) => socket.on("open", work),
    send: (message) => socket.send(JSON.stringify(message)),
  };
}
