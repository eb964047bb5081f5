// One request on the page: shows a status as the site tells it. Everything of a worker is shown as text.
import { copyFrom } from "./clipboard.js";
import { siteNow } from "./clock.js";
import { facts } from "./facts.js";
import { attached, returned } from "./files.js";
import { ask } from "./live.js";
import { note, stateOf, why } from "./notes.js";
import { rendered } from "./rich.js";
import { moment, span } from "./spans.js";
import { words } from "./words.js";

const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const STAGES = ["queued_at", "dispatched_at", "started_at", "finished_at"];
const isOver = (status) => TERMINAL.has(status.status);

export class Card {
  /**
   * `place` is filled with the first status, and keeps till then what came with the page. `onAgain(prompt)` is called
   * to ask once more; there is no such button without it.
   */
  constructor(place, requestId, prompt, onAgain) {
    const made = document.getElementById("request-card").content.cloneNode(true);
    Object.assign(this, { place, made, requestId, prompt, onAgain, status: null, gone: false, filesShown: "" });
    this.part = Object.fromEntries([...made.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.folded = this.foldable = place.hasAttribute("data-folded");
    this.whole = place.hasAttribute("data-whole");
    this.fresh = !place.dataset.request; // what came with the page is not announced
    for (const name of ["inputs", "progress", "message", "text", "rich", "error", "facts", "raw", "copy", "again", "fold", "stages"]) this.part[name].hidden = true;
    this.put("prompt", prompt);
    const address = `/requests/${requestId}`;
    this.part.link.href = address;
    this.part.link.hidden = address === location.pathname;
    this.part.cancel.addEventListener("click", () => this.cancel());
    this.part.copy.addEventListener("click", () => copyFrom(this.part.copy, this.part.text.textContent, words("copied")));
    this.part.again.addEventListener("click", () => this.onAgain(this.prompt));
    this.part.fold.addEventListener("click", () => { this.folded = !this.folded; this.fold(); });
    this.fold();
    if (!place.hasChildNodes()) this.mount();
    this.timer = setInterval(() => this.showTime(), 1000);
  }

  get over() { return this.status !== null && isOver(this.status); }

  get runs() { return this.status?.status === "processing"; }

  mount() {
    this.place.replaceChildren(this.made);
    this.made = null;
  }

  show(status) {
    if (this.over && !isOver(status)) return; // a late answer never takes back an end
    const news = this.status ? stateOf(this.status) !== stateOf(status) : this.fresh;
    this.status = status;
    this.part.state.textContent = words(stateOf(status));
    this.part.state.className = `state state-${stateOf(status)}`;
    this.part.note.textContent = note(status);
    this.showProgress(status);
    this.showResult(status);
    this.showStages(status);
    this.part.cancel.hidden = this.over;
    this.part.again.hidden = !(this.over && this.onAgain && this.prompt);
    this.showTime();
    this.fold();
    if (this.made) this.mount();
    if (this.over) clearInterval(this.timer);
    if (this.over && (news || this.whole)) this.tellOver();
    if (news && stateOf(status) !== "handed_out") announce(`${words(stateOf(status))}: ${this.prompt.slice(0, 80)}`);
  }

  /** It is over, and the person is looking at it: the bell need not ring for it. */
  tellOver() {
    this.place.dataset.over = "";
    document.dispatchEvent(new CustomEvent("over"));
  }

  showProgress(status) {
    const running = stateOf(status) === "processing";
    const known = running && status.progress > 0; // a worker that says nothing of it begins with 0
    this.part.progress.hidden = !running;
    if (known) this.part.meter.value = status.progress; else this.part.meter.removeAttribute("value");
    this.put("percent", known ? words("percent", { n: Math.round(status.progress) }) : "");
    this.put("message", running ? status.progress_message : "");
  }

  showResult(status) {
    const result = status.result ?? {};
    const answer = typeof result.text_output === "string" ? result.text_output : status.partial;
    if (this.part.rich.hidden) this.put("text", answer);
    this.showRich(result);
    this.part.text.classList.toggle("is-growing", !this.over);
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

  async showRich(result) {
    if (!this.over || result.format !== "markdown" || this.rich) return;
    this.rich = true;
    const answer = await rendered(this.requestId);
    if (!answer) return; // it stays as text
    this.part.rich.replaceChildren(answer);
    this.part.rich.hidden = false;
    this.part.text.hidden = true;
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

  showStages(status) {
    this.part.stages.hidden = !this.whole;
    for (const stage of STAGES) this.put(stage, status[stage] ? moment(status[stage]) : "–");
    this.put("attempts", status.attempt ? words("attempts", { n: status.attempt, m: status.max_attempts }) : "–");
  }

  showTime() {
    const { status } = this;
    if (!status) return;
    const running = this.over || stateOf(status) === "processing";
    const began = Date.parse((running && (status.started_at ?? status.dispatched_at)) || status.queued_at);
    const until = this.over ? Date.parse(status.finished_at) : siteNow();
    // How long it ran is for the worker to say: its result may have come later, after a broken line.
    const told = this.over ? status.run_seconds : null;
    const seconds = told ?? Math.max(0, (until - began) / 1000);
    const key = this.over ? "took" : running ? "running" : "waiting";
    this.part.time.textContent = words(key, { n: span(this.over ? seconds : Math.floor(seconds), this.over ? 1 : 0) });
  }

  showTrouble(text) {
    if (this.made) this.mount();
    this.part.note.textContent = text;
  }

  /** Why it failed is never folded away; what is inside only if there is something. */
  fold() {
    const empty = ["text", "rich", "facts", "raw", "stages"].every((name) => this.part[name].hidden) && !this.part.files.hasChildNodes();
    this.part.body.hidden = this.folded || empty;
    this.part.copy.hidden = this.folded || !(this.over && this.part.text.textContent);
    this.part.fold.hidden = !this.foldable || (this.over && empty);
    this.part.fold.textContent = words(this.folded ? "unfold" : "fold");
    this.part.fold.setAttribute("aria-expanded", String(!this.folded));
  }

  put(name, text) {
    const part = this.part[name];
    if (part.textContent !== (text ?? "")) part.textContent = text ?? "";
    part.hidden = !text;
  }

  async cancel() {
    const held = document.activeElement === this.part.cancel;
    this.part.cancel.disabled = true;
    const { ok, status, body } = await ask(`/websockets/cancel/${this.requestId}`, { method: "POST" });
    this.part.cancel.disabled = false;
    if (ok) this.show(body); else this.showTrouble(words(status ? `why_${body.code}` : "unreachable") ?? body.error);
    // Who was at the button stays in the card when the button goes away.
    if (held && document.activeElement === document.body) ["cancel", "again", "link", "prompt"].map((name) => this.part[name]).find((part) => !part.hidden)?.focus();
  }
}

function announce(text) { document.getElementById("announcer").textContent = text; }
