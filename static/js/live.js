// Live status: one stream for the page, and the store asked again whenever a push may have been missed.
import { heardAt } from "./clock.js";

const RETRY_MS = [1000, 2000, 5000, 15000];
const POLL_MS = 1500;
const LINGER_MS = 400;
const SILENCE_MS = 10000;
const ANSWER_MS = 15000;
const MOST_ASKED = 6;

/** What the site says at an address, as {ok, status, body}; `status` is 0 when it cannot be reached. */
export async function ask(address, options) {
  try {
    const answer = await fetch(address, { signal: AbortSignal.timeout(ANSWER_MS), ...options });
    heardAt(answer);
    const body = await answer.json().catch(() => ({}));
    return { ok: answer.ok, status: answer.status, body };
  } catch {
    return { ok: false, status: 0, body: {} };
  }
}

export class Live {
  /**
   * `openRequests()` lists the ids still open, the one to stream first. `onSpace(state)` and `onRequest(id, status)`
   * are told what is; `onTrouble(id, status)` what could not be asked (id null: the space), by its HTTP status or 0.
   */
  constructor({ spaceId, openRequests, onSpace, onRequest, onTrouble }) {
    Object.assign(this, { spaceId, openRequests, onSpace, onRequest, onTrouble });
    this.source = null;
    this.streamed = undefined;
    this.failures = this.retryAt = this.turn = 0;
    this.loggedOut = false;
    this.left = false;
    this.heard = this.polled = Date.now();
    this.asking = new Set();
    for (const event of ["online", "pageshow"]) addEventListener(event, () => { this.left = false; this.refresh(); });
    addEventListener("offline", () => { this.heard = 0; this.poll(); }); // say so at once
    addEventListener("pagehide", () => { this.left = true; this.close(); });
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.close(); else this.refresh(); });
    setInterval(() => this.poll(), POLL_MS);
    this.refresh();
  }

  get away() { return document.hidden || this.left || this.loggedOut; }

  get streaming() { return this.source?.readyState === EventSource.OPEN; }

  /** Ask the store for everything, and stream again. */
  refresh() {
    this.loggedOut = false;
    if (this.away) return;
    this.retryAt = 0;
    this.askSpace();
    this.openRequests().forEach((id) => this.askRequest(id));
    this.open();
  }

  open() {
    const [streamed] = this.openRequests();
    if (this.source && this.source.readyState !== EventSource.CLOSED && this.streamed === streamed) return;
    this.close();
    if (this.away || Date.now() < this.retryAt || (!this.spaceId && !streamed)) return;
    this.streamed = streamed;
    const query = new URLSearchParams();
    if (this.spaceId) query.set("space_id", this.spaceId);
    if (streamed) query.set("request_id", streamed);
    this.listen(new EventSource(`/websockets/stream?${query}`), streamed);
  }

  listen(source, streamed) {
    this.source = source;
    document.dispatchEvent(new CustomEvent("stream", { detail: source })); // the bell listens to it, too
    this.heard = Date.now();
    source.addEventListener("open", () => { this.failures = 0; });
    source.addEventListener("space", (event) => this.hear(() => this.onSpace(JSON.parse(event.data))));
    source.addEventListener("request", (event) => this.hear(() => {
      this.tell(streamed, { ...this.known(streamed), ...JSON.parse(event.data) });
      // Once it is over, the next open one is streamed; not at once, for others listen to this stream, too.
      if (this.openRequests()[0] !== streamed) setTimeout(() => this.open(), LINGER_MS);
    }));
    source.addEventListener("chunk", (event) => this.hear(() => {
      const known = this.known(streamed);
      this.tell(streamed, { ...known, partial: known.partial + JSON.parse(event.data).text });
    }));
    source.addEventListener("error", () => {
      // A lost connection is taken up again by the browser itself; a refusal is not.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.close();
      this.retryAt = Date.now() + RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      this.failures += 1;
    });
  }

  /** What the stream has said of a request; text that is known already is not sent again. */
  known(id) { return this.latest?.request_id === id ? this.latest : { partial: "" }; }

  tell(id, status) {
    this.latest = status;
    this.told = performance.now();
    this.onRequest(id, status);
  }

  hear(tell) {
    this.heard = Date.now();
    tell();
  }

  close() {
    this.source?.close();
    this.source = null;
    this.streamed = undefined;
  }

  /** Behind the stream: what it does not carry; everything while it is down, or silent for long, as a dead one is. */
  poll() {
    const slept = Date.now() - this.polled > SILENCE_MS;
    this.polled = Date.now();
    if (this.away) return;
    if (slept) this.close();
    const heard = this.streaming && Date.now() - this.heard < SILENCE_MS;
    this.askSome(this.openRequests().filter((id) => !heard || id !== this.streamed));
    if (!heard) {
      this.heard = Date.now();
      this.askSpace();
    }
    this.open();
  }

  /** A few of many, by turns. */
  askSome(ids) {
    if (ids.length > MOST_ASKED) {
      this.turn = (this.turn + MOST_ASKED) % ids.length;
      ids = [...ids.slice(this.turn), ...ids.slice(0, this.turn)].slice(0, MOST_ASKED);
    }
    ids.forEach((id) => this.askRequest(id));
  }

  async askSpace() {
    if (this.spaceId) await this.askOnce(null, `/websockets/space/${this.spaceId}/status`, (body) => this.onSpace(body));
  }

  async askRequest(id) {
    await this.askOnce(id, `/websockets/status?request_id=${encodeURIComponent(id)}`, (body) => this.onRequest(id, body));
  }

  /** Ask, unless the same is being asked: a slow site is not asked the more. */
  async askOnce(id, address, tell) {
    if (this.asking.has(id)) return;
    this.asking.add(id);
    const asked = performance.now();
    const { ok, body, status } = await ask(address);
    this.asking.delete(id);
    // What the stream has said meanwhile is newer.
    if (ok && id !== null && this.latest?.request_id === id && this.told > asked) return;
    if (ok) tell(body); else this.trouble(id, status);
  }

  trouble(id, status) {
    if (status === 401) {
      this.loggedOut = true;
      this.close();
    }
    if (!this.left) this.onTrouble(id, status); // leaving ends what is being asked; nobody is there to be told
  }
}
