// The badge of a space, wherever it stands.
import { words } from "./words.js";

/** Make the badge say whether the space has its worker; an unchanged badge is left alone, so that it is not read out again. */
export function showBadge(badge, connected) {
  const text = words(connected ? "connected" : "disconnected");
  if (badge.textContent === text) return;
  badge.textContent = text;
  badge.className = `badge-state ${connected ? "is-on" : "is-off"}`;
}
