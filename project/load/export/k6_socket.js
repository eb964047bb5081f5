import ws from "k6/ws";
import exec from "k6/execution";
import { Counter, Rate, Trend } from "k6/metrics";

const roundTrip = new Trend("round_trip", true);
const sent = new Counter("messages_sent");
const answered = new Counter("messages_answered");
const failed = new Rate("messages_failed");

export const options = OPTIONS;

export function setup() {
  return { began: Date.now() };
}

export default function ({ began }) {
  const user = exec.vu.idInTest - 1;
  const elapsed = () => (Date.now() - began) / 1000;
  if (elapsed() >= SECONDS) {
    return;
  }
  ws.connect(address(), { headers: RUN.headers }, (socket) => {
    const waiting = new Map();
    const line = lineOf(socket, (id) => {
      const one = waiting.get(id === undefined ? waiting.keys().next().value : id);
      if (one) {
        one();
      }
    });
    const later = (seconds, work) => socket.setTimeout(work, Math.max(1, seconds * 1000));

    function endWhenDone() {
      if (elapsed() >= SECONDS && waiting.size === 0) {
        socket.close();
      }
    }

    function exchange(count, sinceMs, then) {
      const message = messageFor(user, count);
      line.send(message);
      sent.add(1);
      if (RUN.matching === "none") {
        then();
        return;
      }
      waiting.set(message.id, () => {
        waiting.delete(message.id);
        answered.add(1);
        failed.add(false);
        roundTrip.add(Date.now() - sinceMs);
        then();
        endWhenDone();
      });
      later(RUN.timeout_s, () => {
        if (waiting.delete(message.id)) {
          failed.add(true);
          then();
          endWhenDone();
        }
      });
    }

    // Closed: ask, wait for the answer, pause, ask again.
    function ask(count) {
      if (elapsed() < SECONDS) {
        exchange(count, Date.now(), () => later(pauseOf(user), () => ask(count + 1)));
      }
    }

    // Open: each message when it is due, whether or not earlier ones were answered, and timed from that moment.
    function whenDue(count) {
      const due = secondsFor((count + user / RUN.users) * RUN.users);
      if (due !== null) {
        later(due - elapsed(), () => {
          exchange(count, began + due * 1000, () => {});
          whenDue(count + 1);
        });
      }
    }

    line.ready(() => (RUN.model === "open" ? whenDue(0) : ask(0)));
    later(SECONDS - elapsed(), endWhenDone);
    later(SECONDS - elapsed() + RUN.drain_s, () => socket.close());
  });
}
