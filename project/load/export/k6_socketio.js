
// Socket.IO as it goes over a WebSocket: 0 opens, 40 joins, 2 is answered by 3, 42N emits, 43N acknowledges.
function address() {
  return `${RUN.url.replace(/^http/, "ws").replace(/\/+$/, "")}/socket.io/?EIO=4&transport=websocket`;
}

function lineOf(socket, gotAnswer) {
  const ids = new Map();
  let emitted = 0;
  let joined = () => {};
  socket.on("message", (text) => {
    if (text.startsWith("0")) {
      socket.send("40");
    } else if (text === "2") {
      socket.send("3");
    } else if (text.startsWith("40")) {
      joined();
    } else if (text.startsWith("43")) {
      const number = parseInt(text.slice(2), 10);
      gotAnswer(ids.get(number));
      ids.delete(number);
    }
  });
  return {
    ready: (work) => {
      joined = work;
    },
    send: (message) => {
      ids.set(emitted, message.id);
      socket.send(`42${emitted}${JSON.stringify([RUN.event, message])}`);
      emitted += 1;
    },
  };
}
