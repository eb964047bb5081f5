// Runs before the page is painted, so that a dark page never flashes light.
(() => {
  const chosen = localStorage.getItem("theme");
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => {
    const kept = localStorage.getItem("theme");
    document.documentElement.dataset.bsTheme = kept || (system.matches ? "dark" : "light");
  };
  apply();
  if (!chosen) system.addEventListener("change", apply);
})();
