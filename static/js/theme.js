// Runs before the page is painted, so that a dark page never flashes light. No module: modules run too late.
(() => {
  const root = document.documentElement;
  const chosen = () => {
    try {
      return localStorage.getItem("theme");
    } catch {
      return null; // storage is blocked: the system's choice holds
    }
  };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const apply = () => { root.dataset.bsTheme = chosen() || (system.matches ? "dark" : "light"); };
  apply();
  if (!chosen()) system.addEventListener("change", apply);
  root.classList.add("js");
})();
