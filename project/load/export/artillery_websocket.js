
function connect(context, events) {
  const waiting = new Map();
  context.ws.addEventListener("message", ({ data }) => {
    events.emit("counter", "websocket.messages_received", 1);
    const id = RUN.matching === "order" ? waiting.keys().next().value : idIn(read(data));
    const answered = waiting.get(id);
    waiting.delete(id);
    if (answered) {
      answered();
    }
  });
  const exchange = (message, sinceMs) =>
    new Promise((resolve) => {
      context.ws.send(JSON.stringify(message));
      events.emit("counter", "websocket.messages_sent", 1);
      if (RUN.matching === "none") {
        resolve();
        return;
      }
      const late = setTimeout(() => {
        waiting.delete(message.id);
        events.emit("error", "no answer in time");
        resolve();
      }, RUN.timeout_s * 1000);
      waiting.set(message.id, () => {
        clearTimeout(late);
        events.emit("histogram", "websocket.response_time", Date.now() - sinceMs);
        resolve();
      });
    });
  return { exchange };
}
