// The form of a space: sends a request, tells how far an upload is, and what was wrong with it.
import { words } from "./words.js";

const SHOWN_FROM_BYTES = 100000;
const AGAIN = "ask-again";

/** Keep a prompt for the form of the page one goes to next. */
export function carryPrompt(prompt) { sessionStorage.setItem(AGAIN, prompt); }

export class Ask {
  /** `onAccepted(requestId, prompt)` is called for each request the site has taken. */
  constructor(form, onAccepted) {
    Object.assign(this, { form, onAccepted, countdown: null });
    this.place = document.getElementById("ask-note");
    this.button = document.getElementById("send");
    this.meter = document.getElementById("upload");
    form.addEventListener("submit", (event) => { event.preventDefault(); this.submit(); });
    form.addEventListener("input", () => this.mark(null));
    form.querySelector("textarea")?.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
    });
    const carried = sessionStorage.getItem(AGAIN);
    sessionStorage.removeItem(AGAIN);
    if (carried) this.fill(carried);
  }

  /** Put a prompt into the form, ready to be sent. */
  fill(prompt) {
    const field = document.getElementById("prompt");
    if (!field) return;
    field.value = prompt;
    field.focus();
  }

  /** Say something beside the button; with `link` ({href, text}) after it. */
  note(text, { bad = false, link = null } = {}) {
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
    const values = [...data.values()];
    const bytes = values.reduce((sum, value) => sum + (value instanceof File ? value.size : 0), 0);
    if (bytes > Number(this.form.dataset.most)) this.note(words("why_too_large"), { bad: true });
    else if (values.every((value) => value === "")) this.refused({ code: "empty_submission", field: "prompt" });
    else this.send(data, String(data.get("prompt") ?? ""));
  }

  send(data, prompt) {
    const upload = new XMLHttpRequest(); // fetch cannot tell how far an upload is
    this.stopCountdown();
    this.button.disabled = true;
    this.note(words("sending"));
    upload.upload.addEventListener("progress", ({ lengthComputable, loaded, total }) => {
      if (!lengthComputable || total < SHOWN_FROM_BYTES) return;
      this.meter.hidden = false;
      this.meter.value = (loaded / total) * 100;
      this.note(words("uploading", { n: `${Math.round(this.meter.value)}%` }));
    });
    upload.addEventListener("loadend", () => {
      this.button.disabled = false;
      this.meter.hidden = true;
      this.answered(upload.status, upload.response ?? {}, prompt);
    });
    upload.responseType = "json";
    upload.open("POST", this.form.action);
    upload.send(data);
  }

  answered(status, body, prompt) {
    if (status === 200 && body.success) {
      this.note(words("sent"));
      this.form.reset();
      this.onAccepted(body.request_id, prompt);
    } else if (status === 401) this.loggedOut();
    else if (status === 0) this.note(words("unreachable"), { bad: true });
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
    const tick = () => {
      const left = Math.ceil((end - Date.now()) / 1000);
      if (left <= 0) { this.stopCountdown(); return; }
      this.note(words("wait", { n: left }), { bad: true });
    };
    this.countdown = setInterval(tick, 250);
    this.button.disabled = true;
    tick();
  }

  stopCountdown() {
    if (this.countdown === null) return;
    clearInterval(this.countdown);
    this.countdown = null;
    this.button.disabled = false;
    this.note("");
  }
}
