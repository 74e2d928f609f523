// The heatmap's switch and strength: it is laid over a copy of the picture, so that it can fade.
(() => {
  "use strict";

  function prepareHeat() {
    const plate = document.querySelector("[data-plate]");
    const picture = document.querySelector("[data-picture]");
    if (!plate || plate.children.length > 1) return;
    const below = picture.cloneNode();
    below.alt = "";
    plate.prepend(below);
    document.querySelector("[data-blend]").hidden = false;
  }

  function blend() {
    const strength = document.querySelector("[data-heat-strength]");
    const on = document.querySelector("[data-heat-toggle]").getAttribute("aria-pressed") === "true";
    strength.setAttribute("aria-valuetext", `${strength.value} %`);
    strength.disabled = !on;
    document.querySelector("[data-heat]").style.opacity = on ? strength.value / 100 : 0;
  }

  document.addEventListener("input", (event) => { if (event.target.matches("[data-heat-strength]")) blend(); });
  document.addEventListener("click", (event) => {
    const toggle = event.target.closest("[data-heat-toggle]");
    if (toggle) {
      toggle.setAttribute("aria-pressed", String(toggle.getAttribute("aria-pressed") !== "true"));
      blend();
    }
  });

  document.addEventListener("htmx:afterSettle", prepareHeat);
  prepareHeat();
})();
