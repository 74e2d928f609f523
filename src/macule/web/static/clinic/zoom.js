// The picture under the loupe: wheel, pinch, keys and buttons zoom; dragging moves. Everything happens in the browser.
(() => {
  "use strict";
  const stage = document.querySelector("[data-stage]");
  if (!stage) return;
  const viewer = stage.closest("[data-viewer]");
  const sheet = stage.querySelector("[data-sheet]");
  const level = viewer.querySelector("[data-zoom-level]");
  const MOST = 16;
  let scale = 1, x = 0, y = 0;

  function draw() {
    // The sheet never leaves the stage.
    x = Math.min(0, Math.max(stage.clientWidth * (1 - scale), x));
    y = Math.min(0, Math.max(stage.clientHeight * (1 - scale), y));
    sheet.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    stage.classList.toggle("zoomed", scale > 1);
    level.textContent = `${scale < 10 ? Math.round(scale * 10) / 10 : Math.round(scale)}×`;
  }

  // Keeps what lies under (px, py), in pixels of the stage, where it is.
  function zoom(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
    const next = Math.min(MOST, Math.max(1, scale * factor));
    x = px - (px - x) * next / scale;
    y = py - (py - y) * next / scale;
    scale = next;
    draw();
  }

  function move(dx, dy) { x += dx; y += dy; draw(); }
  function fit() { scale = 1; x = y = 0; draw(); }

  function spot(event) {
    const box = stage.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  stage.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.0015)), ...spot(event));
  }, { passive: false });
  stage.addEventListener("dblclick", (event) => (scale > 1 ? fit() : zoom(3, ...spot(event))));

  const held = new Map();
  stage.addEventListener("pointerdown", (event) => {
    held.set(event.pointerId, spot(event));
    stage.setPointerCapture(event.pointerId);
    stage.classList.add("held");
  });
  stage.addEventListener("pointermove", (event) => {
    const before = held.get(event.pointerId);
    if (!before) return;
    const now = spot(event);
    const other = [...held].find(([id]) => id !== event.pointerId);
    if (other) {
      const [ox, oy] = other[1];
      const was = Math.hypot(before[0] - ox, before[1] - oy), is = Math.hypot(now[0] - ox, now[1] - oy);
      if (was > 0) zoom(is / was, (now[0] + ox) / 2, (now[1] + oy) / 2);
    } else if (scale > 1) {
      move(now[0] - before[0], now[1] - before[1]);
    }
    held.set(event.pointerId, now);
  });
  for (const end of ["pointerup", "pointercancel"]) {
    stage.addEventListener(end, (event) => {
      held.delete(event.pointerId);
      stage.classList.toggle("held", held.size > 0);
    });
  }

  const KEYS = {
    "+": () => zoom(1.5), "=": () => zoom(1.5), "-": () => zoom(1 / 1.5), "0": fit,
    ArrowLeft: () => move(60, 0), ArrowRight: () => move(-60, 0), ArrowUp: () => move(0, 60), ArrowDown: () => move(0, -60),
  };
  stage.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !KEYS[event.key]) return;
    if (event.key.startsWith("Arrow") && scale === 1) return;  // nothing to move: the page scrolls
    event.preventDefault();
    KEYS[event.key]();
  });
  viewer.querySelector("[data-zoom-in]").addEventListener("click", () => zoom(1.5));
  viewer.querySelector("[data-zoom-out]").addEventListener("click", () => zoom(1 / 1.5));
  viewer.querySelector("[data-zoom-fit]").addEventListener("click", fit);
  let width = stage.clientWidth, height = stage.clientHeight;
  new ResizeObserver(() => {
    x *= stage.clientWidth / width;
    y *= stage.clientHeight / height;
    [width, height] = [stage.clientWidth, stage.clientHeight];
    draw();
  }).observe(stage);
  viewer.querySelector("[data-zoom]").hidden = false;
})();
