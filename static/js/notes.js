// What a request is waiting for, in words; honest about attempts, absences and guesses.
import { moment, spanRange } from "./spans.js";
import { words } from "./words.js";

function queued({ position, attempt, max_attempts: most, retry_reason: reason, worker_away_since: away, eta_seconds: eta }) {
  const said = [];
  if (attempt > 0) said.push(words("again", { n: attempt, m: most, why: retryReason(reason) }));
  if (position) said.push(words("place", { n: position }));
  if (away) said.push(words("away", { n: moment(away) }));
  else if (eta) said.push(spanRange(eta));
  return said;
}

/** Handed out: it runs, or waits in the worker's own queue, where the site may not know how many are before it. */
function handedOut({ attempt, max_attempts: most, retry_reason: reason, started_at: started, ahead, eta_seconds: eta }) {
  const said = [];
  if (attempt > 1) said.push(words("attempt", { n: attempt, m: most, why: retryReason(reason) }));
  if (!started) said.push(ahead ? words(ahead === 1 ? "ahead_one" : "ahead", { n: ahead }) : words("handed"));
  if (eta) said.push(spanRange(eta));
  return said;
}

function retryReason(code) { return words(`retry_${code}`) ?? words("retry_unknown"); }

/** What a request is called for people: one that waits in its worker's own queue does not run yet. */
export function stateOf({ status, started_at: started }) { return status === "processing" && !started ? "handed_out" : status; }

/** One line on a request; mostly empty for one that is over. */
export function note(status) {
  const said = status.load_test_mode ? [words("safe")] : [];
  if (status.status === "queued") said.push(...queued(status));
  if (status.status === "processing") said.push(...handedOut(status));
  return said.join(" · ");
}

const TOLD_BY_WORKERS = new Set(["worker_error", "handler_crashed", "transfer_failed"]);

/** Why a request ended without a result. */
export function why({ code, error }) {
  const known = words(`why_${code}`);
  return TOLD_BY_WORKERS.has(code) && error ? `${known} ${error}` : known ?? error;
}
