// Keeps an open page true. The server says that something changed; the page fetches itself and replaces the parts
// marked `data-live` that differ. Without a stream it asks every 3 seconds; without an answer it says so, loudly.
"use strict";
(() => {
  const POLL_MS = 3000, SILENT_MS = 10000, RETRY_STREAM_MS = 60000;
  const body = document.body, root = document.documentElement;
  const lost = document.querySelector(".lost"), toast = document.querySelector(".toast");
  const polling = document.querySelector(".polling");
  let heard = performance.now(), source = null, poll = 0, busy = false, again = false;

  const parts = (page) => [...page.querySelectorAll("[data-live]")];
  const shown = new Map(parts(document).map((part) => [part.id, part.innerHTML]));

  function isLost(state) {
    lost.hidden = !state;
    root.classList.toggle("is-lost", state);
  }

  function hear() {
    heard = performance.now();
    isLost(false);
  }

  function replace(page) {
    let replaced = false;
    const focused = document.activeElement && document.activeElement.id;
    for (const fresh of parts(page)) {
      const old = document.getElementById(fresh.id);
      if (!old || shown.get(fresh.id) === fresh.innerHTML) continue;
      shown.set(fresh.id, fresh.innerHTML);
      const image = (part) => part.querySelector("[data-image]")?.dataset.image;
      if (image(old) !== image(fresh)) root.classList.remove("hide-marks", "show-ignored");
      old.replaceChildren(...fresh.childNodes);
      replaced = true;
    }
    document.title = page.title;
    if (replaced) document.dispatchEvent(new Event("replaced"));
    notice();
    if (focused) document.getElementById(focused)?.focus({ preventScroll: true });
  }

  function toTheDoor() {
    location.assign(`${body.dataset.door}?next=${encodeURIComponent(location.pathname + location.search)}`);
  }

  // A new outcome is told by a banner, on every page, and by a chime on the kiosk: two tones up for a result to look
  // at or one that is missing, one tone for the rest.
  let told = document.querySelector("#notice [data-outcome]")?.dataset.outcome;
  function notice() {
    const newest = document.querySelector("#notice [data-outcome]");
    if (!newest || newest.dataset.outcome === told) return;
    told = newest.dataset.outcome;
    if (told.endsWith("pending")) return;
    tell(newest.textContent, Boolean(newest.dataset.loud));
    if (body.dataset.chime) chime(newest.dataset.loud ? [660, 880] : [520]);
  }

  let sound = null;
  function chime(tones) {
    sound ??= new AudioContext();
    tones.forEach((tone, number) => {
      const voice = sound.createOscillator(), volume = sound.createGain(), at = sound.currentTime + number * 0.22;
      voice.frequency.value = tone;
      volume.gain.setValueAtTime(0.0001, at);
      volume.gain.exponentialRampToValueAtTime(0.3, at + 0.02);
      volume.gain.exponentialRampToValueAtTime(0.0001, at + 0.2);
      voice.connect(volume).connect(sound.destination);
      voice.start(at);
      voice.stop(at + 0.22);
    });
    root.dataset.chimed = String(Number(root.dataset.chimed || 0) + 1);
  }

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      do {
        again = false;
        const answer = await fetch(location.href, {
          cache: "no-store", headers: { "X-Calcedge-Refresh": "1" }, signal: AbortSignal.timeout(8000),
        });
        if (answer.status === 401) { toTheDoor(); return; }
        if (!answer.ok) throw new Error(String(answer.status));
        replace(new DOMParser().parseFromString(await answer.text(), "text/html"));
        hear();
      } while (again);
    } catch {
      isLost(true);
    } finally {
      busy = false;
    }
  }

  function setPolling(on) {
    polling.hidden = !on || !body.dataset.events;
    if (on && !poll) poll = setInterval(refresh, POLL_MS);
    if (!on && poll) { clearInterval(poll); poll = 0; }
  }

  function follow() {
    if (!body.dataset.events) { setPolling(true); return; } // nobody is signed in
    source = new EventSource(`${body.dataset.events}?seen=${encodeURIComponent(body.dataset.version)}`);
    source.addEventListener("changed", () => { setPolling(false); heard = performance.now(); refresh(); });
    source.addEventListener("beat", () => { setPolling(false); if (root.classList.contains("is-lost")) refresh(); else hear(); });
    source.addEventListener("error", () => {
      refresh(); // tells at once whether the appliance still answers
      if (source.readyState !== EventSource.CLOSED) return;
      setPolling(true);
      setTimeout(follow, RETRY_STREAM_MS);
    });
  }

  setInterval(() => { if (performance.now() - heard > SILENT_MS) isLost(true); }, 1000);
  document.addEventListener("visibilitychange", () => { if (!document.hidden) refresh(); });

  document.addEventListener("click", (event) => {
    const button = event.target.closest("[data-toggle]");
    if (button) root.classList.toggle(button.dataset.toggle === "marks" ? "hide-marks" : "show-ignored");
  });

  function tell(text, failed) {
    toast.textContent = text;
    toast.classList.toggle("failed", failed);
    toast.hidden = false;
    clearTimeout(tell.timer);
    tell.timer = setTimeout(() => { toast.hidden = true; }, 8000);
  }

  document.addEventListener("submit", async (event) => {
    const form = event.target.closest("form[data-action]");
    if (!form) return;
    event.preventDefault();
    const button = form.querySelector("button"), label = button.textContent;
    button.disabled = true;
    button.textContent = body.dataset.asking;
    let ok = false, text = body.dataset.noAnswer;
    try {
      const answer = await fetch(form.action, {
        method: "POST", body: new URLSearchParams(new FormData(form)), headers: { Accept: "application/json" },
        signal: AbortSignal.timeout(15000),
      });
      if (answer.status === 401) { toTheDoor(); return; }
      if (answer.headers.get("Content-Type")?.includes("json")) ({ ok, text } = await answer.json());
    } catch { /* no answer: said on the button */ }
    button.textContent = ok ? body.dataset.done : body.dataset.failed;
    button.classList.add(ok ? "succeeded" : "failed");
    tell(text, !ok);
    setTimeout(() => {
      button.disabled = false;
      button.textContent = label;
      button.classList.remove("succeeded", "failed");
      refresh();
    }, ok ? 1500 : 3000);
  });

  // What a person does keeps the session; what the page does by itself doesn't.
  const ACTIVE_MS = 60000;
  let active = performance.now();
  function isActive() {
    if (!body.dataset.active || performance.now() - active < ACTIVE_MS) return;
    active = performance.now();
    fetch(body.dataset.active, { method: "POST", body: new URLSearchParams({ token: body.dataset.token }) })
      .then((answer) => { if (answer.status === 401) toTheDoor(); }, () => {});
  }
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, isActive, { passive: true });

  // A barcode scanner types quickly and ends with Enter: what it reads is looked for, wherever one is.
  let scanned = "", typed = 0;
  addEventListener("keydown", (event) => {
    if (event.target.closest?.("input, select, textarea") || !body.dataset.find) return;
    const now = performance.now();
    if (now - typed > 80) scanned = "";
    typed = now;
    if (event.key === "Enter" && scanned.length >= 4) {
      event.preventDefault();
      location.assign(`${body.dataset.find}?scan=1&q=${encodeURIComponent(scanned)}`);
    } else if (event.key.length === 1) scanned += event.key;
  });

  // The keys of the PIN, for gloved fingers.
  const pad = document.getElementById("pad"), secret = document.getElementById("secret");
  if (pad && secret) {
    pad.hidden = false;
    pad.addEventListener("click", (event) => {
      const key = event.target.closest("[data-digit]");
      if (key) secret.value = key.dataset.digit ? secret.value + key.dataset.digit : "";
    });
  }

  follow();
})();
