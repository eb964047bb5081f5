// Live status: one stream for the page, and the store asked again whenever a push may have been missed.
const FIRST_RETRY_MS = 1000;
const POLL_MS = 1500;

/** What the site says of one address, as {ok, status, body}; `ok` is false and status 0 when it cannot be reached. */
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
  /** `openRequests()` lists ids still open, the one to stream first; `onSpace`, `onRequest` and `onTrouble` are told. */
  constructor({ spaceId, openRequests, onSpace, onRequest, onTrouble }) {
    Object.assign(this, { spaceId, openRequests, onSpace, onRequest, onTrouble });
    this.source = null;
    this.streamed = undefined;
    this.wanted = false;
    for (const event of ["online", "pageshow"]) addEventListener(event, () => this.refresh());
    document.addEventListener("visibilitychange", () => { if (document.hidden) this.close(); else this.refresh(); });
    setInterval(() => this.poll(), POLL_MS);
    this.refresh();
  }

  /** Ask the store for everything, and stream again. */
  refresh() {
    this.ask_all();
    this.open();
  }

  open() {
    if (document.hidden) return;
    const [streamed] = this.openRequests();
    if (this.source && this.source.readyState !== EventSource.CLOSED && this.streamed === streamed) return;
    this.close();
    if (!this.spaceId && !streamed) return;
    this.streamed = streamed;
    const query = new URLSearchParams();
    if (this.spaceId) query.set("space_id", this.spaceId);
    if (streamed) query.set("request_id", streamed);
    const source = this.source = new EventSource(`/websockets/stream?${query}`);
    source.addEventListener("space", (event) => this.onSpace(JSON.parse(event.data)));
    source.addEventListener("request", (event) => {
      this.onRequest(streamed, JSON.parse(event.data));
      this.open();
    });
    source.addEventListener("error", () => {
      if (source.readyState === EventSource.CLOSED && this.source === source) {
        this.close();
        setTimeout(() => this.open(), FIRST_RETRY_MS);
      }
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
    if (document.hidden) return;
    const open = this.openRequests();
    for (const id of this.streaming ? open.slice(1, 6) : open.slice(0, 6)) this.ask_request(id);
    if (!this.streaming) this.ask_space();
    if (!this.source && (this.spaceId || open.length)) this.open();
  }

  ask_all() {
    this.ask_space();
    this.openRequests().forEach((id) => this.ask_request(id));
  }

  async ask_space() {
    if (!this.spaceId) return;
    const { ok, body, status } = await ask(`/websockets/space/${this.spaceId}/status`);
    if (ok) this.onSpace(body); else this.onTrouble(null, status);
  }

  async ask_request(id) {
    const { ok, body, status } = await ask(`/websockets/status?request_id=${encodeURIComponent(id)}`);
    if (ok) this.onRequest(id, body); else this.onTrouble(id, status);
  }
}
