// The tab Notifications: how many were sent and read, and to whom the newest went.
import { words } from "../words.js";
import { byId, cell, count, fill, head, make, number, when, whole } from "./dom.js";

const kind = (one) => words(`k_${one.kind}`);

function recipient(one) {
  if (one.to_everybody) return words("everybody");
  return one.to_nobody ? make("span", {}, `${one.to} `, make("span", { class: "state state-failed" }, words("nobody"))) : one.to;
}

export function showNotices({ counts, latest }) {
  fill(byId("notice-counts"), counts.map((one) => make("tr", {},
    head(kind(one)), cell("l_type", make("code", {}, one.type)), number("l_sent", count(one.sent)), number("l_everybody", count(one.to_everybody)),
    number("l_nobody", count(one.to_nobody)), number("l_read", count(one.read)), number("l_last", when(one.last_at)))), "no_notices");
  fill(byId("notice-latest"), latest.map((one) => make("tr", { "data-notice": one.id },
    head(when(one.at)), whole("l_kind", kind(one), " ", make("code", {}, one.type)), whole("l_to", recipient(one)), whole("l_title", one.title), cell("l_sender", one.sender),
    cell("l_state", make("span", { class: `state ${one.read ? "state-completed" : "state-queued"}` }, words(one.read ? "is_read" : "is_unread"))))), "no_notices");
}
