// The tab Recent Requests: method calls and requests to spaces beside each other, by filters.
import { api } from "../api/index.mjs";
import { openCall } from "./call.js";
import { byId, cell, fill, head, make, ms, outcome, when } from "./dom.js";

const form = byId("filters");
let until = null;

/** The filters as the site takes them; times are the reader's own. */
function query() {
  const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  if (given.source === "no-tests") { delete given.source; given.tests = "0"; }
  for (const name of ["since", "until"]) if (given[name]) given[name] = new Date(given[name]).toISOString();
  return given;
}

function row(entry) {
  const open = entry.source === "rpc"
    ? make("button", { type: "button", class: "link-button", click: () => openCall(entry.id) }, when(entry.at))
    : make("a", { href: `/requests/${entry.id}` }, when(entry.at));
  return make("tr", { "data-id": entry.id, "data-source": entry.source },
    head(open), cell("l_method", entry.method), cell("l_outcome", outcome(entry)), cell("l_took", ms(entry.duration_ms)),
    cell("l_who", entry.caller, entry.worker ? ` → ${entry.worker}` : ""),
    cell("l_error", entry.error ?? "", entry.code ? make("code", {}, ` ${entry.code}`) : ""));
}

export async function showLog() {
  const asked = query();
  const { requests, limit } = await api.ipcMonitorRequestsList(until ? { ...asked, until } : asked);
  fill(byId("log"), requests.map(row), Object.keys(asked).length ? "nothing_found" : "none");
  byId("log-newest").hidden = until === null;
  byId("log-older").hidden = requests.length < limit;
  byId("log-older").dataset.until = requests.at(-1)?.at ?? "";
  for (const link of document.querySelectorAll("[data-export]")) link.href = `/cfg/ipc/monitor/export.${link.dataset.export}?${new URLSearchParams(asked)}`;
}

function turn(to) {
  until = to;
  document.dispatchEvent(new Event("console:refresh"));
}

/** Show the calls of one load test. */
export function showCallsOf(testId) {
  form.reset();
  byId("filter-test").value = testId;
  until = null;
  document.dispatchEvent(new CustomEvent("console:tab", { detail: "requests" }));
}

form.addEventListener("submit", (event) => { event.preventDefault(); turn(null); });
form.addEventListener("change", () => turn(null));
form.addEventListener("reset", () => setTimeout(() => turn(null)));
byId("log-newest").addEventListener("click", () => turn(null));
byId("log-older").addEventListener("click", (event) => turn(event.currentTarget.dataset.until));
