// What came to a person: the bell's count, and a word on the page at once. One stream a page: that of the page itself
// where it has one (live.js tells of it), else our own.
import { keep, recall } from "./keep.js";
import { keepSpaceFresh } from "./revision.js";

const bell = document.getElementById("bell");
const toasts = document.getElementById("toasts");
const RETRY_MS = 3000;
const SHOWN_MS = 12000;
const MOST_SHOWN = 3;
let own = null;
let borrowed = null;

function said(key, values = {}) {
  return Object.entries(values).reduce((text, [name, value]) => text.replace(`{${name}}`, value), bell.dataset[key]);
}

function showCount(unread) {
  const count = bell.querySelector(".bell-count");
  count.textContent = unread > 99 ? "99+" : unread;
  count.hidden = !unread;
  bell.setAttribute("aria-label", said("label", { n: unread }));
}

function titleOf(notice) {
  if (notice.kind === "request") return said(notice.type) ?? notice.type;
  if (notice.kind === "message") return said("from", { n: notice.sender });
  return notice.title || notice.type;
}

/** Whether the page shows that request already: then it says for itself that it is done. */
function isShown(notice) {
  const id = notice.data.request_id;
  return notice.kind === "request" && document.querySelector(`[data-request="${CSS.escape(id)}"]`) !== null;
}

function markRead(notice) {
  fetch("/inbox/read", { method: "POST", body: new URLSearchParams({ id: notice.id }), headers: { Accept: "application/json" } })
    .then((answer) => answer.json()).then((body) => showCount(body.unread)).catch(() => {});
}

function toast(notice) {
  if (isShown(notice)) { markRead(notice); return; }
  const box = document.createElement("div");
  box.className = `toast-notice letter-${notice.kind}`;
  box.dataset.notice = notice.id;
  const link = document.createElement("a");
  link.href = notice.link;
  link.textContent = titleOf(notice);
  const text = document.createElement("p");
  text.textContent = notice.message.slice(0, 300);
  const close = document.createElement("button");
  close.type = "button";
  close.className = "quiet";
  close.textContent = "✕";
  close.setAttribute("aria-label", said("close"));
  const away = () => box.remove();
  close.addEventListener("click", () => { markRead(notice); away(); });
  box.append(link, close, text);
  toasts.append(box);
  while (toasts.children.length > MOST_SHOWN) toasts.firstChild.remove();
  // A message is for its recipient to answer: it stays until it is closed.
  if (notice.kind !== "message") setTimeout(away, SHOWN_MS);
}

/** The ends that the page itself has shown are read, however the notices of them came. */
function readShown() {
  for (const place of document.querySelectorAll("[data-request][data-over]:not([data-read])")) {
    const id = `request-${place.dataset.request}`;
    place.dataset.read = "";
    toasts.querySelector(`[data-notice="${CSS.escape(id)}"]`)?.remove();
    markRead({ id });
  }
}

let seen = Number(recall("tab", "notices-seen") ?? -1);

function nowSeen(seq) {
  seen = seq;
  keep("tab", "notices-seen", String(seq));
}

/** Tell of a notice, once in this tab. */
function tell(notice) {
  if (notice.seq <= seen) return;
  nowSeen(notice.seq);
  toast(notice);
  document.dispatchEvent(new CustomEvent("notice", { detail: notice }));
}

/** What came while no stream was open: between two pages, or while one stream took the place of another. */
async function catchUp(newest) {
  if (seen < 0) nowSeen(newest);
  if (newest <= seen) return;
  const answer = await fetch("/inbox", { headers: { Accept: "application/json" } }).catch(() => null);
  if (!answer?.ok) return;
  const { notices } = await answer.json();
  notices.filter((notice) => !notice.read).reverse().forEach(tell);
}

function listen(source) {
  for (const name of ["notification", "session_message"]) source.addEventListener(name, (event) => tell(JSON.parse(event.data)));
  source.addEventListener("inbox", (event) => {
    const { unread, newest } = JSON.parse(event.data);
    showCount(unread);
    if (unread) readShown();
    catchUp(newest);
  });
  source.addEventListener("space_changed", (event) => keepSpaceFresh(JSON.parse(event.data)));
}

function isOpen(source) { return source !== null && source.readyState !== EventSource.CLOSED; }

function open() {
  if (document.hidden || isOpen(borrowed) || isOpen(own)) return;
  own = new EventSource("/websockets/stream");
  listen(own);
}

function close() {
  own?.close();
  own = null;
}

if (bell) {
  document.addEventListener("over", () => { if (!bell.querySelector(".bell-count").hidden) readShown(); });
  document.addEventListener("stream", (event) => {
    close();
    borrowed = event.detail;
    listen(borrowed);
  });
  // The page's own stream, if it has one, comes first.
  setTimeout(open, 300);
  setInterval(open, RETRY_MS);
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  addEventListener("pagehide", close);
}
