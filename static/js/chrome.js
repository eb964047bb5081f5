// What every page has: the light and dark switch, copy buttons, times in the reader's own clock.
import { copyFrom } from "./clipboard.js";
import { checkCovers } from "./covers.js";
import { keep } from "./keep.js";

document.getElementById("theme-switch").addEventListener("click", () => {
  const next = document.documentElement.dataset.bsTheme === "dark" ? "light" : "dark";
  document.documentElement.dataset.bsTheme = next;
  keep("browser", "theme", next);
});

for (const button of document.querySelectorAll("[data-copy]")) {
  button.addEventListener("click", () => {
    copyFrom(button, document.getElementById(button.dataset.copy).textContent, button.dataset.copied);
  });
}

for (const time of document.querySelectorAll("time[data-at]")) {
  const at = new Date(Number(time.dataset.at) * 1000);
  time.dateTime = at.toISOString();
  time.textContent = at.toLocaleString(document.documentElement.lang, { dateStyle: "short", timeStyle: "short" });
}

// What is shown once is gone when the page is left: a browser may keep the whole page for the way back.
addEventListener("pagehide", () => {
  for (const secret of document.querySelectorAll("[data-once]")) secret.remove();
});

checkCovers(document);

// On a phone the tabs may be wider than the screen: the one that is open is shown.
for (const row of document.querySelectorAll(".tabs-row")) {
  const open = row.querySelector("[aria-current]");
  if (open) row.scrollLeft = open.offsetLeft - row.offsetLeft - (row.clientWidth - open.offsetWidth) / 2;
}
