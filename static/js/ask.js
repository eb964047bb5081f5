// The form of a space: sends a request, tells how far an upload is, and what was wrong with it.
import { size } from "./files.js";
import { keep, recall } from "./keep.js";
import { Pickers } from "./pickers.js";
import { words } from "./words.js";

const SHOWN_FROM_BYTES = 100000;
const AGAIN = "ask-again";

/** Keep a prompt for the form of the page one goes to next. */
export function carryPrompt(prompt) { keep("tab", AGAIN, prompt); }

/** A key no other submission has; browsers offer randomUUID on https only. */
function newKey() { return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join(""); }

export class Ask {
  /** `onAccepted(requestId, prompt)` is called for each request the site has taken. */
  constructor(form, onAccepted) {
    Object.assign(this, { form, onAccepted, countdown: null, upload: null, held: false, key: newKey() });
    this.place = document.getElementById("ask-note");
    this.button = document.getElementById("send");
    this.stop = document.getElementById("stop");
    this.meter = document.getElementById("upload");
    this.pickers = new Pickers(form);
    form.addEventListener("submit", (event) => { event.preventDefault(); if (!this.button.disabled) this.submit(); });
    form.addEventListener("input", () => { this.mark(null); this.key = newKey(); });
    this.stop.addEventListener("click", () => this.upload?.abort());
    form.querySelector("textarea")?.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
    });
    const carried = recall("tab", AGAIN);
    keep("tab", AGAIN, null);
    if (carried) this.fill(carried);
  }

  /** Put a prompt into the form, ready to be sent. */
  fill(prompt) {
    const field = document.getElementById("prompt");
    if (!field) return;
    field.value = prompt;
    this.key = newKey();
    field.focus();
  }

  /** Say something beside the button; with `link` ({href, text}) after it. A `quiet` one is not read out. */
  note(text, { bad = false, link = null, quiet = false } = {}) {
    this.place.setAttribute("aria-live", quiet ? "off" : "polite");
    this.place.textContent = text;
    this.place.classList.toggle("is-bad", bad);
    if (!link) return;
    const made = document.createElement("a");
    made.href = link.href;
    made.textContent = link.text;
    this.place.append(" ", made);
  }

  submit() {
    const data = new FormData(this.form);
    for (const input of this.form.querySelectorAll("input[type=file]")) if (!input.files.length) data.delete(input.name);
    if (this.pickers.tooLarge) this.note(words("why_too_large"), { bad: true });
    else if ([...data.values()].every((value) => value === "")) this.refused({ code: "empty_submission", field: "prompt" });
    else this.send(data, String(data.get("prompt") ?? ""));
  }

  send(data, prompt) {
    const upload = this.upload = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    const sent = this.key;
    this.stopCountdown();
    this.allow(false);
    this.note(words("sending"));
    upload.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => {
      if (lengthComputable && total >= SHOWN_FROM_BYTES) this.showUpload(loaded, total);
    });
    // Once all is there the site may have taken it: nothing to stop any more.
    upload.upload.addEventListener("load", () => { this.stop.hidden = true; });
    upload.addEventListener("abort", () => this.ended(() => this.note(words("stopped"))));
    for (const event of ["load", "error"]) {
      upload.addEventListener(event, () => this.ended(() => this.answered(upload.status, upload.response ?? {}, prompt, sent)));
    }
    upload.responseType = "json";
    upload.open("POST", this.form.action);
    upload.setRequestHeader("Idempotency-Key", this.key);
    upload.send(data);
  }

  /** Let people send, or not just now; who was at the button is there again afterwards. */
  allow(allowed) {
    if (!allowed) this.held ||= document.activeElement === this.button;
    this.button.disabled = !allowed;
    if (!allowed) return;
    if (this.held && document.activeElement === document.body) this.button.focus();
    this.held = false;
  }

  showUpload(loaded, total) {
    this.meter.hidden = this.stop.hidden = false;
    this.meter.value = (loaded / total) * 100;
    const n = words("percent", { n: Math.floor(this.meter.value) });
    this.note(words("uploading", { n, done: size(loaded), all: size(total) }), { quiet: true });
  }

  ended(then) {
    this.upload = null;
    this.allow(true);
    this.meter.hidden = this.stop.hidden = true;
    then();
  }

  answered(status, body, prompt, sent) {
    if (status === 200 && body.success) {
      this.note(words("sent"));
      if (this.key === sent) this.form.reset(); // what was written meanwhile is for the next one
      this.key = newKey();
      this.onAccepted(body.request_id, prompt);
    } else if (status === 401) this.loggedOut();
    else if (status === 0) this.note(words("unsure"), { bad: true });
    else if (body.code === "rate_limited") this.countDown(Math.ceil(body.retry_after));
    else this.refused(body);
  }

  loggedOut() {
    const link = { href: `/login?next=${encodeURIComponent(location.pathname)}`, text: words("login_link") };
    this.note(words("login"), { bad: true, link });
  }

  refused({ code, field, error }) {
    const rule = code === "invalid_field" && words(`rule_${field}`);
    this.note(rule || (words(`why_${code}`) ?? error ?? words("why_internal_error")), { bad: true });
    this.mark(field);
  }

  /** Mark one field as wrong, or none. */
  mark(field) {
    for (const marked of this.form.querySelectorAll("[aria-invalid]")) marked.removeAttribute("aria-invalid");
    const wrong = field && this.form.querySelector(`[name="${CSS.escape(field)}"]`);
    wrong?.setAttribute("aria-invalid", "true");
    wrong?.focus();
  }

  countDown(seconds) {
    const end = Date.now() + seconds * 1000;
    let said = 0;
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left <= 0) { this.stopCountdown(); return; }
      if (left !== said) this.note(words("wait", { n: left }), { bad: true, quiet: said > 0 }); // read out once
      said = left;
    };
    this.countdown = setInterval(tick, 250);
    this.allow(false);
    tick();
  }

  stopCountdown() {
    if (this.countdown === null) return;
    clearInterval(this.countdown);
    this.countdown = null;
    this.allow(true);
    this.note("", { quiet: true });
  }
}
