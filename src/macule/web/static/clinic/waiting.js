// Looks again for an answer while somebody watches: after 2 seconds, then ever less often.
(() => {
  "use strict";
  if (!document.querySelector("[data-look-again]")) return;
  let pause = 2000;
  async function look() {
    if (!document.hidden) {
      try {
        const answer = await fetch(location.href, { headers: { "X-By-Itself": "1" } });
        const page = new DOMParser().parseFromString(await answer.text(), "text/html");
        if (answer.redirected || !page.querySelector("[data-look-again]")) { location.reload(); return; }
      } catch { /* no connection: the next turn tries again */ }
      pause = Math.min(pause * 1.5, 20000);
    }
    setTimeout(look, pause);
  }
  setTimeout(look, pause);
})();
