// The site's time on this page: a browser's clock may be wrong, and every time that is shown is the site's.
const TOLERATED_MS = 2000; // the header counts whole seconds, and takes its time to come
let aheadMs = 0;

/** Learn from an answer how far this clock is ahead of the site's. */
export function heardAt(answer) {
  const at = Date.parse(answer.headers.get("Date"));
  if (Number.isNaN(at)) return;
  const ahead = Date.now() - at;
  aheadMs = Math.abs(ahead) > TOLERATED_MS ? ahead : 0;
}

/** Now, by the site's clock, in milliseconds. */
export function siteNow() { return Date.now() - aheadMs; }
