// Emoji covers: where no font can draw one, a box would show. The space's initials take its place.
const NOBODYS = "\u{FA3B7}"; // for private use: what a font draws for it, it draws for all it does not have
const SIDE = 24;

function pen() {
  const canvas = document.createElement("canvas");
  canvas.width = canvas.height = SIDE;
  const made = canvas.getContext("2d", { willReadFrequently: true });
  if (made) {
    made.font = "16px sans-serif";
    made.textBaseline = "top";
  }
  return made;
}

function pixels(made, text) {
  made.clearRect(0, 0, SIDE, SIDE);
  made.fillText(text, 0, 2);
  return made.getImageData(0, 0, SIDE, SIDE).data;
}

function coloured(data) {
  for (let at = 0; at < data.length; at += 4) if (data[at] !== data[at + 1] || data[at] !== data[at + 2]) return true;
  return false;
}

/** Whether a font of this browser has the first character of `text`. */
export function drawable(text) {
  const made = pen();
  if (!made) return true;
  const first = String.fromCodePoint(text.codePointAt(0));
  if (coloured(pixels(made, first))) return true;
  // Boxes with the number inside differ from each other, but are all of one width.
  return made.measureText(first).width !== made.measureText(NOBODYS).width;
}

/** Put initials where an emoji cannot be drawn. */
export function checkCovers(root) {
  for (const cover of root.querySelectorAll("[data-emoji]")) {
    if (drawable(cover.dataset.emoji)) continue;
    cover.querySelector(".cover-emoji").hidden = true;
    cover.querySelector(".cover-initials").hidden = false;
  }
}
