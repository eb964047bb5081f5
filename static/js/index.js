// The list of spaces: search as one types, badges that stay true. The administrators' table lives by it too.
import { showBadge } from "./badge.js";
import { ask } from "./live.js";
import { words } from "./words.js";

const EVERY_MS = 4000;
const rows = new Map([...document.querySelectorAll("[data-space]")].map((row) => [row.dataset.space, row]));

document.getElementById("search")?.addEventListener("input", (event) => {
  const wanted = event.target.value.trim().toLowerCase();
  for (const row of rows.values()) row.hidden = !row.dataset.text.includes(wanted);
  document.getElementById("no-match").hidden = [...rows.values()].some((row) => !row.hidden);
});

function show(state) {
  const row = rows.get(state.space_id);
  const badge = row?.querySelector(".badge-state");
  if (!badge) return; // a space that was made since, or one without a worker
  showBadge(badge, state.connected);
  for (const cell of row.querySelectorAll("[data-number]")) cell.textContent = state[cell.dataset.number];
  for (const queue of row.querySelectorAll(".queue")) {
    queue.textContent = words("queue", { n: state.queue_size });
    queue.hidden = !state.queue_size;
  }
}

async function refresh() {
  if (document.hidden || !rows.size) return;
  const { ok, body } = await ask("/", { headers: { Accept: "application/json" } });
  if (ok) body.spaces.forEach(show);
}

setInterval(refresh, EVERY_MS);
document.addEventListener("visibilitychange", refresh);
addEventListener("pageshow", (event) => { if (event.persisted) refresh(); });
