// What a result says beside its text, as pairs of a name and a value.
import { words } from "./words.js";

const SHOWN_APART = new Set(["text_output", "error", "format"]);
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/;

function shown(value) {
  if (typeof value === "string" && INSTANT.test(value)) return new Date(value).toLocaleString(document.documentElement.lang);
  return String(value);
}

/** The plain values of a result as elements of a description list; lists and objects are in its JSON. */
export function facts(result) {
  const plain = Object.entries(result).filter(([key, value]) => !SHOWN_APART.has(key) && value !== null && typeof value !== "object");
  return plain.map(([key, value]) => {
    const pair = document.createElement("div");
    const term = document.createElement("dt");
    const description = document.createElement("dd");
    term.textContent = words(`fact_${key}`) ?? key;
    description.textContent = shown(value);
    pair.append(term, description);
    return pair;
  });
}
