// The list of spaces: search as one types, badges that stay true.
import { words } from "./words.js";

const cards = [...document.querySelectorAll(".card-space")];
const EVERY_MS = 5000;

document.getElementById("search")?.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const card of cards) card.hidden = !card.dataset.text.includes(wanted);
  document.getElementById("no-match").hidden = cards.some((card) => !card.hidden);
});

async function refresh(card) {
  const answer = await fetch(`/websockets/space/${card.dataset.space}/status`);
  if (!answer.ok) return;
  const { connected } = await answer.json();
  const badge = card.querySelector(".badge-state");
  badge.textContent = words(connected ? "connected" : "disconnected");
  badge.className = `badge-state ${connected ? "is-on" : "is-off"}`;
}

async function refreshAll() {
  if (!document.hidden) await Promise.allSettled(cards.slice(0, 50).map(refresh));
  setTimeout(refreshAll, EVERY_MS);
}
setTimeout(refreshAll, EVERY_MS);
document.addEventListener("visibilitychange", () => { if (!document.hidden) cards.slice(0, 50).forEach(refresh); });
