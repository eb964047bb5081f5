// The test client: choose a method, write its parameters, send, look at what came back.
import { api } from "../api/index.mjs";
import { words } from "../words.js";
import { showTrace } from "./call.js";
import { byId, count, icon, make, pretty, why } from "./dom.js";
import { colourField, showJson } from "./json.js";
import { read } from "./schema.js";

const method = byId("test-method");
const params = byId("test-params");
const timeout = byId("test-timeout");
const problem = byId("test-problem");
const draw = colourField(params);
let methods = new Map();

export const methodNamed = (name) => methods.get(name);

function write(given) {
  params.value = pretty(given);
  draw();
  check();
}

function useTemplate() {
  const found = methods.get(method.value);
  timeout.value = found.timeout;
  byId("test-about").textContent = found.about;
  write(found.template);
}

function check() {
  const found = read(params.value, methods.get(method.value).schema);
  problem.textContent = found.problem ?? "";
  params.setAttribute("aria-invalid", Boolean(found.problem));
  return found;
}

function showResult(said) {
  byId("test-result").hidden = false;
  const badge = byId("test-badge");
  badge.className = `state ${said.success ? "state-completed" : "state-failed"}`;
  badge.replaceChildren(icon(said.success ? "check_circle" : "error"), words(said.success ? "succeeded" : "did_fail"));
  byId("test-duration").textContent = said.duration_ms === undefined ? "" : words("took", { n: count(said.duration_ms) });
  byId("test-correlation").textContent = said.correlation_id ?? "–";
  const error = byId("test-error");
  error.hidden = said.success;
  if (!said.success) error.replaceChildren([words(`o_${said.outcome}`), said.field].filter(Boolean).map((part) => `${part} · `).join(""), ...why(said));
  const { trace, ...told } = said; // the trace has a place of its own
  showJson(byId("test-response"), pretty(said.success ? said.response : told));
  byId("test-response").hidden = false;
  showTrace(byId("test-trace"), trace);
}

async function send() {
  const button = byId("send-test-rpc");
  // What is wrong is said, but may be sent: how the site refuses it can be what is to be tested.
  let given;
  try {
    given = JSON.parse(params.value.trim() || "{}");
  } catch {
    params.focus();
    return;
  }
  button.disabled = true;
  try {
    showResult(await api.ipcTestSendCreate({ method: method.value, params: given, timeout: Number(timeout.value) }));
  } catch (error) {
    showResult({ success: false, error: words("unreachable"), ...error.body });
  }
  button.disabled = false;
  document.dispatchEvent(new Event("console:refresh"));
}

async function showTemplates() {
  const { templates } = await api.ipcTestTemplatesList();
  byId("templates").replaceChildren(...templates.map((one) => make("li", {},
    make("span", {}, one.name, " ", make("code", {}, one.method)),
    make("span", {},
      make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click: () => { method.value = one.method; useTemplate(); write(one.params); } }, words("use")), " ",
      make("button", { type: "button", class: "btn btn-sm btn-outline-secondary", click: async () => { await api.ipcTestTemplatesDestroy(one.id); byId("template-name").focus(); showTemplates(); } }, words("remove"))))));
}

async function saveTemplate() {
  const name = byId("template-name");
  const found = check();
  if (!name.value.trim()) { name.focus(); return; }
  if (found.problem) { params.focus(); return; }
  try {
    await api.ipcTestTemplatesCreate({ name: name.value.trim(), method: method.value, params: found.params });
    name.value = "";
    showTemplates();
  } catch (error) {
    problem.textContent = error.body?.error ?? words("unreachable");
  }
}

export async function startClient() {
  methods = new Map((await api.ipcTestMethodsList()).methods.map((one) => [one.name, one]));
  useTemplate();
  method.addEventListener("change", useTemplate);
  params.addEventListener("input", check);
  byId("test-template").addEventListener("click", useTemplate);
  byId("test-tidy").addEventListener("click", () => { const found = check(); if (!found.problem) write(found.params); });
  byId("test-form").addEventListener("submit", (event) => { event.preventDefault(); send(); });
  byId("template-save").addEventListener("click", saveTemplate);
  showTemplates();
}
