// Files of a request: those that were sent, by name; those that came back, shown as far as a browser can.
import { words } from "./words.js";

const PLAYERS = new Set(["audio", "video"]);

/** A number of bytes in words. */
export function size(bytes) {
  if (bytes < 1024) return `${bytes} B`;
  return bytes < 1048576 ? `${(bytes / 1024).toFixed(1)} KB` : `${(bytes / 1048576).toFixed(1)} MB`;
}

function link(file, text) {
  const made = document.createElement("a");
  made.href = file.url;
  made.download = file.name;
  made.textContent = text;
  return made;
}

/** A file that was sent, as a small link. */
export function attached(file) {
  const made = link(file, `${file.name} (${size(file.size)})`);
  made.className = "attached";
  return made;
}

/** A file that came back, as a figure. */
export function returned(file) {
  const made = document.createElement("figure");
  const kind = file.content_type.split("/")[0];
  if (kind === "image") {
    const image = document.createElement("img");
    image.src = file.url;
    image.alt = file.name;
    made.append(image);
  } else if (PLAYERS.has(kind)) {
    const player = document.createElement(kind);
    player.src = file.url;
    player.controls = true;
    player.preload = "metadata";
    player.setAttribute("aria-label", file.name);
    made.append(player);
  }
  const caption = document.createElement("figcaption");
  caption.append(link(file, `${words("download")}: ${file.name} (${size(file.size)})`));
  made.append(caption);
  return made;
}
