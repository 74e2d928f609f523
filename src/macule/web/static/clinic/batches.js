// Sends a batch with a progress bar, says what was chosen, and takes files that are dropped. Without it the plain form works.
(() => {
  "use strict";
  const form = document.getElementById("batch-form");
  if (!form) return;
  const files = form.querySelector("#files"), folder = form.querySelector("#folder"), zone = form.querySelector(".files");
  const chosen = form.querySelector("#chosen"), sending = form.querySelector("#sending"), bar = form.querySelector("#sent");
  const words = form.querySelector("#sent-words"), message = form.querySelector("#files-message"), button = form.querySelector(".button-main");
  const all = () => [...files.files, ...folder.files];
  const megabytes = (bytes) => `${(bytes / 1e6).toFixed(bytes < 1e7 ? 1 : 0)} MB`;

  const say = () => {
    const list = all(), size = list.reduce((sum, file) => sum + file.size, 0);
    chosen.textContent = list.length ? `${list.length} file${list.length === 1 ? "" : "s"} chosen, ${megabytes(size)}` : "";
    if (list.length) message.textContent = "";
  };
  files.addEventListener("change", say);
  folder.addEventListener("change", say);

  const prefix = form.querySelector("#prefix"), hint = form.querySelector("#prefix-hint");
  prefix.addEventListener("input", () => { hint.textContent = `They become ${prefix.value}-001, -002 and so on.`; });

  for (const type of ["dragenter", "dragover"]) zone.addEventListener(type, (event) => { event.preventDefault(); zone.classList.add("awaits-drop"); });
  for (const type of ["dragleave", "drop"]) zone.addEventListener(type, () => zone.classList.remove("awaits-drop"));
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) { files.files = event.dataTransfer.files; say(); }
  });

  const stopped = (text) => { sending.hidden = true; button.removeAttribute("aria-disabled"); message.textContent = text; message.scrollIntoView({ block: "center" }); };

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled")) return;
    if (!all().length) { stopped("Choose pictures, a zip or a folder first."); files.focus(); return; }
    const request = new XMLHttpRequest();
    button.setAttribute("aria-disabled", "true");
    sending.hidden = false;
    request.upload.addEventListener("progress", (step) => {
      if (!step.lengthComputable) return;
      bar.value = 100 * step.loaded / step.total;
      words.textContent = step.loaded < step.total ? `${megabytes(step.loaded)} of ${megabytes(step.total)}` : "Arrived. Being encrypted and stored …";
    });
    request.addEventListener("load", () => {
      if (request.status < 300 && request.responseURL) { location.assign(request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, "text/html");
      const answer = page.querySelector("#batch-form");
      if (!answer) { stopped("The batch was not taken. Load the page again and repeat."); return; }
      const wrong = [...answer.querySelectorAll(".field-message")].map((each) => each.textContent).filter(Boolean);
      stopped(wrong.join(" "));
    });
    request.addEventListener("error", () => stopped("The connection broke while sending. Nothing was taken: send it again."));
    request.open("POST", form.action);
    request.send(new FormData(form));
  });
})();
