// The body map: a tap chooses the part of the body and the place; the list below does the same without the drawing.
(() => {
  "use strict";
  const form = document.querySelector("[data-body-form]");
  if (!form) return;
  const map = form.querySelector("[data-body-map]");
  const select = form.querySelector("#region");
  const label = form.querySelector("#label");
  const x = form.querySelector("[data-map-x]");
  const y = form.querySelector("[data-map-y]");
  const WIDTH = 200;
  const HEIGHT = 420;
  let suggested = "";
  map.hidden = false;

  const regionOf = (key) => [...map.querySelectorAll("[data-region]")].find((one) => one.dataset.region === key);

  function show(region) {
    for (const one of map.querySelectorAll("[data-region]")) one.classList.toggle("body-region-chosen", one === region);
    for (const mark of map.querySelectorAll("[data-mark]")) {
      const here = region && mark.ownerSVGElement === region.ownerSVGElement;
      mark.toggleAttribute("hidden", !here);
      if (here) mark.setAttribute("transform", `translate(${x.value * WIDTH} ${y.value * HEIGHT})`);
    }
  }

  // A name that the person typed is theirs; one that we suggested follows the place.
  function suggest(region) {
    if (label.value === "" || label.value === suggested) label.value = suggested = region ? region.dataset.name : "";
  }

  function choose(region, atX, atY) {
    x.value = atX;
    y.value = atY;
    select.value = region ? region.dataset.region : "";
    suggest(region);
    show(region);
  }

  map.addEventListener("click", (event) => {
    const region = event.target.closest("[data-region]");
    if (!region) return;
    const box = region.ownerSVGElement.getBoundingClientRect();
    choose(region, ((event.clientX - box.left) / box.width).toFixed(4), ((event.clientY - box.top) / box.height).toFixed(4));
  });
  select.addEventListener("change", () => {
    const region = regionOf(select.value);
    choose(region, region ? region.dataset.x : "", region ? region.dataset.y : "");
  });
  if (select.value) show(regionOf(select.value));
})();
