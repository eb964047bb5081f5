// A user of a socket: it sends when it is time, and waits for the answers.
const { randomBytes } = require("node:crypto");
const COME_MS = 1000; // the phase in which they come; then it begins, for all of them at once
let began = 0;
RUN.prefix = `load-${randomBytes(4).toString("hex")}`; // each process of a run has its own
let users = 0;

module.exports = { work };

const sleep = (seconds) => new Promise((resolve) => setTimeout(resolve, seconds * 1000));
const elapsed = () => (Date.now() - began) / 1000;

async function work(context, events) {
  const user = users++;
  began = began || Date.now() + COME_MS;
  await sleep(Math.max(0, -elapsed()));
  const line = connect(context, events);
  if (RUN.model === "open") {
    await whenDue(line, user);
  } else {
    for (let count = 0; elapsed() < SECONDS; count += 1) {
      await line.exchange(messageFor(user, count), Date.now());
      await sleep(Math.min(pauseOf(user), Math.max(0, SECONDS - elapsed())));
    }
  }
}

// Calls begin when they are due, whether or not earlier ones were answered, and are timed from that moment.
async function whenDue(line, user) {
  const share = Math.random();
  const calls = [];
  for (let count = 0; ; count += 1) {
    const due = secondsFor((count + share) * RUN.users);
    if (due === null) {
      break;
    }
    await sleep(Math.max(0, due - elapsed()));
    calls.push(line.exchange(messageFor(user, count), began + due * 1000));
  }
  await Promise.all(calls);
}
