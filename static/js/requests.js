// The list of one's requests: the states of those still open stay true.
import { Live } from "./live.js";
import { stateOf } from "./notes.js";
import { words } from "./words.js";

const open = new Map([...document.querySelectorAll("[data-open]")].map((row) => [row.dataset.open, row]));
const TERMINAL = new Set(["completed", "failed", "cancelled"]);

function show(id, status) {
  const pill = open.get(id)?.querySelector(".state");
  if (!pill) return;
  pill.textContent = words(stateOf(status));
  pill.className = `state state-${stateOf(status)}`;
  if (TERMINAL.has(status.status)) open.delete(id);
}

if (open.size) {
  new Live({
    openRequests: () => [...open.keys()].reverse(),
    onSpace: () => {},
    onRequest: show,
    onTrouble: (id, status) => { if (status === 404) open.delete(id); },
  });
}
