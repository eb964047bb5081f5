// Answers in markdown. The one place where text becomes markup: that of the site's sanitiser, never a worker's own.
import { ask } from "./live.js";

/** The answer of a request as the site renders it, as a fragment; null if it has none. */
export async function rendered(requestId) {
  const { ok, body } = await ask(`/websockets/rendered/${requestId}`);
  if (!ok || typeof body.html !== "string") return null;
  const holder = document.createElement("template");
  holder.innerHTML = body.html;
  return holder.content;
}
