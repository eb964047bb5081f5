// The page of a space (and of one request): the form, the badge, the requests.
import { Ask, carryPrompt } from "./ask.js";
import { showBadge } from "./badge.js";
import { Card } from "./card.js";
import { Live } from "./live.js";
import { moment } from "./spans.js";
import { words } from "./words.js";

const list = document.getElementById("requests");
const form = document.getElementById("ask");
const askedAt = list.dataset.askAt;
const cards = new Map();
const asking = form && new Ask(form, put);

/** One more request, above the others. */
function put(id, prompt) {
  document.getElementById("none").hidden = true;
  const place = document.createElement("div");
  list.prepend(place);
  add(place, id, prompt);
  live.refresh();
}

function again() {
  if (asking) return (prompt) => asking.fill(prompt);
  return askedAt ? (prompt) => { carryPrompt(prompt); location.assign(askedAt); } : null;
}

function add(place, id, prompt) {
  cards.set(id, new Card(place, id, prompt, again()));
  place.dataset.request = id; // others ask by it whether a request is on the page
}

// The newest comes last in the map, as it does when it is added later.
for (const place of [...list.querySelectorAll("[data-request]")].reverse()) add(place, place.dataset.request, place.dataset.prompt);

/** The browser goes back to the page as it was first told: what was asked since is added. */
async function catchUp() {
  const answer = await fetch(location.href, { cache: "no-store" }).catch(() => null);
  if (!answer?.ok) return;
  const told = new DOMParser().parseFromString(await answer.text(), "text/html");
  for (const { dataset } of [...told.querySelectorAll("#requests > [data-request]")].reverse()) {
    if (!cards.has(dataset.request)) put(dataset.request, dataset.prompt);
  }
}

/** Those that run before those that wait, the oldest first: it is theirs that changes fastest. */
function openRequests() {
  const open = [...cards.values()].filter((card) => !card.over && !card.gone);
  return [...open.filter((card) => card.runs), ...open.filter((card) => !card.runs)].map((card) => card.requestId);
}

const live = new Live({
  spaceId: form?.dataset.space,
  openRequests,
  onSpace: showSpace,
  onRequest: showRequest,
  onTrouble: showTrouble,
});

function showRequest(id, status) {
  const card = cards.get(id);
  card?.show(status);
  const deletion = document.getElementById("delete"); // on the request's own page
  if (card?.over && deletion) deletion.hidden = false;
}

function showSpace({ connected, accepting, queue_size: queueSize, worker_away_since: away }) {
  showBadge(document.querySelector("#badge .badge-state"), connected);
  const queue = document.getElementById("queue");
  queue.hidden = !connected && !queueSize;
  queue.textContent = words("queue", { n: queueSize });
  const since = away ? ` ${words("away_since", { n: moment(away) })}` : "";
  tellOffline(connected ? "" : words(accepting ? "offline_queues" : "offline") + since);
  allow(accepting);
}

let writing = null;

/** Let people send, or not; who was writing goes on where they were. */
function allow(allowed) {
  const fields = document.getElementById("fields");
  if (fields.disabled === !allowed) return;
  if (!allowed && fields.contains(document.activeElement)) writing = document.activeElement;
  fields.disabled = !allowed;
  if (allowed && document.activeElement === document.body) writing?.focus();
  if (allowed) writing = null;
}

/** Say why nothing can be sent, or runs, just now; nothing when all is well. */
function tellOffline(text) {
  const offline = document.getElementById("offline");
  if (text && offline.textContent !== text) offline.textContent = text;
  offline.hidden = !text;
}

function showTrouble(id, status) {
  if (status === 401 && asking) { asking.loggedOut(); return; }
  if (id === null) {
    // A badge that cannot be checked must not say that all is well.
    showBadge(document.querySelector("#badge .badge-state"), false);
    document.getElementById("queue").hidden = true;
    tellOffline(words(status === 404 ? "space_gone" : "unreachable"));
    if (status === 404) allow(false);
    return;
  }
  const card = cards.get(id);
  card?.showTrouble(words(status === 401 ? "login" : status === 404 ? "gone" : "unreachable"));
  if (card && status === 404) card.gone = true;
}

if (asking && performance.getEntriesByType("navigation")[0]?.type === "back_forward") catchUp();
