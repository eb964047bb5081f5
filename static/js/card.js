// One request on the page: shows a status as the site tells it. Everything of a worker is shown as text.
import { words } from "./words.js";

const TERMINAL = new Set(["completed", "failed", "cancelled"]);
const SHOWN_APART = new Set(["text_output", "error"]);

export const isOver = (status) => TERMINAL.has(status.status);

export class Card {
  constructor(place, requestId, prompt, onAgain) {
    const made = document.getElementById("request-card").content.cloneNode(true);
    this.requestId = requestId;
    this.prompt = prompt;
    this.part = Object.fromEntries([...made.querySelectorAll("[data-part]")].map((part) => [part.dataset.part, part]));
    this.status = null;
    this.filesShown = "";
    for (const name of ["progress", "message", "text", "error", "facts", "raw", "copy", "again", "cancel"]) this.part[name].hidden = true;
    this.show_text("prompt", prompt);
    this.part.link.href = `/requests/${requestId}`;
    this.part.cancel.addEventListener("click", () => this.cancel());
    this.part.copy.addEventListener("click", () => this.copy());
    this.part.again.addEventListener("click", () => onAgain?.(this.prompt));
    this.mayAskAgain = Boolean(onAgain);
    place.replaceChildren(made);
    this.timer = setInterval(() => this.show_time(), 1000);
  }

  get over() { return this.status !== null && isOver(this.status); }

  show(status) {
    if (this.over && !isOver(status)) return; // a late answer never takes back an end
    this.status = status;
    const { state, progress } = this.part;
    state.textContent = words(status.status);
    state.className = `state state-${status.status}`;
    this.part.note.textContent = this.note(status);
    const running = status.status === "processing";
    progress.hidden = !running;
    if (running && status.progress !== null) progress.value = status.progress; else progress.removeAttribute("value");
    this.show_text("message", running ? status.progress_message : "");
    const result = status.result ?? {};
    this.show_text("text", typeof result.text_output === "string" ? result.text_output : (this.over ? "" : status.partial));
    this.show_text("error", status.status === "failed" || status.status === "cancelled" ? this.why(status) : "");
    this.show_facts(status.status === "completed" ? result : {});
    this.show_files(status.files.filter((file) => file.field === "result"));
    this.part.cancel.hidden = this.over;
    this.part.copy.hidden = !(status.status === "completed" && result.text_output);
    this.part.again.hidden = !(this.over && this.mayAskAgain && this.prompt);
    this.show_time();
    if (this.over) clearInterval(this.timer);
  }

  note(status) {
    if (status.status === "queued" && status.attempt > 0) return words("again", { n: status.attempt, m: status.max_attempts });
    if (status.status === "queued" && status.position) return words("place", { n: status.position });
    if (status.status === "processing" && status.attempt > 1) return words("attempt", { n: status.attempt, m: status.max_attempts });
    if (status.status === "processing" && !status.started_at) return words("handed");
    return "";
  }

  why(status) {
    const known = words(status.code ?? "");
    const own = status.code === "worker_error" && status.error ? ` ${status.error}` : "";
    return (known ?? status.error ?? "") + own;
  }

  show_time() {
    const status = this.status;
    if (!status) return;
    const began = Date.parse(this.over ? status.started_at ?? status.queued_at : status.queued_at);
    const until = this.over ? Date.parse(status.finished_at) : Date.now();
    const seconds = Math.max(0, (until - began) / 1000);
    this.part.time.textContent = words(this.over ? "took" : "waited", { n: this.over ? seconds.toFixed(1) : Math.floor(seconds) });
  }

  show_text(name, text) {
    this.part[name].textContent = text ?? "";
    this.part[name].hidden = !text;
  }

  show_facts(result) {
    const facts = Object.entries(result).filter(([key, value]) => !SHOWN_APART.has(key) && typeof value !== "object");
    this.part.facts.replaceChildren(...facts.flatMap(([key, value]) => {
      const term = document.createElement("dt");
      const description = document.createElement("dd");
      term.textContent = key;
      description.textContent = String(value);
      return [term, description];
    }));
    this.part.facts.hidden = facts.length === 0;
    this.part.raw.hidden = Object.keys(result).length === 0;
    this.part.json.textContent = JSON.stringify(result, null, 2);
  }

  show_files(files) {
    const key = files.map((file) => file.id).join();
    if (key === this.filesShown) return;
    this.filesShown = key;
    this.part.files.replaceChildren(...files.map(figure));
  }

  show_problem(text) { this.part.note.textContent = text; }

  async cancel() {
    this.part.cancel.disabled = true;
    try {
      const answer = await fetch(`/websockets/cancel/${this.requestId}`, { method: "POST" });
      if (answer.ok) this.show(await answer.json());
    } finally {
      this.part.cancel.disabled = false;
    }
  }

  async copy() {
    await navigator.clipboard.writeText(this.part.text.textContent);
    this.part.copy.textContent = words("copied");
    setTimeout(() => { this.part.copy.textContent = words("copy"); }, 1500);
  }
}

function figure(file) {
  const made = document.createElement("figure");
  const kind = file.content_type.split("/")[0];
  if (kind === "image") {
    const image = document.createElement("img");
    image.src = file.url;
    image.alt = file.name;
    made.append(image);
  } else if (kind === "audio" || kind === "video") {
    const player = document.createElement(kind);
    player.src = file.url;
    player.controls = true;
    player.preload = "metadata";
    player.setAttribute("aria-label", file.name);
    made.append(player);
  }
  const caption = document.createElement("figcaption");
  const link = document.createElement("a");
  link.href = file.url;
  link.download = file.name;
  link.textContent = `${words("download")}: ${file.name} (${size(file.size)})`;
  caption.append(link);
  made.append(caption);
  return made;
}

function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
}
