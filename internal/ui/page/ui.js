// The live page. It shows what the server tells in one answer that never ends, and asks it to act.
"use strict";
(() => {
  const $ = id => document.getElementById(id);
  const line = timeline($("last-start"));
  const nothing = { began: new Date().toISOString(), took_us: 0, lanes: [], states: [], critical: [], records: [] };

  // What is behind the # of the link that stackemu has printed: the token, which goes out of sight, and the instance.
  let wanted = "", source = "events";
  function readLink() {
    const link = new URLSearchParams(location.hash.slice(1));
    if (link.has("token")) sessionStorage.setItem("token", link.get("token"));
    remember(link.get("instance") || wanted);
  }
  // remember is for the next load of the page.
  function remember(name) {
    wanted = name;
    sessionStorage.setItem("instance", name);
    history.replaceState(null, "", name ? "#instance=" + encodeURIComponent(name) : location.pathname);
  }
  const headers = () => ({ Authorization: "Bearer " + (sessionStorage.getItem("token") || "") });

  let all = [], now = null, stream = null, pending = "";

  // listen hears all that changes, about the instance and the log that are looked at, until it is called again.
  async function listen() {
    if (stream) stream.abort();
    const mine = stream = new AbortController();
    $("log").textContent = pending = "";
    while (stream === mine) {
      try {
        const answer = await fetch("api/live?" + new URLSearchParams({ instance: wanted || "default", log: source }), { headers: headers(), signal: mine.signal });
        if (answer.status === 401) return connection("this page needs the link that stackemu has printed: open that one", true);
        if (!answer.ok) throw new Error((await answer.json()).message);
        connection("live");
        await lines(answer.body, frame => { if (stream === mine) show(frame); });
      } catch (e) {
        if (mine.signal.aborted) return;
      }
      connection("stackemu has ended, or cannot be reached; trying again", true);
      await new Promise(wait => setTimeout(wait, 1000));
      $("log").textContent = pending = "";
    }
  }

  async function lines(body, each) {
    const reader = body.pipeThrough(new TextDecoderStream()).getReader();
    for (let rest = "";;) {
      const { value, done } = await reader.read();
      if (done) return;
      const parts = (rest + value).split("\n");
      rest = parts.pop();
      for (const part of parts) each(JSON.parse(part));
    }
  }

  function connection(words, lost = false) {
    $("connection").textContent = words;
    $("connection").classList.toggle("lost", lost);
    if (lost) for (const button of $("actions").children) button.disabled = true;
  }

  function show(frame) {
    if (frame.instances) {
      showInstances(frame.instances);
      showActors(frame.actors || []);
    }
    if (frame.timeline) frame.timeline.fresh ? line.load(frame.timeline) : line.add(frame.timeline);
    if (frame.log) showLog(frame.log);
  }

  // element makes an element with a text and children; never from a text with tags in it.
  function element(tag, about = {}, ...children) {
    const e = document.createElement(tag);
    for (const [name, value] of Object.entries(about)) name === "class" || name.includes("-") ? e.setAttribute(name, value) : e[name] = value;
    e.append(...children);
    return e;
  }

  // list keeps the elements of what is still there, so that the focus stays where it is.
  function list(parent, things, key, make, fill) {
    const old = new Map([...parent.children].map(e => [e.dataset.key, e]));
    things.forEach((thing, n) => {
      let e = old.get(key(thing));
      if (!e) { e = make(thing); e.dataset.key = key(thing); }
      old.delete(key(thing));
      if (parent.children[n] !== e) parent.insertBefore(e, parent.children[n] || null);
      fill(e, thing);
    });
    for (const e of old.values()) e.remove();
  }
  const text = (e, words) => { if (e.textContent !== words) e.textContent = words; };

  const ended = { stopped: true, failed: true, orphaned: true, absent: true };
  const mood = i => i.healthy ? "well" : i.state === "failed" || i.state === "unresponsive" || i.state === "ready" ? "ill" : ended[i.state] ? "" : "underway";

  function stateOf(i) {
    if (i.doing && ended[i.state]) return i.doing === "reset" ? "is being reset" : i.doing + " is under way";
    if (i.state === "ready") return i.diskFull ? "paused: the disk is full" : i.healthy ? "ready" : "unhealthy";
    if (i.state === "orphaned") return "its VM runs without a supervisor";
    return i.state;
  }

  const seconds = ms => ms < 10000 ? (ms / 1000).toFixed(2) + " s" : Math.round(ms / 1000) + " s";
  const hows = { cold: "cold boot", resume: "resumed", adopt: "taken over" };
  const how = i => i.how ? hows[i.how] + " in " + seconds(i.elapsedMs || 0) : "";
  function ago(since) {
    const s = Math.max(0, Math.floor((Date.now() - Date.parse(since)) / 1000));
    return s < 60 ? s + "s" : s < 3600 ? Math.floor(s / 60) + "m" + s % 60 + "s" : s < 86400 ? Math.floor(s / 3600) + "h" + Math.floor(s % 3600 / 60) + "m" : Math.floor(s / 86400) + "d" + Math.floor(s % 86400 / 3600) + "h";
  }
  function size(bytes) {
    for (const unit of ["B", "KiB", "MiB"]) {
      if (bytes < 1024) return (bytes < 10 && unit !== "B" ? bytes.toFixed(1) : Math.round(bytes)) + " " + unit;
      bytes /= 1024;
    }
    return bytes.toFixed(1) + " GiB";
  }

  function showInstances(instances) {
    all = instances;
    list($("instances"), all, i => i.instance, i => element("li", {}, element("button", { onclick: () => choose(i.instance) },
      element("span", { class: "dot" }), element("span", { class: "title" }, i.instance), element("span", { class: "about" }))), (e, i) => {
      const button = e.firstChild, [dot, , about] = button.children;
      dot.className = "dot " + mood(i);
      text(about, [stateOf(i), i.vm && i.vm.memory ? size(i.vm.memory.private) : ""].filter(Boolean).join(", "));
      button.setAttribute("aria-current", i.instance === (wanted || all[0].instance));
    });
    if (!all.some(i => i.instance === wanted)) return choose(all[0].instance);
    now = all.find(i => i.instance === wanted);
    showHead();
    showServices();
    showMachine();
  }

  function choose(name) {
    remember(name);
    trouble("");
    line.load(nothing);
    $("actors").replaceChildren();
    showInstances(all);
    listen();
  }

  function showHead() {
    text($("name"), now.instance);
    showState();
    document.title = now.instance + ": " + stateOf(now) + " · stackemu";
    const off = { start: !ended[now.state], stop: !now.supervisor && !now.vm, restart: !now.supervisor && !now.vm, reset: false };
    for (const button of $("actions").children) button.disabled = Boolean(now.doing) || off[button.dataset.action];
    if (now.cause && !now.healthy && !$("trouble").textContent) trouble(now.cause);
    if (now.healthy && $("trouble").dataset.of === "state") trouble("");
  }
  function showState() {
    if (now) text($("state"), [stateOf(now), how(now), now.state === "ready" ? "up " + ago(now.readyAt) : "", now.why || ""].filter(Boolean).join(" · "));
  }

  function trouble(words, of = "state") {
    text($("trouble"), words);
    $("trouble").hidden = !words;
    $("trouble").dataset.of = of;
  }

  function showServices() {
    list($("services"), now.services, s => s.name + " " + s.url, s => element("li", {}, element("span", { class: "dot" }), element("span", { class: "name" }, s.name),
      element("a", { href: s.url, target: "_blank", rel: "noopener noreferrer" }, s.url), element("span", { class: "quiet" }), element("span", { class: "note" })), (e, s) => {
      const [dot, , , health, note] = e.children, quiet = ended[now.state];
      dot.className = "dot " + (s.healthy ? "well" : quiet ? "" : now.state === "ready" ? "ill" : "underway");
      text(health, s.healthy ? "healthy" : quiet ? "" : "not healthy");
      text(note, s.healthy ? "" : s.detail || "");
    });
  }

  function showMachine() {
    const rows = [];
    const row = (name, value) => { if (value) rows.push({ name, value }); };
    row("VM", now.vm ? "QEMU, pid " + now.vm.pid : "none");
    if (now.vm && now.vm.memory) row("memory", size(now.vm.memory.private) + " its own, " + size(now.vm.memory.shared) + " shared");
    if (now.supervisor) row("supervisor", "pid " + now.supervisor.pid + ", " + (now.supervisor.background ? "in the background" : "in the foreground"));
    row("version", now.supervisor && now.supervisor.version);
    row("ports", now.services.map(s => s.port).join(", "));
    row("snapshot", now.snapshot);
    row("image", now.image);
    row("last failure", now.healthy ? now.cause : "");
    list($("machine"), rows.flatMap(r => [{ ...r, tag: "dt" }, { ...r, tag: "dd" }]), r => r.tag + r.name, r => element(r.tag), (e, r) => text(e, r.tag === "dt" ? r.name : r.value));
  }

  // showActors draws the tree: an actor below the one whose path its own begins with.
  function showActors(actors) {
    const depth = path => path.split("/").length - 1;
    list($("actors"), actors, a => a.path, a => element("li", { class: "indent-" + depth(a.path) }, element("span"), element("span", { class: "quiet" }), element("span", { class: "note" })), (e, a) => {
      text(e.children[0], a.path.split("/").pop().replace(/^_/, ""));
      text(e.children[1], [a.state, a.restarts ? a.restarts + (a.restarts > 1 ? " restarts" : " restart") : "", a.mailbox ? a.mailbox + " waiting" : ""].filter(Boolean).join(", "));
      text(e.children[2], a.failure ? a.failure + (a.failedAt ? ", " + ago(a.failedAt) + " ago" : "") : "");
    });
  }

  // showLog appends; what terminals take for colours and movements is left out.
  function showLog(more) {
    const log = $("log"), atEnd = log.scrollTop + log.clientHeight > log.scrollHeight - 30;
    pending += more;
    const end = pending.lastIndexOf("\n") + 1;
    const lines = (log.textContent + pending.slice(0, end).replace(/\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][0-9A-B]|[\x00-\x08\x0b-\x1f\x7f]/g, "")).split("\n");
    pending = pending.slice(end);
    log.textContent = lines.slice(-1000).join("\n");
    if (atEnd) log.scrollTop = log.scrollHeight;
  }

  async function act(action) {
    const name = now.instance;
    if (action === "reset" && !await sure("Throw away all data of " + name + "? It is stopped first. Its next start is a fresh one.")) return;
    trouble("");
    for (const button of $("actions").children) button.disabled = true;
    let words = "";
    try {
      const answer = await fetch("api/instances/" + encodeURIComponent(name) + "/" + action, { method: "POST", headers: headers() });
      if (!answer.ok) words = (await answer.json()).message;
    } catch (e) {
      words = "stackemu does not answer: " + e.message;
    }
    if (now.instance === name) trouble(words, "action");
  }

  function sure(question) {
    const dialog = $("sure");
    text($("sure-text"), question);
    dialog.showModal();
    return new Promise(answer => {
      dialog.firstElementChild.onsubmit = e => answer(e.submitter.value === "yes");
      dialog.oncancel = () => answer(false);
    });
  }

  const tabs = [...$("sources").children];
  function showSource(name) {
    source = name;
    for (const tab of tabs) {
      tab.setAttribute("aria-selected", tab.dataset.source === name);
      tab.tabIndex = tab.dataset.source === name ? 0 : -1;
    }
    $("log").setAttribute("aria-labelledby", "tab-" + name);
  }
  for (const tab of tabs) tab.onclick = () => { showSource(tab.dataset.source); listen(); };
  $("sources").addEventListener("keydown", e => {
    const by = { ArrowRight: 1, ArrowLeft: -1 }[e.key];
    if (!by) return;
    const next = tabs[(tabs.indexOf(document.activeElement) + by + tabs.length) % tabs.length];
    next.focus();
    next.click();
    e.preventDefault();
  });

  for (const button of $("actions").children) button.onclick = () => act(button.dataset.action);
  $("follow").onchange = () => { if ($("follow").checked) line.now(10e6); };
  $("fit").addEventListener("click", () => { $("follow").checked = false; });
  $("timeline").addEventListener("pointerdown", () => { $("follow").checked = false; });
  setInterval(() => { if ($("follow").checked) line.now(); }, 200);
  setInterval(showState, 1000);
  addEventListener("hashchange", () => { readLink(); listen(); });
  document.addEventListener("visibilitychange", () => { // a page that nobody looks at costs nothing
    if (!document.hidden) return listen();
    if (stream) stream.abort();
    stream = null;
  });

  wanted = sessionStorage.getItem("instance") || "";
  readLink();
  showSource(source);
  listen();
})();
