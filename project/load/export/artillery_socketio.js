
function connect(context, events) {
  const socket = context.sockets[""];
  const exchange = (message, sinceMs) =>
    new Promise((resolve) => {
      events.emit("counter", "socketio.emit", 1);
      socket.timeout(RUN.timeout_s * 1000).emit(RUN.event, message, (error) => {
        if (error) {
          events.emit("error", "no acknowledgement in time");
        } else {
          events.emit("histogram", "socketio.response_time", Date.now() - sinceMs);
        }
        resolve();
      });
    });
  return { exchange };
}
