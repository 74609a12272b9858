// Light or dark, before anything is painted: as the system says, unless this browser was told otherwise.
(() => {
  const root = document.documentElement;
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const wish = () => { try { return localStorage.getItem("xrm-theme") || "automatic"; } catch { return "automatic"; } };
  const apply = () => {
    const chosen = wish();
    root.dataset.bsTheme = chosen === "automatic" ? (dark.matches ? "dark" : "light") : chosen;
    root.dispatchEvent(new CustomEvent("xrm:theme"));
  };
  root.classList.add("js");
  dark.addEventListener("change", apply);
  window.xrmTheme = {
    get name() { return wish(); },
    next() {
      const order = ["automatic", "light", "dark"];
      const chosen = order[(order.indexOf(wish()) + 1) % order.length];
      try { localStorage.setItem("xrm-theme", chosen); } catch { /* a browser that keeps nothing follows the system */ }
      apply();
      return chosen;
    },
  };
  apply();
})();
