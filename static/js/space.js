// The page of a space (and of one request): the form, the badge, the requests.
import { Card } from "./card.js";
import { Live } from "./live.js";
import { words } from "./words.js";

const list = document.getElementById("requests");
const form = document.getElementById("ask");
const cards = new Map();

function add(place, id, prompt) {
  cards.set(id, new Card(place, id, prompt, form ? askAgain : null));
}

for (const place of list.querySelectorAll("[data-request]")) add(place, place.dataset.request, place.dataset.prompt);

const live = new Live({
  spaceId: form?.dataset.space,
  openRequests: () => [...cards.values()].filter((card) => !card.over && !card.gone).map((card) => card.requestId).reverse(),
  onSpace: showSpace,
  onRequest: (id, status) => cards.get(id)?.show(status),
  onTrouble: showTrouble,
});

function showSpace({ connected, queue_size: queueSize }) {
  const badge = document.querySelector("#badge .badge-state");
  const text = words(connected ? "connected" : "disconnected");
  if (badge.textContent !== text) {
    badge.textContent = text;
    badge.className = `badge-state ${connected ? "is-on" : "is-off"}`;
  }
  const queue = document.getElementById("queue");
  queue.hidden = !connected;
  queue.textContent = words("queue", { n: queueSize });
  document.getElementById("offline").hidden = connected;
  document.getElementById("fields").disabled = !connected;
}

function showTrouble(id, status) {
  const text = words(status === 401 ? "login" : status === 404 ? "gone" : "unreachable");
  if (id === null) { note(text, true); return; }
  const card = cards.get(id);
  card?.show_problem(text);
  if (card && status === 404) card.gone = true;
}

function note(text, bad = false) {
  const place = document.getElementById("ask-note");
  if (!place) return;
  place.textContent = text;
  place.classList.toggle("is-bad", bad);
}

function askAgain(prompt) {
  const field = document.getElementById("prompt");
  if (!field) return;
  field.value = prompt;
  field.focus();
}

form?.addEventListener("submit", (event) => {
  event.preventDefault();
  const data = new FormData(form);
  for (const input of form.querySelectorAll("input[type=file]")) if (!input.files.length) data.delete(input.name);
  const bytes = [...data.values()].reduce((sum, value) => sum + (value instanceof File ? value.size : 0), 0);
  if (bytes > Number(form.dataset.most)) { note(words("too_large"), true); return; }
  send(data, String(data.get("prompt") ?? ""));
});

function send(data, prompt) {
  const button = document.getElementById("send");
  const meter = document.getElementById("upload");
  const upload = new XMLHttpRequest(); // fetch cannot tell how far an upload is
  button.disabled = true;
  note(words("sending"));
  upload.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => {
    if (!lengthComputable || total < 100000) return;
    meter.hidden = false;
    meter.value = (loaded / total) * 100;
    note(words("uploading", { n: `${Math.round(meter.value)}%` }));
  });
  upload.addEventListener("loadend", () => {
    button.disabled = false;
    meter.hidden = true;
    accepted(upload.status, upload.response ?? {}, prompt);
  });
  upload.responseType = "json";
  upload.open("POST", form.action);
  upload.send(data);
}

function accepted(status, body, prompt) {
  if (status === 200 && body.success) {
    note("");
    form.reset();
    document.getElementById("none").hidden = true;
    const place = document.createElement("div");
    list.prepend(place);
    // Newest last in the map: the stream follows the newest open request.
    add(place, body.request_id, prompt);
    live.refresh();
    return;
  }
  if (status === 401) note(words("login"), true);
  else if (status === 429 && body.code === "rate_limited") countDown(Math.ceil(body.retry_after));
  else note(words(body.code ?? "") ?? body.error ?? words("unreachable"), true);
}

function countDown(seconds) {
  if (seconds <= 0) { note(""); return; }
  note(words("wait", { n: seconds }), true);
  setTimeout(() => countDown(seconds - 1), 1000);
}
