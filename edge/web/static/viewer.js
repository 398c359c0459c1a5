// The film as the unit sent it: 16 bits a pixel, with window and level, zoom, pan and a ruler. Until it has come, and
// where it can't, the analysed picture stays. One finger or the left button moves, two fingers or the wheel zoom, the
// right button (or shift) sets the window. Everything can also be done with the buttons and sliders alone.
"use strict";
(() => {
  const RAW = 0, HEAD_BYTES = 20, STEPS = 1000, MOST = 16, TAP_PX = 8;
  const kept = new Map(); // films by address: a page that replaces its parts needn't fetch again

  function unpack(buffer) {
    const [rows, columns, low, high, coding] = new Uint32Array(buffer, 0, 5);
    const count = rows * columns;
    if (coding === RAW) return { rows, columns, low, high, grey: new Uint16Array(buffer, HEAD_BYTES, count) };
    const bytes = new Uint8Array(buffer, HEAD_BYTES), grey = new Uint16Array(count);
    for (let row = 0, at = 0; row < rows; row++) {
      let value = 0;
      for (let column = 0; column < columns; column++, at++) {
        value = (value + (bytes[at] << 8) + bytes[count + at]) & 0xffff;
        grey[at] = value;
      }
    }
    return { rows, columns, low, high, grey };
  }

  // Half the size each, by the mean of four: what is far away is not made up of single pixels.
  function levels(film) {
    const all = [film];
    while (Math.max(film.rows, film.columns) > 700) {
      const rows = film.rows >> 1, columns = film.columns >> 1, grey = new Uint16Array(rows * columns), from = film.grey;
      for (let row = 0, at = 0; row < rows; row++) {
        for (let column = 0, i = 2 * row * film.columns; column < columns; column++, at++, i += 2) {
          grey[at] = (from[i] + from[i + 1] + from[i + film.columns] + from[i + film.columns + 1]) >> 2;
        }
      }
      film = { rows, columns, grey };
      all.push(film);
    }
    return all;
  }

  async function fetched(address) {
    if (!kept.has(address)) {
      const answer = await fetch(address); // the page's head has asked for it already
      if (!answer.ok) throw new Error(String(answer.status));
      kept.clear();
      kept.set(address, levels(unpack(await answer.arrayBuffer())));
    }
    return kept.get(address);
  }

  function setUp(root) {
    const stage = root.querySelector(".stage"), svg = stage.querySelector("svg.film"), still = svg.querySelector("image");
    const columns = Number(root.dataset.columns), rows = Number(root.dataset.rows), mm = Number(root.dataset.mm);
    const canvas = document.createElement("canvas"), ink = canvas.getContext("2d", { alpha: false });
    const under = document.createElement("canvas"), drop = under.getContext("2d", { alpha: false });
    const levelSlider = root.querySelector("[data-slider=level]"), widthSlider = root.querySelector("[data-slider=width]");
    const card = root.querySelector(".card"), ruler = svg.querySelector(".ruler");
    const grey32 = new Uint32Array(65536), pointers = new Map();
    let film = null, sent = [0, 65535], low = 0, high = 65535, inverted = false, measuring = false, ends = [];
    let x = (columns - 1) / 2, y = (rows - 1) / 2, scale = 0, fit = 1, waiting = false, moved = 0, pinch = null;
    canvas.className = "plate";
    stage.prepend(canvas);
    svg.removeAttribute("width");

    const size = () => [stage.clientWidth, stage.clientHeight];
    const clamp = (value, least, most) => Math.min(Math.max(value, least), most);

    function measure() {
      const [width, height] = size(), whole = scale === 0 || Math.abs(scale - fit) < 1e-6;
      fit = Math.min(width / columns, height / rows) || 1;
      if (whole) scale = fit;
      const dots = Math.min(devicePixelRatio || 1, 2);
      canvas.width = Math.round(width * dots);
      canvas.height = Math.round(height * dots);
      draw();
    }

    function table() {
      const span = Math.max(1, high - low);
      for (let value = 0; value < 65536; value++) {
        let shade = clamp(Math.round(((value - low) / span) * 255), 0, 255);
        if (inverted) shade = 255 - shade;
        grey32[value] = 0xff000000 | (shade << 16) | (shade << 8) | shade;
      }
    }

    function paint() {
      waiting = false;
      const [width, height] = size();
      if (!width || !height) return;
      const half = [width / scale / 2, height / scale / 2];
      svg.setAttribute("viewBox", `${x - half[0]} ${y - half[1]} ${2 * half[0]} ${2 * half[1]}`);
      const zoom = scale / fit;
      for (const label of svg.querySelectorAll(".label")) {
        label.setAttribute("transform", `translate(${label.dataset.x} ${label.dataset.y}) scale(${1 / Math.max(1, zoom)})`);
      }
      root.dataset.zoom = zoom.toFixed(2);
      if (!film) return;
      const dots = canvas.width / width;
      const deep = clamp(Math.floor(Math.log2(1 / (scale * dots))), 0, film.length - 1), one = film[deep], step = 2 ** deep;
      const left = clamp(Math.floor((x + 0.5 - half[0]) / step), 0, one.columns - 1), top = clamp(Math.floor((y + 0.5 - half[1]) / step), 0, one.rows - 1);
      const right = clamp(Math.ceil((x + 0.5 + half[0]) / step), left + 1, one.columns), bottom = clamp(Math.ceil((y + 0.5 + half[1]) / step), top + 1, one.rows);
      const image = drop.createImageData(right - left, bottom - top), pixels = new Uint32Array(image.data.buffer);
      for (let row = top, at = 0; row < bottom; row++) {
        for (let i = row * one.columns + left, end = i + right - left; i < end; i++) pixels[at++] = grey32[one.grey[i]];
      }
      under.width = right - left;
      under.height = bottom - top;
      drop.putImageData(image, 0, 0);
      const onto = (value, centre, middle) => ((value - 0.5 - centre) * scale + middle) * dots;
      ink.imageSmoothingEnabled = scale * dots < 6;
      ink.fillStyle = "#000";
      ink.fillRect(0, 0, canvas.width, canvas.height);
      ink.drawImage(under, onto(left * step, x, width / 2), onto(top * step, y, height / 2), (right - left) * step * scale * dots, (bottom - top) * step * scale * dots);
      root.dataset.shown = "16"; // for whoever waits for it
    }

    function draw() {
      if (waiting) return;
      waiting = true;
      requestAnimationFrame(paint);
    }

    function setWindow(newLow, newHigh) {
      low = newLow;
      high = Math.max(newLow + 16, newHigh);
      table();
      if (levelSlider) {
        levelSlider.value = String(Math.round(((low + high) / 2 / 65535) * STEPS));
        widthSlider.value = String(Math.round((1 - (high - low) / 65535) * STEPS));
      }
      draw();
    }

    function zoomAt(px, py, factor) {
      const [width, height] = size(), next = clamp(scale * factor, fit, Math.max(MOST, fit));
      const atX = x + (px - width / 2) / scale, atY = y + (py - height / 2) / scale;
      x = atX - (px - width / 2) / next;
      y = atY - (py - height / 2) / next;
      scale = next;
      keepInside();
    }

    function keepInside() {
      if (scale <= fit * 1.001) { x = (columns - 1) / 2; y = (rows - 1) / 2; scale = fit; }
      x = clamp(x, 0, columns - 1);
      y = clamp(y, 0, rows - 1);
      draw();
    }

    function toImage(event) {
      const box = stage.getBoundingClientRect();
      return [x + (event.clientX - box.left - box.width / 2) / scale, y + (event.clientY - box.top - box.height / 2) / scale];
    }

    function drawRuler() {
      ruler.replaceChildren();
      const make = (name, values) => {
        const made = document.createElementNS("http://www.w3.org/2000/svg", name);
        for (const [key, value] of Object.entries(values)) made.setAttribute(key, String(value));
        ruler.append(made);
        return made;
      };
      for (const [px, py] of ends) make("circle", { cx: px, cy: py, r: 5 / scale });
      if (ends.length === 2) {
        const [[ax, ay], [bx, by]] = ends, far = Math.hypot(ax - bx, ay - by);
        make("line", { x1: ax, y1: ay, x2: bx, y2: by });
        const told = mm ? `${(far * mm).toFixed(1).replace(".", root.dataset.decimal)} mm` : `${Math.round(far)} px`;
        const text = make("text", { x: (ax + bx) / 2, y: (ay + by) / 2 - 14 / scale, "font-size": 20 / scale });
        text.textContent = told;
        root.querySelector(".measured").textContent = told;
      }
    }

    function tell(mark) {
      for (const one of card.querySelectorAll("[data-number]")) one.hidden = one.dataset.number !== mark;
      card.hidden = !mark;
    }

    function tapped(event) {
      if (measuring) {
        if (ends.length === 2) ends = [];
        ends.push(toImage(event));
        drawRuler();
        return;
      }
      const [px, py] = toImage(event), near = 24 / scale;
      let best = null, least = Infinity;
      for (const mark of svg.querySelectorAll(".mark")) {
        const far = Math.hypot(px - Number(mark.dataset.x), py - Number(mark.dataset.y)) - Number(mark.dataset.r);
        if (far < near && far < least) [best, least] = [mark.dataset.number, far];
      }
      tell(document.documentElement.classList.contains("hide-marks") ? null : best);
    }

    stage.addEventListener("pointerdown", (event) => {
      stage.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (pointers.size === 1) moved = 0;
      pinch = null;
    });
    stage.addEventListener("pointermove", (event) => {
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const [dx, dy] = [event.clientX - before[0], event.clientY - before[1]];
      moved += Math.hypot(dx, dy);
      pointers.set(event.pointerId, [event.clientX, event.clientY]);
      if (pointers.size === 2) {
        const [a, b] = [...pointers.values()], far = Math.hypot(a[0] - b[0], a[1] - b[1]), box = stage.getBoundingClientRect();
        const middle = [(a[0] + b[0]) / 2 - box.left, (a[1] + b[1]) / 2 - box.top];
        if (pinch) {
          x -= (middle[0] - pinch.middle[0]) / scale;
          y -= (middle[1] - pinch.middle[1]) / scale;
          zoomAt(middle[0], middle[1], far / pinch.far);
        }
        pinch = { far, middle };
      } else if (event.buttons === 2 || event.shiftKey) {
        const span = 65535 / 600;
        setWindow(low + (dy - dx) * span, high + (dy + dx) * span);
      } else if (moved > TAP_PX) {
        x -= dx / scale;
        y -= dy / scale;
        keepInside();
      }
    });
    for (const kind of ["pointerup", "pointercancel"]) {
      stage.addEventListener(kind, (event) => {
        const alone = pointers.size === 1;
        pointers.delete(event.pointerId);
        pinch = null;
        if (kind === "pointerup" && alone && moved <= TAP_PX && event.button === 0) tapped(event);
      });
    }
    stage.addEventListener("contextmenu", (event) => event.preventDefault());
    stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      const box = stage.getBoundingClientRect();
      zoomAt(event.clientX - box.left, event.clientY - box.top, Math.exp(-event.deltaY / 400));
    }, { passive: false });
    stage.addEventListener("keydown", (event) => {
      const mark = event.target.closest(".mark");
      if (mark && (event.key === "Enter" || event.key === " ")) { event.preventDefault(); tell(mark.dataset.number); return; }
      const far = 60 / scale, steps = { ArrowLeft: [-far, 0], ArrowRight: [far, 0], ArrowUp: [0, -far], ArrowDown: [0, far] };
      const [width, height] = size();
      if (steps[event.key]) { x += steps[event.key][0]; y += steps[event.key][1]; keepInside(); event.preventDefault(); }
      if (event.key === "+" || event.key === "=") zoomAt(width / 2, height / 2, 1.4);
      if (event.key === "-") zoomAt(width / 2, height / 2, 1 / 1.4);
    });

    const does = {
      closer: () => zoomAt(size()[0] / 2, size()[1] / 2, 1.6),
      farther: () => zoomAt(size()[0] / 2, size()[1] / 2, 1 / 1.6),
      whole: () => { scale = fit; keepInside(); },
      sent: () => { inverted = false; setWindow(...sent); },
      soft: () => setWindow(sent[0], sent[0] + 0.45 * (sent[1] - sent[0])),
      bone: () => setWindow(sent[0] + 0.3 * (sent[1] - sent[0]), sent[1] + 0.1 * (sent[1] - sent[0])),
      invert: () => { inverted = !inverted; table(); draw(); },
      ruler: () => { measuring = !measuring; if (!measuring) { ends = []; drawRuler(); } root.classList.toggle("is-measuring", measuring); },
      names: () => root.classList.toggle("show-names"),
      large: () => { document.documentElement.classList.toggle("is-large"); measure(); },
      card: () => tell(null),
    };
    root.addEventListener("click", (event) => {
      const button = event.target.closest("[data-do]");
      if (!button || !does[button.dataset.do]) return;
      does[button.dataset.do]();
      const on = { invert: inverted, ruler: measuring, names: root.classList.contains("show-names"), large: document.documentElement.classList.contains("is-large") };
      for (const one of root.querySelectorAll("[aria-pressed]")) one.setAttribute("aria-pressed", String(on[one.dataset.do]));
    });
    const slide = () => {
      const middle = (Number(levelSlider.value) / STEPS) * 65535, width = Math.max(64, (1 - Number(widthSlider.value) / STEPS) * 65535);
      low = middle - width / 2;
      high = middle + width / 2;
      table();
      draw();
    };
    for (const slider of [levelSlider, widthSlider]) slider?.addEventListener("input", slide);

    root.classList.add("is-live");
    new ResizeObserver(measure).observe(stage);
    measure();
    fetched(root.dataset.film).then((all) => {
      if (all[0].columns !== columns || all[0].rows !== rows) throw new Error("another size");
      film = all;
      sent = [all[0].low, all[0].high];
      setWindow(...sent);
      still.remove();
      svg.querySelector(".missing")?.remove();
      root.classList.add("has-film");
    }).catch(() => { root.classList.add("no-film"); });
  }

  const begin = () => {
    for (const root of document.querySelectorAll(".viewer:not(.is-live)")) setUp(root);
  };
  document.addEventListener("replaced", begin);
  begin();
})();
