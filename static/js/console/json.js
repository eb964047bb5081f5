// JSON in colours: of texts that are shown, and under a text field while it is written.
const TOKEN = /("(?:[^"\\\n]|\\.)*"?)(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|\b(?:true|false|null)\b/g;

function kindOf([token, text, colon]) {
  if (text !== undefined) return colon ? "name" : "text";
  return /^[-\d]/.test(token) ? "number" : "word";
}

/** The text as elements and texts that together say exactly the same. */
function coloured(text) {
  const made = [];
  let done = 0;
  for (const found of text.matchAll(TOKEN)) {
    const token = found[1] ?? found[0];
    const span = document.createElement("span");
    span.className = `json-${kindOf(found)}`;
    span.textContent = token;
    made.push(text.slice(done, found.index), span);
    done = found.index + token.length;
  }
  return [...made, text.slice(done)];
}

/** Show JSON in `element`. */
export function showJson(element, text) { element.replaceChildren(...coloured(text)); }

/** Colour what is written into a text field: it lies, see-through, over a copy that is coloured. Answers what draws it anew. */
export function colourField(field) {
  const copy = document.createElement("pre");
  copy.className = "code json-copy";
  copy.setAttribute("aria-hidden", "true");
  const place = document.createElement("div");
  place.className = "json-field";
  field.before(place);
  place.append(copy, field);
  const scroll = () => { copy.scrollTop = field.scrollTop; };
  // As wide as the field without its scroll bar, so that lines break at the same places.
  const fit = () => { copy.style.width = `${field.clientWidth + 2}px`; scroll(); };
  // A last empty line has no height without something on it.
  const draw = () => { copy.replaceChildren(...coloured(field.value), "\n "); fit(); };
  field.addEventListener("input", draw);
  field.addEventListener("scroll", scroll);
  new ResizeObserver(fit).observe(field);
  draw();
  return draw;
}
