// Evaluated in a page: what is wrong with how it looks, as a list of sentences.
() => {
  const problems = [];
  const say = (what, element) => problems.push(`${what}: <${element.tagName.toLowerCase()} class="${element.className}"> ${(element.textContent || "").trim().slice(0, 40)}`);
  const shown = (element) => element.checkVisibility() && !element.closest(".visually-hidden, .skip, [hidden]");
  const parts = (colour) => (colour.match(/[\d.]+/g) || []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((v) => v / 255).map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const paper = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };

  if (document.documentElement.scrollWidth > innerWidth) problems.push(`wider than the screen: ${document.documentElement.scrollWidth}`);
  if (document.querySelectorAll("h1").length !== 1) problems.push("not one h1");
  for (const landmark of ["header", "main", "nav", "footer"]) if (!document.querySelector(landmark)) problems.push(`no ${landmark}`);

  for (const element of document.querySelectorAll("body *")) {
    const own = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!own || !shown(element) || element.matches(":disabled, :disabled *, fieldset:disabled *, .cover *, option")) continue;
    const style = getComputedStyle(element);
    let seen = 1; // how much of the letters' colour is left of what they and what they stand in let through
    for (let at = element; at; at = at.parentElement) seen *= Number(getComputedStyle(at).opacity);
    const behind = paper(element);
    const letters = parts(style.color).slice(0, 3).map((value, at) => seen * value + (1 - seen) * behind[at]);
    const [ink, ground] = [luminance(letters), luminance(behind)];
    const ratio = (Math.max(ink, ground) + 0.05) / (Math.min(ink, ground) + 0.05);
    const size = parseFloat(style.fontSize);
    const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)}`, element);
  }
  for (const field of document.querySelectorAll("input:not([type=hidden]):not([hidden]), textarea, select")) {
    if (!field.labels?.length && !field.getAttribute("aria-label")) say(`no label for ${field.name}`, field);
  }
  for (const control of document.querySelectorAll("a, button")) {
    const name = control.getAttribute("aria-label") || control.textContent.trim();
    if (shown(control) && !name) say("no name", control);
    if (shown(control) && control.tagName === "BUTTON" && control.getBoundingClientRect().height < 24) say("too small to tap", control);
  }
  for (const image of document.querySelectorAll("img")) if (!image.hasAttribute("alt")) say("no alt", image);
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of new Set(ids.filter((id, at) => ids.indexOf(id) !== at))) problems.push(`id twice: ${id}`);
  return problems;
}
