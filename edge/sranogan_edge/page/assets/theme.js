"use strict";
/* dark or light as on the live page: what its button chose, else the system's */
(() => {
  let kind = null;
  try { kind = localStorage.getItem("theme"); } catch { /* private window */ }
  document.documentElement.dataset.theme = kind || (window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
})();
