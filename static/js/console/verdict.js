// Now against the week before it: better or worse, and by how much.
import { words } from "../words.js";
import { count, icon, make, ms, whole } from "./dom.js";

const language = document.documentElement.lang;
const signed = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 0, signDisplay: "exceptZero" });
const share = new Intl.NumberFormat(language, { style: "percent", maximumFractionDigits: 1 });
const PILLS = { worse: "state-failed", better: "state-completed", same: "state-cancelled", unknown: "state-cancelled" };
const LEAST_CHANGE = 0.05; // less is not worth a word
const ICONS = { worse: "trend_up", better: "trend_down" };

/** So many of so many, in percent. */
export const failedShare = (failures, total) => share.format(total ? failures / total : 0);

/** In what it is worse or better than the week before: p95, and the share of failures. */
export function changes({ verdict, p95_ms: p95, failures, count: total, before }) {
  if (!ICONS[verdict]) return [];
  const changed = before.p95_ms && Math.abs(p95 / before.p95_ms - 1) >= LEAST_CHANGE;
  const said = changed ? [words("by_p95", { a: ms(p95), b: ms(before.p95_ms), n: signed.format(p95 / before.p95_ms - 1) })] : [];
  const [now, then] = [failedShare(failures, total), failedShare(before.failures, before.count)];
  return now === then ? said : [...said, words("by_failed", { a: now, b: then })];
}

/** The verdict as a word, and the figures under it. */
export function verdict(one) {
  const drawing = ICONS[one.verdict] ? [icon(ICONS[one.verdict])] : [];
  return make("span", { class: "verdict" }, make("span", { class: `state ${PILLS[one.verdict]}` }, ...drawing, words(one.verdict)),
    ...changes(one).map((text) => make("span", { class: "about" }, text)));
}

/** The cell of the week before. */
export function before(one) {
  if (one.before) return whole("l_before", words("before", { n: ms(one.before.p95_ms), m: count(one.before.failures), k: count(one.before.count) }));
  const nothing = whole("l_before", make("span", { class: "said" }, words("never")));
  nothing.classList.add("is-none");
  return nothing;
}
