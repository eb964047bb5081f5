// The tab Methods: statistics of methods, spaces and workers, now against the week before.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { byId, cell, count, fill, head, make, ms, when } from "./dom.js";
import { before, verdict } from "./overview.js";

const plain = (label, value) => make("td", { "data-label": label }, make("span", { class: "cell" }, value));

function row(one) {
  const name = one.part ? `${one.part} · ${one.name}` : one.name;
  return make("tr", { "data-name": one.name },
    head(name, one.about ? make("span", { class: "about" }, one.about) : null), cell("l_count", count(one.count)),
    cell("l_failed", one.failures ? make("strong", { class: "is-failed" }, count(one.failures)) : "0"),
    plain("p50", one.count ? ms(one.p50_ms) : "–"), plain("p95", one.count ? ms(one.p95_ms) : "–"), cell("l_last", when(one.last)),
    cell("l_before", before(one)), cell("l_verdict", verdict(one)));
}

export async function showStatistics() {
  const found = await api.ipcMonitorMethodsList({ hours: byId("hours").value, tests: byId("with-tests").checked ? "1" : "0" });
  for (const kind of ["methods", "spaces", "workers"]) fill(byId(`stats-${kind}`), found[kind].map(row));
  const worse = [...found.methods, ...found.spaces, ...found.workers].filter((one) => one.verdict === "worse").map((one) => one.part || one.name);
  const line = byId("worse");
  line.className = `notice ${worse.length ? "notice-bad" : "notice-plain"}`;
  const text = worse.length ? words("some_worse", { n: worse.join(", ") }) : words("all_same");
  if (line.textContent !== text) line.textContent = text;
}

for (const id of ["hours", "with-tests"]) byId(id).addEventListener("change", () => document.dispatchEvent(new Event("console:refresh")));
