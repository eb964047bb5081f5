// Making and filling elements, and writing numbers and times as people read them.
import { words } from "../words.js";

const language = document.documentElement.lang;
const dateTime = new Intl.DateTimeFormat(language, { dateStyle: "short", timeStyle: "medium" });
const timeOnly = new Intl.DateTimeFormat(language, { timeStyle: "medium" });

export const byId = (id) => document.getElementById(id);

/** An element with attributes; texts and elements inside. Texts stay texts. */
export function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === undefined || value === null || value === false) continue;
    if (typeof value === "function") element.addEventListener(name, value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** A cell of a table; `label` names it on a phone, where there is no head. */
export const cell = (label, ...children) => make("td", { "data-label": words(label) ?? label }, make("span", { class: "cell" }, ...children));
/** A cell that is a number, or as short: it is never broken, and stands with the others of its column. */
export const number = (label, ...children) => { const made = cell(label, ...children); made.className = "cell-number"; return made; };
/** A cell that has a line of its own where a phone shows two in a line. */
export const whole = (label, ...children) => { const made = cell(label, ...children); made.className = "is-whole"; return made; };
export const head = (...children) => make("th", { scope: "row" }, ...children);

/** A drawing of static/icons.svg, beside words that say the same. */
export function icon(name) {
  const space = "http://www.w3.org/2000/svg";
  const drawing = document.createElementNS(space, "svg");
  const use = document.createElementNS(space, "use");
  for (const [key, value] of [["class", "icon"], ["viewBox", "0 0 24 24"], ["aria-hidden", "true"]]) drawing.setAttribute(key, value);
  use.setAttribute("href", `${byId("strings").dataset.icons}#${name}`);
  drawing.append(use);
  return drawing;
}

const keyOf = (row) => Object.values(row.dataset).join() || row.cells[0].textContent;
const controls = (row) => [...row.querySelectorAll("a, button, input")];

/** Who is at a control of a row is at it again, once the rows are new. */
function keepFocus(body) {
  const row = document.activeElement.closest("tr");
  if (!row || !body.contains(row)) return () => {};
  const [key, at] = [keyOf(row), controls(row).indexOf(document.activeElement)];
  return () => { const same = [...body.rows].find((one) => keyOf(one) === key); if (same) controls(same)[at]?.focus({ preventScroll: true }); };
}

/** Show rows, or one that says that there are none. Nothing is touched when nothing has changed. */
export function fill(body, rows, none = "none") {
  const shown = rows.length ? rows : [make("tr", {}, make("td", { colspan: "9", class: "nothing" }, words(none)))];
  const next = make("tbody", {}, ...shown);
  if (body.dataset.was === next.textContent && rows.length === body.rows.length) return;
  body.dataset.was = next.textContent;
  const focus = keepFocus(body);
  body.replaceChildren(...shown);
  focus();
}

/** A number of at most two digits after the point. */
export const count = (value) => (value ?? 0).toLocaleString(language, { maximumFractionDigits: value < 10 ? 2 : value < 100 ? 1 : 0 });
/** How many failed, in a colour that is seen if any did. */
export const failures = (value) => (value ? make("strong", { class: "is-failed" }, count(value)) : "0");
export const ms = (value) => (value === null || value === undefined ? "–" : value >= 10000 ? `${count(value / 1000)}\u00a0s` : `${count(value)}\u00a0ms`);

/** A time; of today only the hour. */
export function when(iso) {
  if (!iso) return "–";
  const at = new Date(iso);
  const text = at.toDateString() === new Date().toDateString() ? timeOnly.format(at) : dateTime.format(at);
  return make("time", { datetime: iso, title: at.toLocaleString(language) }, text);
}

export const outcome = (entry) => make("span", { class: `state ${entry.ok === true ? "state-completed" : entry.ok === false ? "state-failed" : "state-queued"}` }, words(`o_${entry.outcome}`) ?? entry.outcome);

/** A code of an error in the reader's words; the code itself for one that the site does not know. */
export const meaning = (code) => words(`why_${code}`) ?? words(`o_${code}`) ?? code;

/** Errors of which our own words do not tell everything: what was said there belongs to them. */
const SAID_THERE = new Set(["worker_error", "handler_crashed", "transfer_failed", "remote_error", "invalid_params", "invalid_field", "internal_error", "generator_ended", "generator_not_started"]);

/** Why it failed, in the reader's words, with what was said there, and its code; nothing for what did not fail. */
export function why({ code, error }) {
  if (!code) return error ? [error] : [];
  const known = words(`why_${code}`);
  const said = error && (!known || SAID_THERE.has(code)) ? make("span", { class: "said" }, error) : "";
  return [known ?? "", known && said ? " " : "", said, " ", make("code", { class: "why-code" }, code)];
}

export const pretty = (value) => JSON.stringify(value, null, 2) ?? "";
