// The desk's small helps: the heatmap's strength, finding a diagnosis by name, and two keys.
(() => {
  "use strict";
  const heat = document.querySelector("[data-heat]");
  const strength = document.querySelector("[data-heat-strength]");
  const lamp = document.querySelector("[data-heat-switch]");
  if (heat && strength) {
    const blend = () => {
      heat.style.opacity = strength.value / 100;
      strength.disabled = !lamp.checked;
      strength.setAttribute("aria-valuetext", `${strength.value} %`);
    };
    document.querySelector("[data-heat-strength-field]").hidden = false;
    strength.addEventListener("input", blend);
    lamp.addEventListener("change", blend);
    blend();
  }

  const search = document.querySelector("[data-search]");
  if (search) {
    const choices = [...document.querySelectorAll("[data-words]")];
    const groups = [...document.querySelectorAll("[data-group]")];
    document.querySelector("[data-search-field]").hidden = false;
    const plain = (text) => text.toLowerCase().replaceAll("ae", "e").replaceAll("oe", "e");
    search.addEventListener("input", () => {
      const wanted = plain(search.value.trim());
      for (const choice of choices) {
        // A choice that is made stays in sight.
        choice.hidden = !plain(choice.dataset.words).includes(wanted) && !choice.querySelector("input").checked;
      }
      for (const group of groups) group.hidden = !group.querySelector("[data-words]:not([hidden])");
      document.querySelector("[data-search-none]").hidden = groups.some((group) => !group.hidden);
    });
    search.addEventListener("keydown", (event) => {
      const left = choices.filter((choice) => !choice.hidden);
      if (event.key !== "Enter") return;
      event.preventDefault();  // never commits by itself
      if (left.length) { left[0].querySelector("input").checked = true; left[0].querySelector("input").focus(); }
    });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input:not([type=radio], [type=checkbox]), textarea, select")) return;
    if (event.key === "h" && lamp) lamp.click();
    if (event.key === "n") document.querySelector("[data-next]")?.click();
  });
})();
