// The tab Methods: statistics of methods, spaces and workers, now against the week before.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { byId, count, failures, fill, head, make, ms, number, when, whole } from "./dom.js";
import { before, changes, failedShare, verdict } from "./verdict.js";

const nameOf = (one) => (one.part ? `${one.part} · ${one.name}` : one.name);

function row(one) {
  return make("tr", { "data-name": one.name },
    head(nameOf(one), one.about ? make("span", { class: "about" }, one.about) : null), number("l_count", count(one.count)),
    number("l_failed", failures(one.failures)),
    number("p50", one.count ? ms(one.p50_ms) : "–"), number("p95", one.count ? ms(one.p95_ms) : "–"), number("l_last", when(one.last)),
    before(one), whole("l_verdict", verdict(one)));
}

/** What can be said of all of it: that it is worse, that it is not, or that there is nothing to compare with. */
function conclusion(groups) {
  const worse = groups.filter((one) => one.verdict === "worse");
  if (worse.length) return ["bad", words("some_worse"), worse];
  if (groups.some((one) => one.verdict !== "unknown")) return ["good", words("all_same"), []];
  return ["plain", words(groups.some((one) => one.before) ? "too_few" : "no_before"), []];
}

/** How many there were of the groups that are not counted twice, and how many failed. */
function sum(groups, side) {
  const found = groups.map(side).filter(Boolean);
  const [total, failures] = ["count", "failures"].map((key) => found.reduce((all, one) => all + one[key], 0));
  return [count(total), failedShare(failures, total)];
}

function showConclusion({ methods, spaces, workers }) {
  const [kind, text, worse] = conclusion([...methods, ...spaces, ...workers]);
  const counted = [...methods, ...spaces];
  const [[n, a], [m, b]] = [sum(counted, (one) => one), sum(counted, (one) => one.before)];
  const next = [make("p", {}, make("strong", {}, text)), make("p", {}, words(m === "0" ? "total" : "totals", { n, a, m, b }))];
  if (worse.length) next.push(make("ul", {}, ...worse.map((one) => make("li", {}, `${nameOf(one)}: ${changes(one).join("; ")}`))));
  const box = byId("worse");
  box.className = `notice notice-${kind} conclusion`;
  const said = next.map((one) => one.textContent).join();
  if (box.dataset.was === said) return; // it is read out when it changes
  box.dataset.was = said;
  box.replaceChildren(...next);
}

export async function showStatistics() {
  const found = await api.ipcMonitorMethodsList({ hours: byId("hours").value, tests: byId("with-tests").checked ? "1" : "0" });
  for (const kind of ["methods", "spaces", "workers"]) fill(byId(`stats-${kind}`), found[kind].map(row));
  showConclusion(found);
}

for (const id of ["hours", "with-tests"]) byId(id).addEventListener("change", () => document.dispatchEvent(new Event("console:refresh")));
