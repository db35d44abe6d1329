// The timeline of a message log: a lane per actor, drawn on one canvas. No library, no network.
"use strict";

// timeline takes possession of the elements of tools.html and stage.html. The keys are heard that are pressed in `within`. What it
// returns draws data (docs/trace.md), whole or as it comes.
function timeline(within) {
  const $ = id => document.getElementById(id);
  const canvas = $("timeline"), draw2d = canvas.getContext("2d"), stage = $("stage"), details = $("details"), help = details.innerHTML;
  const gutter = 150, top = 46, row = 9, space = 14; // in CSS pixels
  const most = 6000; // records of a timeline that goes on

  // What is shown: the records by number, what each has led to, and the start that they are of. Times are in microseconds since
  // its beginning.
  let all = [], bySeq = new Map(), effects = new Map(), critical = new Set(), names = [], states = [], began = 0, took = 0, total = 1;
  let lanes = [], records = [], laneOf = new Map(), height = 0, width = 0;
  let view = { from: 0, to: 1 }, fitted = true, chosen = null, query = "", hits = new Set();

  // load forgets what was there. Of the same start, told anew, the view and what is chosen stay.
  function load(data) {
    const same = all.length > 0 && Date.parse(data.began) * 1000 === began, was = chosen;
    all = [];
    bySeq = new Map();
    if (!same) {
      fitted = true;
      chosen = null;
      details.innerHTML = help;
    }
    add(data);
    if (same && was) choose(bySeq.get(was.seq) || null);
  }

  // add takes what is new: records, and all of the rest as it is now.
  function add(data) {
    for (const r of data.records) {
      r.text = [r.type, r.detail, r.from, r.to, r.failure, r.next, r.kind, JSON.stringify(r.body || "")].join(" ").toLowerCase();
      all.push(r);
      bySeq.set(r.seq, r);
    }
    names = data.lanes;
    states = data.states;
    critical = new Set(data.critical);
    began = Date.parse(data.began) * 1000;
    took = data.took_us;
    if (all.length > most) forget();
    effects = new Map();
    total = Math.max(1, took);
    for (const r of all) {
      total = Math.max(total, r.at_us + r.took_us);
      if (!bySeq.has(r.cause)) continue;
      if (effects.has(r.cause)) effects.get(r.cause).push(r);
      else effects.set(r.cause, [r]);
    }
    arrange();
    if (fitted) fit();
    search();
  }

  // forget drops the oldest of what has come after the start.
  function forget() {
    const after = all.filter(r => r.from_us > took).sort((a, b) => a.seq - b.seq);
    for (const r of after.slice(0, all.length - most)) bySeq.delete(r.seq);
    all = all.filter(r => bySeq.get(r.seq) === r);
  }

  function arrange() {
    records = all.filter(r => $("noise").checked || !r.noise);
    records.sort((a, b) => a.from_us - b.from_us || a.seq - b.seq);
    lanes = [];
    laneOf = new Map();
    const used = new Set(records.map(r => r.lane));
    for (const name of names) {
      if (!used.has(name)) continue;
      laneOf.set(name, lanes.length);
      lanes.push({ name, rows: [], y: 0, height: 0 });
    }
    // Messages are on the first row of a lane; what may overlap them is on the rows below, as few as there can be.
    for (const r of records) {
      const lane = lanes[laneOf.get(r.lane)];
      r.row = 0;
      if (r.from_us < r.at_us || r.kind === "external") {
        let n = 0;
        const until = r.kind === "external" ? r.at_us + r.took_us : r.at_us;
        while (lane.rows[n] > r.from_us) n++;
        lane.rows[n] = Math.max(until, r.from_us + 1);
        r.row = n + 1;
      }
    }
    let y = top;
    for (const lane of lanes) {
      lane.y = y;
      lane.height = space + row * (2 + lane.rows.length);
      y += lane.height;
    }
    height = y + 10;
  }

  // now moves the view so that it ends with this moment, and shows so much time before it as is given, or as it does.
  function now(span = view.to - view.from) {
    const at = Date.now() * 1000 - began;
    look(at - span * 0.98, at + span * 0.02);
    paint();
  }

  // look moves the view; from then on it stays where it is.
  function look(from, to) {
    view = { from, to };
    fitted = false;
  }
  function fit() {
    const whole = Math.max(1, took);
    look(-whole * 0.01, whole * 1.02);
    fitted = true;
  }
  const x = us => gutter + (us - view.from) / (view.to - view.from) * (width - gutter - 8);
  const us = px => view.from + (px - gutter) / (width - gutter - 8) * (view.to - view.from);
  const color = name => getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim();

  function seconds(value) {
    const s = value / 1e6;
    return Math.abs(s) < 0.001 ? value + " µs" : Math.abs(s) < 1 ? (s * 1000).toFixed(1) + " ms" : s.toFixed(3) + " s";
  }

  function zoom(factor, around) {
    const at = around === undefined ? (chosen ? chosen.at_us : (view.from + view.to) / 2) : around;
    const span = Math.min(Math.max((view.to - view.from) * factor, 50), total * 4);
    const share = (at - view.from) / (view.to - view.from);
    look(at - span * share, at + span * (1 - share));
    paint();
  }

  function paint() {
    const ratio = window.devicePixelRatio || 1;
    width = stage.clientWidth;
    canvas.width = width * ratio;
    canvas.height = height * ratio;
    canvas.style.width = width + "px";
    canvas.style.height = height + "px";
    const c = draw2d, paints = {};
    for (const name of ["back", "front", "quiet", "line", "band", "message", "work", "outside", "timer", "failure", "chosen", "critical"]) paints[name] = color(name);
    c.setTransform(ratio, 0, 0, ratio, 0, 0);
    c.fillStyle = paints.back;
    c.fillRect(0, 0, width, height);
    c.font = "12px system-ui, sans-serif";
    c.textBaseline = "middle";
    lanes.forEach((lane, n) => {
      if (n % 2 === 0) { c.fillStyle = paints.band; c.fillRect(0, lane.y, width, lane.height); }
    });
    paintScale(c, paints);
    c.save();
    c.beginPath();
    c.rect(gutter, 0, width - gutter, height);
    c.clip();
    paintStates(c, paints);
    if ($("arrows").checked) paintArrows(c, paints);
    for (const r of records) paintRecord(c, paints, r);
    c.restore();
    c.font = "12px system-ui, sans-serif";
    for (const lane of lanes) {
      c.fillStyle = paints.front;
      c.textAlign = "left";
      c.fillText(lane.name.replace(/^fleet\//, ""), 10, lane.y + space / 2 + row);
    }
  }

  function paintScale(c, paints) {
    const rough = (view.to - view.from) / Math.max(2, (width - gutter) / 110);
    let step = 10 ** Math.floor(Math.log10(rough));
    for (const m of [2, 5, 10]) if (step < rough) step = step * m / (m === 5 ? 2 : m === 10 ? 2 : 1) ;
    c.textAlign = "center";
    for (let at = Math.ceil(view.from / step) * step; at <= view.to; at += step) {
      const px = x(at);
      if (px < gutter) continue;
      c.strokeStyle = paints.line;
      c.beginPath(); c.moveTo(px, 18); c.lineTo(px, height); c.stroke();
      c.fillStyle = paints.quiet;
      if (px > gutter + 20 && px < width - 20) c.fillText(seconds(Math.round(at)), px, 10);
    }
  }

  function paintStates(c, paints) {
    states.forEach((s, n) => {
      const from = x(s.from_us), to = x(s.to_us);
      if (to < gutter || from > width) return;
      c.fillStyle = `hsl(${(n * 67 + 210) % 360} 45% 55% / 0.35)`;
      c.fillRect(from, 22, Math.max(to - from - 1, 1), 18);
      const left = Math.max(from, gutter) + 4, room = Math.min(to, width) - left;
      if (room > c.measureText(s.name).width + 2) {
        c.fillStyle = paints.front;
        c.textAlign = "left";
        c.fillText(s.name, left, 31);
      }
    });
  }

  function place(r) {
    const lane = lanes[laneOf.get(r.lane)];
    return { y: lane.y + space / 2, stretch: lane.y + space / 2 + row + 3 + (r.row - 1) * row };
  }

  function paintRecord(c, paints, r) {
    const p = place(r), faded = query !== "" && !hits.has(r);
    c.globalAlpha = faded ? 0.15 : 1;
    const isCritical = $("critical").checked && critical.has(r.seq);
    if (r.row > 0) {
      const from = x(r.from_us), to = r.kind === "external" ? x(r.at_us + r.took_us) : x(r.at_us);
      if (to >= gutter && from <= width) {
        c.fillStyle = r.kind === "external" ? (r.failure ? paints.failure : paints.outside) : r.off === "timer" ? paints.timer : paints.work;
        c.fillRect(from, p.stretch, Math.max(to - from, 1.5), row - 2);
        if (isCritical) { c.fillStyle = paints.critical; c.fillRect(from, p.stretch + row - 3, Math.max(to - from, 1.5), 2); }
        if (r === chosen) { c.strokeStyle = paints.chosen; c.lineWidth = 2; c.strokeRect(from - 1, p.stretch - 1, Math.max(to - from, 1.5) + 2, row); c.lineWidth = 1; }
      }
    }
    if (r.kind !== "external") {
      const from = x(r.at_us), to = x(r.at_us + r.took_us);
      if (to >= gutter - 4 && from <= width) {
        c.fillStyle = r.failure ? paints.failure : isCritical ? paints.critical : paints.message;
        c.fillRect(from - 1, p.y, Math.max(to - from, 3), row + 1);
        if (r === chosen) { c.strokeStyle = paints.chosen; c.lineWidth = 2; c.strokeRect(from - 3, p.y - 2, Math.max(to - from, 3) + 4, row + 5); c.lineWidth = 1; }
      }
    }
    c.globalAlpha = 1;
  }

  function paintArrows(c, paints) {
    const chain = new Set();
    for (let r = chosen; r; r = bySeq.get(r.cause)) { if (chain.has(r)) break; chain.add(r); }
    const many = records.filter(r => x(r.at_us) >= gutter && x(r.at_us) <= width).length > 600;
    for (const r of records) {
      const cause = bySeq.get(r.cause);
      if (!cause || cause.lane === r.lane || r.kind === "external" || !laneOf.has(cause.lane) || r.off) continue;
      const mine = chain.has(r) && chain.has(cause), isCritical = $("critical").checked && critical.has(r.seq) && critical.has(cause.seq);
      if (many && !mine && !isCritical) continue;
      const x1 = x(cause.at_us), x2 = x(r.at_us), y1 = place(cause).y + row / 2, y2 = place(r).y + row / 2;
      if (Math.max(x1, x2) < gutter || Math.min(x1, x2) > width) continue;
      c.strokeStyle = c.fillStyle = mine ? paints.chosen : isCritical ? paints.critical : paints.quiet;
      c.globalAlpha = mine || isCritical ? 0.9 : 0.3;
      c.beginPath(); c.moveTo(x1, y1); c.lineTo(x2, y2); c.stroke();
      const angle = Math.atan2(y2 - y1, x2 - x1);
      c.beginPath(); c.moveTo(x2, y2);
      c.lineTo(x2 - 7 * Math.cos(angle - 0.4), y2 - 7 * Math.sin(angle - 0.4));
      c.lineTo(x2 - 7 * Math.cos(angle + 0.4), y2 - 7 * Math.sin(angle + 0.4));
      c.fill();
      c.globalAlpha = 1;
    }
  }

  // hit finds what is drawn nearest to a point.
  function hit(px, py) {
    let best = null, near = 6;
    for (const r of records) {
      const p = place(r);
      for (const [from, to, y, h] of [
        r.kind === "external" ? null : [x(r.at_us), x(r.at_us + r.took_us), p.y - 2, row + 4],
        r.row > 0 ? [x(r.from_us), r.kind === "external" ? x(r.at_us + r.took_us) : x(r.at_us), p.stretch, row] : null,
      ].filter(Boolean)) {
        if (py < y || py > y + h) continue;
        const away = px < from ? from - px : px > to ? px - to : 0;
        if (away < near || away === near && best === null) { best = r; near = away; }
      }
    }
    return best;
  }

  function choose(r) {
    chosen = r;
    details.replaceChildren();
    if (!r) {
      details.innerHTML = help;
      paint();
      return;
    }
    const add = (parent, tag, text, cls) => {
      const e = document.createElement(tag);
      e.textContent = text;
      if (cls) e.className = cls;
      parent.append(e);
      return e;
    };
    add(details, "h2", r.type + (r.detail ? " " + r.detail : ""));
    const list = add(details, "dl", "");
    const field = (name, value) => { if (value !== undefined && value !== "") { add(list, "dt", name); add(list, "dd", value); } };
    field("at", "+" + seconds(r.at_us));
    field("number", String(r.seq));
    field("kind", r.kind || "message");
    field("from", r.from);
    field("to", r.to);
    field("state", r.next ? r.state + " → " + r.next : r.state);
    if (r.kind !== "external") field("in the mailbox", seconds(r.wait_us));
    if (r.off_us) field(r.off, seconds(r.off_us));
    field(r.kind === "external" ? "took" : "handled in", seconds(r.took_us));
    field("attempt", r.attempt);
    field("time", r.time);
    if (r.failure) add(details, "p", r.failure, "failure");
    if (r.body && Object.keys(r.body).length) add(details, "pre", JSON.stringify(r.body, null, 1));
    if (r.stack) add(details, "pre", r.stack);
    const go = (words, other) => { add(details, "button", words + ": " + other.type + (other.detail ? " " + other.detail : "") + " (+" + seconds(other.at_us) + ")").onclick = () => { show(other); canvas.focus(); }; };
    if (bySeq.has(r.cause)) go("cause", bySeq.get(r.cause));
    for (const other of (effects.get(r.seq) || []).slice(0, 20)) go("led to", other);
    paint();
  }

  // show chooses a record and moves the view so that it can be seen.
  function show(r) {
    if (!laneOf.has(r.lane) || !records.includes(r)) { $("noise").checked = true; arrange(); search(); }
    const span = view.to - view.from;
    if (r.at_us < view.from || r.at_us > view.to) look(r.at_us - span / 2, r.at_us + span / 2);
    choose(r);
    const p = place(r);
    if (p.y < stage.scrollTop + top || p.y > stage.scrollTop + stage.clientHeight - 40) stage.scrollTop = p.y - stage.clientHeight / 2;
  }

  function search() {
    query = $("search").value.trim().toLowerCase();
    hits = new Set(query === "" ? [] : records.filter(r => r.text.includes(query)));
    $("found").textContent = query === "" ? "" : hits.size + " found";
    paint();
  }

  function step(by) {
    const list = (query === "" ? records : records.filter(r => hits.has(r))).slice().sort((a, b) => a.at_us - b.at_us || a.seq - b.seq);
    if (list.length === 0) return;
    let n = list.indexOf(chosen);
    n = n < 0 ? (by > 0 ? 0 : list.length - 1) : Math.min(Math.max(n + by, 0), list.length - 1);
    show(list[n]);
  }

  const keys = {
    ArrowRight: () => step(1), ArrowLeft: () => step(-1),
    ArrowUp: () => { if (chosen && bySeq.has(chosen.cause)) show(bySeq.get(chosen.cause)); },
    ArrowDown: () => { if (chosen && effects.has(chosen.seq)) show(effects.get(chosen.seq)[0]); },
    "+": () => zoom(0.6), "=": () => zoom(0.6), "-": () => zoom(1 / 0.6), "0": () => { fit(); paint(); },
    "/": () => $("search").focus(), Escape: () => { $("search").value = ""; search(); choose(null); canvas.focus(); },
    t: theme, Home: () => step(-1e9), End: () => step(1e9),
  };
  within.addEventListener("keydown", e => {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    if (e.target === $("search")) {
      if (e.key === "Enter") { step(1); e.preventDefault(); }
      else if (e.key === "Escape") { keys.Escape(); e.preventDefault(); }
      return;
    }
    if (/^(BUTTON|SUMMARY|INPUT)$/.test(e.target.tagName) && /^(Enter| )$/.test(e.key)) return;
    const act = keys[e.key];
    if (act) { act(); e.preventDefault(); }
  });

  function theme() {
    const root = document.documentElement, dark = root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    root.dataset.theme = dark ? "light" : "dark";
    paint();
  }

  let drag = null;
  canvas.addEventListener("pointerdown", e => { drag = { x: e.offsetX, view, moved: false }; canvas.setPointerCapture(e.pointerId); });
  canvas.addEventListener("pointermove", e => {
    if (!drag) { canvas.title = (r => r ? r.type + (r.detail ? " " + r.detail : "") + ", +" + seconds(r.at_us) : "")(hit(e.offsetX, e.offsetY)); return; }
    const by = (e.offsetX - drag.x) / (width - gutter - 8) * (drag.view.to - drag.view.from);
    if (Math.abs(e.offsetX - drag.x) > 3) { drag.moved = true; canvas.classList.add("grabbing"); }
    if (drag.moved) { look(drag.view.from - by, drag.view.to - by); paint(); }
  });
  canvas.addEventListener("pointerup", e => {
    if (drag && !drag.moved) choose(hit(e.offsetX, e.offsetY));
    drag = null;
    canvas.classList.remove("grabbing");
  });
  canvas.addEventListener("wheel", e => {
    if (e.shiftKey) return;
    e.preventDefault();
    if (Math.abs(e.deltaX) > Math.abs(e.deltaY)) {
      const by = e.deltaX / (width - gutter) * (view.to - view.from);
      look(view.from + by, view.to + by);
      paint();
    } else zoom(e.deltaY > 0 ? 1.2 : 1 / 1.2, us(e.offsetX));
  }, { passive: false });

  for (const id of ["critical", "arrows"]) $(id).onchange = paint;
  $("noise").onchange = () => { arrange(); search(); };
  $("search").oninput = search;
  $("in").onclick = keys["+"];
  $("out").onclick = keys["-"];
  $("fit").onclick = keys["0"];
  $("theme").onclick = theme;
  new ResizeObserver(paint).observe(stage);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);

  return { load, add, now };
}
