// What the page does beyond a plain form: drop, paste, preview, camera, progress.
// Everything else works without this file.
(() => {
  "use strict";
  const byId = (id) => document.getElementById(id);
  const form = byId("intake");
  const input = byId("picture");
  const camera = byId("camera");
  const lens = byId("lens");
  const preview = byId("preview");
  const status = byId("status");
  const fields = ["picture", "age", "sex", "site", "modality"];
  document.documentElement.classList.add("js");

  const textOf = (id) => byId(id).content.textContent.trim();
  const say = (text) => { status.textContent = text; };

  // ---- the picture ----

  function complain(text) {
    byId("picture-message").textContent = text;
    markInvalid();
  }

  function markInvalid() {
    for (const name of fields) {
      const wrong = byId(`${name}-message`).textContent.trim() !== "";
      byId(name)[wrong ? "setAttribute" : "removeAttribute"]("aria-invalid", "true");
    }
  }

  function showPreview(file) {
    if (preview.src) URL.revokeObjectURL(preview.src);
    lens.classList.remove("has-picture");
    preview.hidden = true;
    preview.removeAttribute("src");
    if (!file) return;
    preview.onload = () => { preview.hidden = false; lens.classList.add("has-picture"); };
    preview.onerror = () => { byId("picture-name").textContent = `${file.name}. ${textOf("no-preview")}`; };
    preview.src = URL.createObjectURL(file);
    preview.alt = file.name;
  }

  function chosen() {
    const file = input.files[0];
    showPreview(file);
    byId("picture-name").textContent = file ? file.name : "";
    if (!file) return;
    document.querySelector("[data-pick-label]").textContent =
      document.querySelector("[data-pick-label]").dataset.pickLabel;
    complain(file.size > Number(form.dataset.maxBytes) ? textOf("too-large") : "");
    say(file.name);
    outdate();
  }

  function take(files) {
    const file = [...files].find((one) => one.type.startsWith("image/") || !one.type) || files[0];
    if (!file) return;
    const transfer = new DataTransfer();
    transfer.items.add(file);
    input.files = transfer.files;
    chosen();
  }

  input.addEventListener("change", chosen);
  camera.addEventListener("change", () => take(camera.files));
  byId("camera-pick").hidden = !matchMedia("(pointer: coarse)").matches;

  // Dropping beside the frame must not make the browser leave the page for the file.
  const carriesFile = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
  addEventListener("dragover", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    lens.classList.add("awaits-drop");
  });
  addEventListener("dragleave", (event) => { if (!event.relatedTarget) lens.classList.remove("awaits-drop"); });
  addEventListener("drop", (event) => {
    if (!carriesFile(event)) return;
    event.preventDefault();
    lens.classList.remove("awaits-drop");
    take(event.dataTransfer.files);
  });
  addEventListener("paste", (event) => { if (event.clipboardData?.files.length) take(event.clipboardData.files); });

  // ---- an answer that no longer belongs to the form ----

  function outdate() {
    const note = document.querySelector("#answer [data-stale]");
    if (note) note.hidden = false;
  }
  form.addEventListener("change", outdate);

  // ---- sending ----

  function progress(percent) {
    const bar = byId("progress-bar");
    const words = byId("progress-text");
    const text = percent === null ? words.dataset.looking : words.dataset.sending;
    byId("progress").hidden = false;
    if (percent === null) bar.removeAttribute("value"); else bar.value = percent;
    if (words.textContent !== text) { words.textContent = text; say(text); }
  }

  function rest() {
    byId("progress").hidden = true;
    byId("progress-text").textContent = "";
    form.removeAttribute("aria-busy");
    byId("send").removeAttribute("aria-disabled");
  }

  function noAnswer() {
    byId("answer").replaceWith(byId("no-answer").content.cloneNode(true));
    arrived();
    byId("verdict").focus();
  }

  function arrived() {
    const answer = byId("answer");
    say(answer.dataset.announce || "");
    markInvalid();
  }

  document.addEventListener("htmx:beforeRequest", (event) => {
    const file = input.files[0];
    if (file && file.size > Number(form.dataset.maxBytes)) {
      event.preventDefault();
      complain(textOf("too-large"));
      input.focus();
      return;
    }
    form.setAttribute("aria-busy", "true");
    byId("send").setAttribute("aria-disabled", "true");
    progress(0);
  });
  document.addEventListener("htmx:xhr:progress", (event) => {
    const { loaded, total, lengthComputable } = event.detail;
    if (form.hasAttribute("aria-busy")) progress(lengthComputable && loaded < total ? (100 * loaded) / total : null);
  });
  document.addEventListener("htmx:beforeSwap", (event) => {
    // A proxy's own error page holds no answer: swapping it in would leave nothing at all.
    if (event.detail.xhr.responseText.includes('id="answer"')) return;
    event.detail.shouldSwap = false;
    noAnswer();
  });
  document.addEventListener("htmx:afterRequest", rest);
  document.addEventListener("htmx:afterSettle", arrived);
  for (const name of ["htmx:sendError", "htmx:timeout"]) document.addEventListener(name, noAnswer);

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-retake]")) { event.preventDefault(); input.focus(); input.click(); }
  });

  if (input.files.length) chosen();  // a browser may keep the choice over a reload
  arrived();
})();
