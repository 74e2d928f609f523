// Two aligned pictures: slide one away over the other, or let them alternate. Listens on the document, because the
// history may be put into the page later.
(() => {
  "use strict";
  const EVERY_MS = 900; // slower than three a second, whatever the pictures are (WCAG 2.3.1)
  document.documentElement.classList.add("memory-live");
  const timers = new WeakMap();

  const wipe = (range) => {
    const then = range.closest("[data-laid]").querySelector("[data-then]");
    then.style.clipPath = `inset(0 ${100 - Number(range.value)}% 0 0)`;
  };

  const stop = (button) => {
    clearInterval(timers.get(button));
    timers.delete(button);
    button.setAttribute("aria-pressed", "false");
    const laid = button.closest("[data-laid]");
    laid.querySelector("[data-then]").removeAttribute("data-away");
    wipe(laid.querySelector("[data-wipe]"));
  };

  const start = (button) => {
    const then = button.closest("[data-laid]").querySelector("[data-then]");
    then.style.clipPath = "none";
    button.setAttribute("aria-pressed", "true");
    timers.set(button, setInterval(() => {
      if (!button.isConnected) { clearInterval(timers.get(button)); return; }
      then.toggleAttribute("data-away");
    }, EVERY_MS));
  };

  document.addEventListener("input", (event) => {
    if (!event.target.matches("[data-wipe]")) return;
    const button = event.target.closest("[data-laid]").querySelector("[data-flicker]");
    if (timers.has(button)) stop(button);
    wipe(event.target);
  });
  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-flicker]");
    if (button) (timers.has(button) ? stop : start)(button);
  });
  document.addEventListener("change", (event) => {
    if (event.target.matches("#laid-over")) wipe(event.target.closest("[data-laid]").querySelector("[data-wipe]"));
  });
})();
