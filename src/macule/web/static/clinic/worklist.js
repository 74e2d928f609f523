// The list by keyboard, and an address that follows the filters.
(() => {
  "use strict";
  const links = () => [...document.querySelectorAll(".case-link")];

  function prepare() {
    const keys = document.querySelector("[data-keys]");
    if (keys) keys.hidden = !matchMedia("(hover: hover)").matches;
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, select, textarea")) return;
    const step = { j: 1, k: -1 }[event.key];
    if (!step) return;
    const all = links(), here = all.indexOf(document.activeElement);
    const next = all[here < 0 ? 0 : Math.min(all.length - 1, Math.max(0, here + step))];
    if (next) { next.focus(); next.scrollIntoView({ block: "nearest" }); }
  });

  document.addEventListener("htmx:afterSettle", (event) => {
    prepare();
    const path = event.detail.pathInfo?.finalRequestPath;
    if (path && event.detail.successful !== false) history.replaceState(null, "", path);
  });
  prepare();
})();
