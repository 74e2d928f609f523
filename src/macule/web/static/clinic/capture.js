// The camera in the page: framing, hints while aiming, the still, and sending it so that it is never lost on the way.
// Without this file, or without a camera, the form's own file input does the work.
(() => {
  "use strict";
  const form = document.getElementById("capture");
  if (!form) return;
  const part = (name) => form.querySelector(`[data-${name}]`);
  const word = (key) => form.querySelector(`[data-word="${key}"]`).content.textContent.trim();
  const light = window.maculeLight;
  const [stage, video, still, hint, note] = ["stage", "video", "still", "hint", "note"].map(part);
  const fileInput = part("file");
  const limits = Object.fromEntries(["sharpness", "darkness", "brightness", "glare"].map((name) => [name, Number(form.dataset[name])]));
  const small = Object.assign(document.createElement("canvas"), { width: light.SIDE, height: light.SIDE });
  const pen = small.getContext("2d", { willReadFrequently: true });
  const LARGEST = 2048;  // pixels a side of the still: eight times what the network reads, and a small upload
  const EVERY_MS = 300;
  const SAY_MS = 2500;   // a screen reader is told no more often
  let stream = null;
  let blob = null;       // the picture to be sent, in memory until it has arrived
  let key = form.elements.idempotency_key.value;
  let sending = false;
  let retryAt = 0;

  // ---- saying things ----

  let said = "";
  let saidAt = 0;
  function say(text, now = false) {
    if (text === said || (!now && performance.now() - saidAt < SAY_MS)) return;
    [said, saidAt] = [text, performance.now()];
    part("say").textContent = text;
  }
  function tell(text, more) {
    note.hidden = !text;
    note.replaceChildren(text, ...(more ? [" ", more] : []));
    if (text) say(text, true);
  }
  function become(state) {
    form.dataset.state = state;
    stage.hidden = state === "files" && !blob;
    part("invitation").hidden = state !== "asking";
    part("deck").hidden = state !== "live";
    part("review").hidden = !["still", "failed"].includes(state);
    part("files").hidden = !(state === "files" && !blob);
    part("progress").hidden = state !== "sending";
    video.hidden = Boolean(blob);
    still.hidden = !blob;
    hint.hidden = !["live", "still", "failed"].includes(state);
    part("zoom-row").hidden = !(state === "live" && zoomable());
  }

  // ---- the camera ----

  const track = () => stream?.getVideoTracks()[0];
  const can = () => track()?.getCapabilities?.() ?? {};
  const zoomable = () => (can().zoom?.max ?? 1) > (can().zoom?.min ?? 1);

  async function start() {
    part("invitation").hidden = true;
    try {
      stream = await navigator.mediaDevices.getUserMedia({
        audio: false, video: { facingMode: { ideal: "environment" }, width: { ideal: 1920 }, height: { ideal: 1440 } },
      });
    } catch (error) {
      tell(word(error.name === "NotAllowedError" ? "stage.denied" : "stage.none"));
      become("files");
      return;
    }
    video.srcObject = stream;
    await video.play().catch(() => {});
    track().addEventListener("ended", () => { if (form.dataset.state === "live") stop(); });
    prepareExtras();
    tell("");
    become("live");
    watch();
  }
  function stop() {
    for (const one of stream?.getTracks() ?? []) one.stop();
    stream = null;
    video.srcObject = null;
    if (!blob) become("asking");
  }
  function prepareExtras() {
    const zoom = part("zoom");
    if (zoomable()) {
      const { min, max, step } = can().zoom;
      Object.assign(zoom, { min, max: Math.min(max, 4 * min), step: step || 0.1, value: track().getSettings().zoom ?? min });
    }
    part("light").hidden = !can().torch;
  }
  part("zoom").addEventListener("input", (event) => track()?.applyConstraints({ advanced: [{ zoom: Number(event.target.value) }] }).catch(() => {}));
  part("light").addEventListener("click", async (event) => {
    const button = event.currentTarget;
    const on = button.getAttribute("aria-pressed") !== "true";
    try { await track().applyConstraints({ advanced: [{ torch: on }] }); } catch { return; }
    button.setAttribute("aria-pressed", String(on));
    part("light-label").textContent = word(on ? "button.light_off" : "button.light_on");
  });

  // ---- hints while aiming ----

  // The square in the middle: what the frame shows is what is sent.
  function square(source, width, height, canvas, context) {
    const side = Math.min(width, height);
    context.imageSmoothingQuality = "high";
    context.drawImage(source, (width - side) / 2, (height - side) / 2, side, side, 0, 0, canvas.width, canvas.height);
  }
  function judgement(source, width, height) {
    square(source, width, height, small, pen);
    return light.judge(light.measure(pen.getImageData(0, 0, light.SIDE, light.SIDE).data), limits);
  }
  let before = null;
  function watch() {
    if (form.dataset.state !== "live") return;
    if (video.videoWidth && !document.hidden) {
      const found = judgement(video, video.videoWidth, video.videoHeight);
      if (found === before) {  // twice the same: a hint must not flicker
        const text = word(found ? `hint.${found}` : "hint.ready");
        stage.dataset.light = found || "ready";
        hint.textContent = text;
        say(text);
      }
      before = found;
    }
    setTimeout(watch, EVERY_MS);
  }

  // ---- the picture ----

  const freshKey = () => [...crypto.getRandomValues(new Uint8Array(16))].map((one) => one.toString(16).padStart(2, "0")).join("");

  async function keep(picture, name) {
    blob = new File([picture], name, { type: picture.type });
    key = freshKey();
    if (still.src) URL.revokeObjectURL(still.src);
    still.src = URL.createObjectURL(blob);
    delete stage.dataset.light;
    hint.textContent = "";
    const seen = await still.decode().then(() => true, () => false);
    become("still");
    still.hidden = !seen;  // HEIC and TIFF cannot be shown by every browser, but can be sent
    tell(blob.size > Number(form.dataset.maxBytes) ? word("sending.large") : seen ? "" : name);
    if (seen) {
      const found = judgement(still, still.naturalWidth, still.naturalHeight);
      stage.dataset.light = found || "ready";
      hint.textContent = word(`hint.still_${found || "good"}`);
      say(hint.textContent, true);
    }
    part("send").textContent = word("button.send");
    part("send").focus();
  }
  async function shoot() {
    if (!video.videoWidth) return;
    const side = Math.min(video.videoWidth, video.videoHeight, LARGEST);
    const canvas = Object.assign(document.createElement("canvas"), { width: side, height: side });
    square(video, video.videoWidth, video.videoHeight, canvas, canvas.getContext("2d"));
    navigator.vibrate?.(20);
    const picture = await new Promise((done) => { canvas.toBlob(done, "image/jpeg", 0.93); });
    if (picture) await keep(picture, "camera.jpg");
  }
  function another() {
    blob = null;
    retryAt = 0;
    fileInput.value = part("camera").value = "";
    tell("");
    if (stream?.active) { become("live"); watch(); part("shoot").focus(); } else if (navigator.mediaDevices) { become("asking"); start(); } else become("files");
  }
  for (const input of [fileInput, part("camera")]) {
    input.addEventListener("change", () => { if (input.files[0]) keep(input.files[0], input.files[0].name); });
  }
  part("start").addEventListener("click", start);
  part("shoot").addEventListener("click", shoot);
  part("choose").addEventListener("click", () => fileInput.click());
  part("another").addEventListener("click", another);

  // ---- sending ----

  function progress(loaded, total) {
    const done = !total || loaded >= total;
    const percent = Math.round((100 * loaded) / (total || 1));
    if (done) part("bar").removeAttribute("value"); else part("bar").value = percent;
    part("progress-words").textContent = done ? word("sending.looking") : word("sending.percent").replace("%", percent);
    if (done) say(word("sending.looking"), true);
  }
  function post() {
    const body = new FormData();
    for (const [name, value] of new FormData(form)) if (typeof value === "string") body.set(name, value);
    body.set("idempotency_key", key);
    body.set("picture", blob, blob.name);
    return new Promise((done) => {
      const request = new XMLHttpRequest();
      request.open("POST", form.action);
      request.setRequestHeader("Accept", "application/json");
      request.setRequestHeader("X-CSRF-Token", form.elements.csrf_token.value);
      request.timeout = 120000;
      request.upload.onprogress = (event) => progress(event.loaded, event.total);
      request.upload.onload = () => progress(1, 1);
      request.onload = () => done(request);
      request.onerror = request.ontimeout = request.onabort = () => done(null);
      request.send(body);
    });
  }
  const read = (request) => { try { return JSON.parse(request.responseText); } catch { return null; } };

  async function send() {
    if (!blob || sending) return;
    if (blob.size > Number(form.dataset.maxBytes)) { tell(word("sending.large")); return; }
    sending = true;
    tell("");
    progress(0, 1);
    become("sending");
    form.setAttribute("aria-busy", "true");
    const request = await post();
    form.removeAttribute("aria-busy");
    sending = false;
    const answer = request && read(request);
    if (answer?.address) {
      blob = null;  // it has arrived: nothing to warn about
      for (const one of stream?.getTracks() ?? []) one.stop();
      location.assign(answer.address);
      return;
    }
    fail(request, answer?.error?.code);
  }
  function fail(request, code) {
    become("failed");
    part("send").textContent = word("button.retry");
    part("send").focus();
    if (!request) { tell(word(navigator.onLine ? "sending.failed" : "sending.offline")); return; }
    if (code === "busy") { waitAndRetry(Number(request.getResponseHeader("Retry-After")) || 5); return; }
    if (code) { tell(form.querySelector(`[data-word="fault.${code}"]`) ? word(`fault.${code}`) : word("fault.other")); return; }
    // No JSON: the login page after a redirect, a refusal of a stale form, or a proxy's own page.
    if (request.status === 200 || request.status === 401 || request.status === 403) {
      const link = Object.assign(document.createElement("a"), { href: "/login", target: "_blank", rel: "noopener", textContent: word("button.sign_in") });
      tell(word("sending.signed_out"), link);
    } else tell(word("sending.failed"));
  }
  function waitAndRetry(seconds) {
    const mine = (retryAt = performance.now() + 1000 * seconds);
    tell(word("sending.busy").replace("%", seconds));
    setTimeout(() => { if (retryAt === mine && form.dataset.state === "failed") send(); }, 1000 * seconds);
  }
  // After signing in again in another window the session's token is another one: this page's own address has it.
  async function renew() {
    try {
      const page = new DOMParser().parseFromString(await (await fetch(form.action)).text(), "text/html");
      const token = page.querySelector("#capture [name=csrf_token]");
      if (token) form.elements.csrf_token.value = token.value;
    } catch { /* offline: sending will say so */ }
  }
  form.addEventListener("submit", async (event) => {
    if (!blob) return;  // a plain form with the file input
    event.preventDefault();
    retryAt = 0;
    if (form.dataset.state === "failed") await renew();
    send();
  });
  addEventListener("online", () => { if (form.dataset.state === "failed" && blob) renew().then(send); });
  addEventListener("beforeunload", (event) => { if (blob) { event.preventDefault(); event.returnValue = word("sending.leave"); } });
  addEventListener("pagehide", () => { for (const one of stream?.getTracks() ?? []) one.stop(); });

  // ---- how the picture is taken: remembered on this phone ----

  const MEMORY = "macule.modality";
  try {
    const kept = form.elements.modality && localStorage.getItem(MEMORY);
    if (kept && [...form.elements.modality].some((one) => one.value === kept)) form.elements.modality.value = kept;
  } catch { /* storage is blocked */ }
  form.addEventListener("change", (event) => {
    if (event.target.name === "modality") try { localStorage.setItem(MEMORY, event.target.value); } catch { /* the same */ }
  });

  // ---- where to begin ----

  part("plain").hidden = true;
  part("camera-field").hidden = !matchMedia("(pointer: coarse)").matches;
  async function begin() {
    if (!navigator.mediaDevices?.getUserMedia) {
      tell(word("stage.none"));
      become("files");
      return;
    }
    become("asking");
    const granted = await navigator.permissions?.query({ name: "camera" }).then((one) => one.state === "granted", () => false);
    if (granted) start();
  }
  if (fileInput.files[0]) keep(fileInput.files[0], fileInput.files[0].name);  // kept by the browser over a reload
  else begin();
})();
