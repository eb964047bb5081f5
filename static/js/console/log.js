// The tab Recent Requests: method calls and requests to spaces beside each other, by filters.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { openCall } from "./call.js";
import { byId, cell, fill, head, icon, make, ms, number, outcome, when, why } from "./dom.js";

const form = byId("filters");
let until = null;

/** The filters as the site takes them; times are the reader's own. */
function query() {
  const given = Object.fromEntries([...new FormData(form)].filter(([, value]) => value));
  if (given.source === "no-tests") { delete given.source; given.tests = "0"; }
  for (const name of ["since", "until"]) if (given[name]) given[name] = new Date(given[name]).toISOString();
  return given;
}

/** Requests that failed through no answer of a model can be had done again, each once. */
function retry(entry) {
  const retriable = byId("strings").dataset.retriable.split(" ");
  if (entry.source !== "relay" || !retriable.includes(entry.code)) return [];
  const again = async (event) => {
    const button = event.currentTarget;
    button.disabled = true;
    const answer = await fetch(`/admin/dead-letters/${entry.id}/retry`, { method: "POST", headers: { Accept: "application/json" } }).catch(() => null);
    const said = await answer?.json().catch(() => null);
    if (said?.success) button.replaceWith(make("a", { href: `/requests/${said.request_id}` }, words("retried")));
    else button.replaceWith(words(`why_${said?.code}`) ?? said?.error ?? words("unreachable"));
  };
  return [" ", make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click: again }, icon("replay"), " ", words("retry"), make("span", { class: "visually-hidden" }, ` ${entry.id}`))];
}

function row(entry) {
  const open = entry.source === "rpc"
    ? make("button", { type: "button", class: "link-button", click: () => openCall(entry.id) }, when(entry.at))
    : make("a", { href: `/requests/${entry.id}` }, when(entry.at));
  return make("tr", { "data-id": entry.id, "data-source": entry.source },
    head(open), cell("l_method", entry.method, ...(entry.test_id ? [" ", make("span", { class: "state state-plain" }, words("l_test"))] : [])), cell("l_outcome", outcome(entry)), number("l_took", ms(entry.duration_ms)),
    cell("l_who", entry.caller, entry.worker ? make("span", { class: "about" }, ` → ${entry.worker}`) : ""),
    cell("l_error", ...why(entry), ...retry(entry)));
}

export async function showLog() {
  const asked = query();
  const { requests, limit } = await api.ipcMonitorRequestsList(until ? { ...asked, until } : asked);
  fill(byId("log"), requests.map(row), Object.keys(asked).length ? "nothing_found" : "no_calls");
  byId("log-newest").hidden = until === null;
  byId("log-older").hidden = requests.length < limit;
  byId("log-older").dataset.until = requests.at(-1)?.at ?? "";
  for (const link of document.querySelectorAll("[data-export]")) link.href = `/cfg/ipc/monitor/export.${link.dataset.export}?${new URLSearchParams(asked)}`;
}

function turn(to) {
  until = to;
  document.dispatchEvent(new Event("console:refresh"));
}

/** Show what matches these filters, by their names in the form, and nothing else. */
export function showLogOf(filters) {
  form.reset();
  for (const [name, value] of Object.entries(filters)) form.elements[name].value = value;
  until = null;
  document.dispatchEvent(new CustomEvent("console:tab", { detail: "requests" }));
}

form.addEventListener("submit", (event) => { event.preventDefault(); turn(null); });
form.addEventListener("change", () => turn(null));
form.addEventListener("reset", () => setTimeout(() => turn(null)));
byId("log-newest").addEventListener("click", () => turn(null));
byId("log-older").addEventListener("click", (event) => turn(event.currentTarget.dataset.until));
