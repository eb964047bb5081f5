// What the browser remembers for the pages. It may refuse to: then nothing is remembered, and the pages work on.
function area(kind) {
  try {
    return kind === "tab" ? sessionStorage : localStorage;
  } catch {
    return null; // the getter itself throws where storage is blocked
  }
}

/** What is remembered under a name, or null. */
export function recall(kind, name) {
  try {
    return area(kind)?.getItem(name) ?? null;
  } catch {
    return null;
  }
}

/** Remember a text under a name, or forget it when it is null. `kind` is "tab" or "browser". */
export function keep(kind, name, text) {
  try {
    if (text === null) area(kind)?.removeItem(name); else area(kind)?.setItem(name, text);
  } catch {
    // full, or refused
  }
}
