// Live status: one stream for the page, and the store asked again whenever a push may have been missed.
const RETRY_MS = [1000, 2000, 5000, 15000];
const POLL_MS = 1500;
const MOST_ASKED = 6;

/** What the site says at an address, as {ok, status, body}; `status` is 0 when it cannot be reached. */
export async function ask(address, options) {
  try {
    const answer = await fetch(address, options);
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
    this.failures = 0;
    this.retryAt = 0;
    this.loggedOut = false;
    for (const event of ["online", "pageshow"]) addEventListener(event, () => this.refresh());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.close(); else this.refresh(); });
    addEventListener("pagehide", () => this.close());
    setInterval(() => this.poll(), POLL_MS);
    this.refresh();
  }

  /** Ask the store for everything, and stream again. */
  refresh() {
    this.loggedOut = false;
    this.retryAt = 0;
    this.askSpace();
    this.openRequests().forEach((id) => this.askRequest(id));
    this.open();
  }

  open() {
    const [streamed] = this.openRequests();
    if (this.source && this.source.readyState !== EventSource.CLOSED && this.streamed === streamed) return;
    this.close();
    if (document.hidden || this.loggedOut || Date.now() < this.retryAt || (!this.spaceId && !streamed)) return;
    this.streamed = streamed;
    const query = new URLSearchParams();
    if (this.spaceId) query.set("space_id", this.spaceId);
    if (streamed) query.set("request_id", streamed);
    this.listen(new EventSource(`/websockets/stream?${query}`), streamed);
  }

  listen(source, streamed) {
    this.source = source;
    document.dispatchEvent(new CustomEvent("stream", { detail: source })); // the bell listens to it, too
    source.addEventListener("open", () => { this.failures = 0; });
    source.addEventListener("space", (event) => this.onSpace(JSON.parse(event.data)));
    source.addEventListener("request", (event) => {
      this.onRequest(streamed, JSON.parse(event.data));
      this.open(); // once it is over, the next open one is streamed
    });
    source.addEventListener("error", () => {
      // A lost connection is taken up again by the browser itself; a refusal is not.
      if (source.readyState !== EventSource.CLOSED || this.source !== source) return;
      this.close();
      this.retryAt = Date.now() + RETRY_MS[Math.min(this.failures, RETRY_MS.length - 1)];
      this.failures += 1;
    });
  }

  close() {
    this.source?.close();
    this.source = null;
    this.streamed = undefined;
  }

  get streaming() { return this.source?.readyState === EventSource.OPEN; }

  /** Behind the stream: what it does not carry, or everything while it is down. */
  poll() {
    if (document.hidden || this.loggedOut) return;
    const open = this.openRequests();
    open.slice(this.streaming ? 1 : 0, MOST_ASKED).forEach((id) => this.askRequest(id));
    if (!this.streaming) this.askSpace();
    if (!this.source) this.open();
  }

  async askSpace() {
    if (!this.spaceId) return;
    const { ok, body, status } = await ask(`/websockets/space/${this.spaceId}/status`);
    if (ok) this.onSpace(body); else this.trouble(null, status);
  }

  async askRequest(id) {
    const { ok, body, status } = await ask(`/websockets/status?request_id=${encodeURIComponent(id)}`);
    if (ok) this.onRequest(id, body); else this.trouble(id, status);
  }

  trouble(id, status) {
    if (status === 401) {
      this.loggedOut = true;
      this.close();
    }
    this.onTrouble(id, status);
  }
}
