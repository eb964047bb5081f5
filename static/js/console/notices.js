// The tab Notifications: how many were sent and read, and to whom the newest went.
import { words } from "../words.js";
import { byId, cell, count, fill, head, make, when } from "./dom.js";

const kind = (one) => words(`k_${one.kind}`);

function recipient(one) {
  if (one.to_everybody) return words("everybody");
  return one.to_nobody ? make("span", {}, `${one.to} `, make("span", { class: "state state-failed" }, words("nobody"))) : one.to;
}

export function showNotices({ counts, latest }) {
  fill(byId("notice-counts"), counts.map((one) => make("tr", {},
    head(kind(one)), cell("l_type", make("code", {}, one.type)), cell("l_sent", count(one.sent)), cell("l_everybody", count(one.to_everybody)),
    cell("l_nobody", count(one.to_nobody)), cell("l_read", count(one.read)), cell("l_last", when(one.last_at)))));
  fill(byId("notice-latest"), latest.map((one) => make("tr", { "data-notice": one.id },
    head(when(one.at)), cell("l_kind", kind(one), " ", make("code", {}, one.type)), cell("l_to", recipient(one)), cell("l_title", one.title), cell("l_sender", one.sender),
    cell("l_state", make("span", { class: `state ${one.read ? "state-completed" : "state-queued"}` }, words(one.read ? "is_read" : "is_unread"))))));
}
