// One call in full: what was sent, what came back, and the way to call it again.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { byId, make, ms, outcome, pretty, when, why } from "./dom.js";
import { showJson } from "./json.js";

const dialog = byId("call");
let shown = null;
let opened = null;

function fact(label, value) { return value ? [make("div", {}, make("dt", {}, words(label)), make("dd", {}, value))] : []; }

/** A stack trace under its summary, or nothing. */
export function showTrace(details, trace) {
  details.hidden = !trace;
  details.querySelector("pre").textContent = trace ?? "";
}

export async function openCall(id) {
  let call;
  try {
    call = await api.ipcMonitorRequestsRetrieve(id);
  } catch (error) {
    byId("call-note").textContent = words(`why_${error.body?.code}`) ?? words("unreachable");
    return;
  }
  shown = call;
  byId("call-title").textContent = call.method;
  byId("call-note").textContent = "";
  byId("call-facts").replaceChildren(
    ...fact("l_outcome", outcome(call)), ...fact("l_took", ms(call.duration_ms)), ...fact("l_when", when(call.at)), ...fact("l_who", call.caller),
    ...fact("l_field", call.field && make("code", {}, call.field)),
    ...fact("l_id", make("code", {}, call.id)), ...fact("l_test", call.test_id), ...fact("l_replay", call.replay_of));
  const error = byId("call-error");
  error.replaceChildren(...why(call));
  error.hidden = !call.code && !call.error;
  showJson(byId("call-params"), pretty(call.params));
  showJson(byId("call-response"), pretty(call.response));
  showTrace(byId("call-trace"), call.trace);
  if (!dialog.open) { opened = id; dialog.showModal(); }
}

async function replay() {
  const note = byId("call-note");
  note.textContent = words("sending");
  let said;
  try {
    said = await api.ipcMonitorRequestsReplayCreate(shown.id);
  } catch (error) {
    said = error.body ?? {};
    if (!said.correlation_id) { note.textContent = said.error ?? words("unreachable"); return; }
  }
  await openCall(said.correlation_id);
  note.textContent = words("replayed", { n: words(said.success ? "succeeded" : "did_fail") });
  document.dispatchEvent(new Event("console:refresh"));
}

// The row that led here may have been drawn anew meanwhile.
dialog.addEventListener("close", () => {
  const at = document.activeElement;
  if (at === document.body || dialog.contains(at)) document.querySelector(`#log [data-id="${CSS.escape(opened)}"] button`)?.focus();
});
byId("call-close").addEventListener("click", () => dialog.close());
byId("call-replay").addEventListener("click", replay);
