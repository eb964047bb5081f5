// Spans of time in words: seconds below a minute and a half, minutes and hours above.
import { words } from "./words.js";

/** `seconds` in words; `digits` behind the point where it is a matter of seconds. */
export function span(seconds, digits = 0) {
  if (digits && seconds < 0.1) return words("instant");
  if (seconds < 90) return words("seconds", { n: seconds.toFixed(digits) });
  const minutes = Math.round(seconds / 60);
  if (minutes < 90) return words("minutes", { n: minutes });
  return words("hours", { n: (seconds / 3600).toFixed(1) });
}

/** From `low` to `high` seconds in words, as one when they come to the same. */
export function spanRange([low, high]) {
  const [from, to] = [span(Math.ceil(low)), span(Math.ceil(high))];
  return from === to ? words("about", { n: to }) : words("about_range", { from, to });
}

/** A moment of today as a time, any other with its day. */
export function moment(instant) {
  const at = new Date(instant);
  const today = at.toDateString() === new Date().toDateString();
  return at.toLocaleString(document.documentElement.lang, today ? { timeStyle: "medium" } : { dateStyle: "short", timeStyle: "medium" });
}
