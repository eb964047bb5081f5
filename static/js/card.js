// One request on the page: shows a status as the site tells it. Everything of a worker is shown as text.
import { copyFrom } from "./clipboard.js";
import { facts } from "./facts.js";
import { attached, returned } from "./files.js";
import { ask } from "./live.js";
import { words } from "./words.js";

const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const isOver = (status) => TERMINAL.has(status.status);

export class Card {
  /** `place` is filled; `onAgain(prompt)` is called to ask once more, and there is no such button without it. */
  constructor(place, requestId, prompt, onAgain) {
    const made = document.getElementById("request-card").content.cloneNode(true);
    Object.assign(this, { requestId, prompt, onAgain, status: null, gone: false, filesShown: "" });
    this.part = Object.fromEntries([...made.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.folded = place.hasAttribute("data-folded");
    this.fresh = !place.dataset.request; // what came with the page is not announced
    for (const name of ["inputs", "progress", "message", "text", "error", "facts", "raw", "copy", "again", "fold"]) this.part[name].hidden = true;
    this.put("prompt", prompt);
    this.part.link.href = `/requests/${requestId}`;
    this.part.link.hidden = this.part.link.pathname === location.pathname;
    this.part.cancel.addEventListener("click", () => this.cancel());
    this.part.copy.addEventListener("click", () => copyFrom(this.part.copy, this.part.text.textContent, words("copied")));
    this.part.again.addEventListener("click", () => this.onAgain(this.prompt));
    this.part.fold.addEventListener("click", () => { this.folded = !this.folded; this.fold(); });
    place.replaceChildren(made);
    this.fold();
    this.timer = setInterval(() => this.showTime(), 1000);
  }

  get over() { return this.status !== null && isOver(this.status); }

  show(status) {
    if (this.over && !isOver(status)) return; // a late answer never takes back an end
    const news = this.status ? this.status.status !== status.status : this.fresh;
    this.status = status;
    this.part.state.textContent = words(status.status);
    this.part.state.className = `state state-${status.status}`;
    this.part.note.textContent = note(status);
    this.showProgress(status);
    this.showResult(status);
    this.part.cancel.hidden = this.over;
    this.part.again.hidden = !(this.over && this.onAgain && this.prompt);
    this.showTime();
    if (this.over) clearInterval(this.timer);
    if (news) announce(`${words(status.status)}: ${this.prompt.slice(0, 80)}`);
  }

  showProgress(status) {
    const running = status.status === "processing";
    const { progress } = this.part;
    progress.hidden = !running;
    if (running && status.progress !== null) progress.value = status.progress; else progress.removeAttribute("value");
    this.put("message", running ? status.progress_message : "");
  }

  showResult(status) {
    const result = status.result ?? {};
    const answer = typeof result.text_output === "string" ? result.text_output : status.partial;
    this.put("text", answer);
    this.part.copy.hidden = this.folded || !(this.over && answer);
    this.part.error.hidden = !["failed", "cancelled"].includes(status.status);
    this.part.error.classList.toggle("is-mild", status.status === "cancelled");
    this.put("why", why(status));
    this.put("code", status.code);
    const shown = status.status === "completed" ? facts(result) : [];
    this.part.facts.replaceChildren(...shown);
    this.part.facts.hidden = shown.length === 0;
    this.part.raw.hidden = status.status !== "completed";
    this.part.json.textContent = JSON.stringify(result, null, 2);
    this.showFiles(status.files);
  }

  showFiles(files) {
    const key = files.map((file) => file.id).join();
    if (key === this.filesShown) return;
    this.filesShown = key;
    const inputs = files.filter((file) => file.field !== "result");
    this.part.inputs.replaceChildren(...inputs.map(attached));
    this.part.inputs.hidden = inputs.length === 0;
    this.part.files.replaceChildren(...files.filter((file) => file.field === "result").map(returned));
  }

  showTime() {
    const { status } = this;
    if (!status) return;
    const running = this.over || status.status === "processing";
    const began = Date.parse((running && (status.started_at ?? status.dispatched_at)) || status.queued_at);
    const seconds = Math.max(0, ((this.over ? Date.parse(status.finished_at) : Date.now()) - began) / 1000);
    const key = this.over ? "took" : running ? "running" : "waiting";
    this.part.time.textContent = words(key, { n: this.over ? seconds.toFixed(1) : Math.floor(seconds) });
  }

  showTrouble(text) { this.part.note.textContent = text; }

  fold() {
    this.part.body.hidden = this.folded;
    this.part.copy.hidden = this.folded || !this.part.text.textContent;
    if (this.folded) this.part.fold.hidden = false;
    this.part.fold.textContent = words(this.folded ? "unfold" : "fold");
    this.part.fold.setAttribute("aria-expanded", String(!this.folded));
  }

  put(name, text) {
    this.part[name].textContent = text ?? "";
    this.part[name].hidden = !text;
  }

  async cancel() {
    this.part.cancel.disabled = true;
    const { ok, status, body } = await ask(`/websockets/cancel/${this.requestId}`, { method: "POST" });
    this.part.cancel.disabled = false;
    if (ok) this.show(body); else this.showTrouble(words(status ? `why_${body.code}` : "unreachable") ?? body.error);
  }
}

function note({ status, position, attempt, max_attempts: most, started_at: started }) {
  if (status === "queued" && attempt > 0) return words("again", { n: attempt, m: most });
  if (status === "queued" && position) return words("place", { n: position });
  if (status === "processing" && attempt > 1) return words("attempt", { n: attempt, m: most });
  return status === "processing" && !started ? words("handed") : "";
}

const TOLD_BY_WORKERS = new Set(["worker_error", "handler_crashed", "transfer_failed"]);

function why({ code, error }) {
  const known = words(`why_${code}`);
  return TOLD_BY_WORKERS.has(code) && error ? `${known} ${error}` : known ?? error;
}

function announce(text) { document.getElementById("announcer").textContent = text; }
