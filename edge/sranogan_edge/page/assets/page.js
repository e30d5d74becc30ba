"use strict";
const $ = (id) => document.getElementById(id);
const CLASS = { "normal": "normal", "anomalous": "anomalous", "out of domain": "outside", "not asked for": "unasked", "error": "error" };
const FIRST_ALARMS = 3; // the rest unfold: one drift may be seven
const TAIL = 12; // characters at a name's end that are never cut
const WORDS = { "out of domain": "not like the training data", "not asked for": "not asked for, not judged", "error": "could not be judged" };
const FIELDS = [["modality", "Modality"], ["body_part_examined", "Body part"], ["view_position", "View"],
  ["presentation_intent_type", "Intent"], ["patient_orientation", "Orientation"], ["turned", "Turned upright"], ["colour", "Colour"]];
const MODEL = [["model", "Name"], ["learned from", "Learned from"], ["trained", "Training began"], ["digest", "SHA-256"], ["calibration", "Calibration"]];
const unseen = (verdict) => verdict === "error" || verdict === "not asked for"; // there is no picture of it
let state = null, calibration = null, preview = null, chosenBy = null, refused = "", shownNumber = null, before = null, events = null, refreshedAt = 0;

function element(tag, className, text) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}
const number = (value, digits = 2) => value === null || value === undefined ? "–" : value.toFixed(digits);
const clock = (seconds) => new Date(seconds * 1000).toLocaleTimeString();
function ago(seconds) {
  if (seconds === null) return "nothing yet";
  const s = Math.max(0, state.time - seconds);
  return s < 90 ? `${Math.round(s)} s ago` : s < 5400 ? `${Math.round(s / 60)} min ago` : `${Math.round(s / 3600)} h ago`;
}
function setText(id, text) { if ($(id).textContent !== text) $(id).textContent = text; }
function chip(node, kind, text) { node.className = `chip ${kind}`; if (node.textContent !== text) node.textContent = text; }
function fact(name, value, wide) {
  const box = element("div", wide ? "wide" : "");
  box.append(element("dt", "", name), element("dd", "", value));
  return box;
}

/* theme: the system's, until the button is pressed */
const dark = window.matchMedia("(prefers-color-scheme: dark)");
function theme(kind) {
  document.documentElement.dataset.theme = kind;
  setText("theme", kind === "dark" ? "Light" : "Dark");
  if (state) draw();
}
const stored = () => { try { return localStorage.getItem("theme"); } catch { return null; } };
theme(stored() || (dark.matches ? "dark" : "light"));
dark.addEventListener("change", () => { if (!stored()) theme(dark.matches ? "dark" : "light"); });
$("theme").addEventListener("click", () => {
  const kind = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  try { localStorage.setItem("theme", kind); } catch { /* private window */ }
  theme(kind);
});

/* what is shown: asked for when the runner says that something changed, and now and then; without word of it, once a second */
async function refresh() {
  refreshedAt = Date.now();
  try {
    const answer = await fetch("api/state");
    if (answer.status === 401) { location.assign("sign-in"); return; } // the session has ended
    if (!answer.ok) throw new Error(`answer ${answer.status}`);
    state = await answer.json();
    if (calibration === null || calibration.version !== state.calibration_version) {
      calibration = await (await fetch("api/calibration")).json();
    }
    show();
  } catch (error) {
    chip($("status"), "bad", error instanceof TypeError ? "no connection to the runner" : error.message);
    document.title = "(!) SR-AnoGAN: no connection";
  }
}
const listening = () => events !== null && events.readyState === EventSource.OPEN;
function listen() {
  if (events !== null) events.close();
  events = null;
  if (document.hidden || !window.EventSource) return; // a tab in the background takes no listener's place
  events = new EventSource("api/events");
  events.addEventListener("changed", () => refresh());
  events.addEventListener("error", () => { if (Date.now() - refreshedAt > 900) refresh(); }); // opened again, unless it was refused
}
async function loop() {
  if (!document.hidden && (!listening() || Date.now() - refreshedAt >= 5000)) await refresh();
  setTimeout(loop, 1000);
}
document.addEventListener("visibilitychange", () => { listen(); if (!document.hidden) refresh(); });
setInterval(() => { if (!document.hidden && events !== null && events.readyState === EventSource.CLOSED) listen(); }, 30000);

function show() {
  const by = state.visitor;
  setText("visitor", by.can_sign_out ? `${by.name} (${by.role})` : "");
  $("sign-out").hidden = !by.can_sign_out;
  showStatus(); showLive(); showFeeds(); showSinks(); showTimes(); showThreshold(); draw();
  const about = state.about;
  setText("bundle", about.bundle ? `${about.bundle}` : "");
  const shownAbove = new Set(["bundle", ...MODEL.map(([key]) => key)]);
  setText("about", Object.entries(about).filter(([name]) => !shownAbove.has(name)).map(([n, v]) => `${n}: ${v}`).join(" · "));
  const key = JSON.stringify(about);
  if ($("model").dataset.key === key) return;
  $("model").dataset.key = key;
  $("model").replaceChildren(...MODEL.filter(([name]) => about[name]).map(([name, words]) => fact(words, about[name], true)));
}

function showStatus() {
  const stale = state.beat_age > 60;
  if (!state.ready) chip($("status"), "warn", `not ready: ${state.not_ready_because}`);
  else if (stale) chip($("status"), "bad", `no sign of the runner for ${Math.round(state.beat_age)} s`);
  else chip($("status"), state.alarms.length ? "bad" : "good", state.alarms.length ? "alarm" : "running");
  const key = JSON.stringify(state.alarms), box = $("alarms");
  if (box.dataset.key !== key) {
    box.dataset.key = key;
    box.hidden = !state.alarms.length;
    const items = state.alarms.map((reason) => element("li", "", reason)), rest = items.splice(FIRST_ALARMS);
    setText("alarms-count", state.alarms.length > 1 ? `${state.alarms.length} alarms` : "Alarm");
    $("alarms-first").replaceChildren(...items);
    $("alarms-more").hidden = !rest.length; // stays open or closed while reasons change
    setText("alarms-left", `${rest.length} more`);
    $("alarms-rest").replaceChildren(...rest);
  }
  document.title = state.alarms.length ? "(!) SR-AnoGAN: alarm" : "SR-AnoGAN";
}

function showLive() {
  const one = state.latest;
  if (!one) return;
  const fresh = shownNumber !== one.number;
  chip($("verdict"), CLASS[one.verdict] || "", WORDS[one.verdict] || one.verdict);
  setText("score", `${number(one.score)}${one.threshold === null ? "" : ` (threshold ${number(one.threshold)})`}`);
  setText("p", number(one.p_value, 3));
  setText("took", one.milliseconds.total === undefined ? "–" : `${number(one.milliseconds.total, 1)} ms`);
  setText("file", one.file);
  $("reason").hidden = !one.reason;
  setText("reason", one.reason);
  if (!fresh) return;
  shownNumber = one.number;
  for (const kind of ["frame", "reconstruction", "heat"]) {
    const figure = $(kind).parentElement;
    if (unseen(one.verdict)) { figure.hidden = true; continue; } // an empty one would look like a black film
    const next = new Image();
    next.onload = () => { if (!unseen(state.latest.verdict)) { $(kind).src = next.src; figure.hidden = false; } };
    next.src = `api/live/${kind}.png?n=${one.number}`;
  }
  if (before === null && !$("q").value && !document.activeElement.closest("#list") && window.scrollY < 400) search(false);
}

function place(one, kind, details) {
  const row = element("li");
  row.append(element("span", "name", one.name), element("span", `chip ${kind}`, one.state), element("span", "quiet", details.join(" · ")));
  return row;
}

function showFeeds() {
  const rows = state.feeds.map((feed) => {
    const kind = { running: "good", waiting: "good", starting: "warn", stalled: "bad", failed: "bad" }[feed.state] || "";
    const details = [`newest ${ago(feed.last_arrival)}`];
    if (feed.dropped) details.push(`${feed.dropped} dropped`);
    if (feed.reconnects) details.push(`${feed.reconnects} reconnect${feed.reconnects === 1 ? "" : "s"}`);
    if (feed.refused) details.push(`${feed.refused} refused`);
    if (feed.message || feed.alarm) details.push(feed.message || feed.alarm);
    return place(feed, kind, details);
  });
  $("feeds").replaceChildren(...(rows.length ? rows : [element("li", "quiet", "No feed yet.")]));
  const counts = Object.entries(state.counts).map(([name, count]) => fact(name, String(count)));
  $("counts").replaceChildren(...counts, fact("queued", String(state.queue)));
}

function showSinks() {
  const rows = state.sinks.map((sink) => {
    const details = sink.waiting ? [`${sink.waiting} waiting`] : [];
    if (sink.written) details.push(`${sink.written} arrived`);
    if (sink.lost) details.push(`${sink.lost} lost`);
    if (sink.apart) details.push(`${sink.apart} set apart`);
    if (sink.apart && sink.refusal) details.push(`the newest: ${sink.refusal}`);
    if (sink.message) details.push(sink.message);
    return place(sink, sink.state === "failing" ? "bad" : sink.apart || sink.lost ? "warn" : "good", details);
  });
  $("sinks-box").hidden = !rows.length;
  $("sinks").replaceChildren(...rows);
}

function showTimes() {
  const total = state.latencies.total ? state.latencies.total.median : 1;
  const rows = Object.entries(state.latencies).map(([stage, time]) => {
    const row = element("tr", stage === "total" ? "total" : ""), bar = element("span", "bar");
    bar.style.width = `${Math.min(100, 100 * time.median / total)}%`;
    const cell = element("td");
    if (stage !== "total") cell.append(bar);
    row.append(element("td", "", stage), element("td", "n", number(time.median, 1)), element("td", "n", number(time.p95, 1)), cell);
    return row;
  });
  $("times").replaceChildren(...rows);
  const zones = Object.entries(state.temperatures).map(([zone, celsius]) => `${zone} ${number(celsius, 0)} °C`);
  setText("heat-of-machine", zones.length ? `Temperature: ${zones.join(", ")}` : "Temperature: this machine does not tell.");
}

/* threshold: previewed here, applied only by the button */
function showThreshold() {
  const slider = $("slider"), [low, high] = range();
  slider.disabled = false;
  slider.min = (Math.ceil(Math.max(calibration.reach[0], Math.floor(low * 20) / 20) * 20) / 20).toFixed(2);
  slider.max = (Math.floor(Math.min(calibration.reach[1], Math.ceil(high * 20) / 20) * 20) / 20).toFixed(2);
  if (preview === null && document.activeElement !== slider) slider.value = state.threshold === null ? slider.max : state.threshold;
  const value = preview === null ? state.threshold : preview, own = calibration.threshold;
  const byHand = state.threshold !== own && calibration.version === state.calibration_version;
  setText("slider-value", value === null ? "none: too few normals" : number(value));
  setText("origin", preview !== null ? "preview" : byHand ? "set by hand" : value === null ? "" : "the calibration's");
  $("own").hidden = !byHand || own === null;
  setText("own", `Choose the calibration's ${number(own)}`);
  slider.setAttribute("aria-valuetext", number(value));
  const may = state.can_set_threshold && state.visitor.role === "operator";
  $("why").disabled = preview === null || !may;
  $("apply").disabled = preview === null || !may || !$("why").value.trim();
  $("discard").disabled = preview === null;
  if (preview === null) {
    setText("preview", refused || (byHand ? `Set by hand on this page. The calibration's threshold is ${own === null ? "none: too few normals" : number(own)}.`
      : may ? "Move it to see what it would flag; nothing changes until it is applied."
        : state.can_set_threshold ? "Move it to see what it would flag. Operators may apply it."
        : "Move it to see what it would flag. This runner takes its threshold from the calibration."));
    return;
  }
  const judged = state.history.filter((one) => one[1] !== null && one[2] !== "out of domain");
  const flagged = judged.filter((one) => one[1] > preview).length;
  const now = judged.filter((one) => state.threshold !== null && one[1] > state.threshold).length;
  const normals = calibration.scores.filter((score) => score > preview).length / calibration.scores.length;
  setText("preview", refused || `Would flag ${flagged} of the last ${judged.length} images (now ${now}), and ${(100 * normals).toFixed(1)} % of the `
    + `${calibration.scores.length} normals of the calibration. Not applied${may ? ": say why, and apply it" : ""}.`);
}
function choose(value) { preview = value; chosenBy = calibration.version; refused = ""; showThreshold(); draw(); }
$("slider").addEventListener("input", () => { if (state) choose(Number($("slider").value)); });
$("why").addEventListener("input", () => { if (state) showThreshold(); });
$("own").addEventListener("click", () => { choose(calibration.threshold); $("slider").value = preview; });
$("discard").addEventListener("click", () => { preview = null; refused = ""; $("slider").blur(); showThreshold(); draw(); });
$("apply").addEventListener("click", async () => {
  const body = JSON.stringify({ threshold: preview, calibration_version: chosenBy, reason: $("why").value.trim() });
  const answer = await fetch("api/threshold", { method: "POST", headers: { "X-Sranogan": "1" }, body });
  if (!answer.ok) {
    const text = await answer.text();
    let message = text;
    try { message = JSON.parse(text).error; } catch { /* plain text */ }
    refused = `Not applied: ${message}`; // stays until the slider is moved
  }
  if (answer.ok || answer.status === 409) preview = null; // 409: chosen by what is no longer in force
  if (answer.ok) $("why").value = "";
  await refresh();
  showAudit();
  $("slider").focus();
});

new ResizeObserver(() => { if (state) draw(); }).observe($("chart"));

/* results */
let asked = 0;
async function search(older) {
  const turn = ++asked;
  const query = new URLSearchParams({ q: $("q").value, verdict: $("kind").value });
  if (older && before !== null) query.set("before", String(before));
  let answer;
  try { answer = await (await fetch(`api/results?${query}`)).json(); } catch { return; }
  if (turn !== asked) return;
  const rows = answer.results.map(row);
  if (older) $("list").append(...rows); else $("list").replaceChildren(...rows);
  const last = answer.results[answer.results.length - 1];
  $("more").hidden = !answer.more;
  if (last) $("more").dataset.before = String(last.number);
  setText("found", !older && !answer.found ? "Nothing found." : older ? $("found").textContent : `${answer.found} result${answer.found === 1 ? "" : "s"} in memory`);
}
function row(one) {
  const item = element("li"), button = element("button"), what = element("span", "what");
  button.type = "button";
  if (one.picture) {
    const image = element("img");
    image.alt = ""; image.loading = "lazy"; image.src = `api/picture/${one.number}.png`;
    button.append(image);
  } else button.append(element("span", "none"));
  const letters = [...one.file.split("/").pop()], name = element("span", "name"); // cut in the middle: UIDs differ at the end
  name.append(element("span", "head", letters.slice(0, -TAIL).join("")), element("span", "tail", letters.slice(-TAIL).join("")));
  name.title = one.file;
  what.append(name, element("span", `chip ${CLASS[one.verdict] || ""}`, one.verdict), element("span", "sub quiet", [one.score === null ? "" : `score ${number(one.score)}`, clock(one.time), one.modality, one.body_part_examined, one.view_position, one.feed].filter(Boolean).join(" · ")));
  button.append(what);
  button.addEventListener("click", () => detail(one));
  item.append(button);
  return item;
}
function detail(one) {
  setText("detail-title", `Result ${one.number}: ${WORDS[one.verdict] || one.verdict}`);
  $("detail-picture").hidden = !one.picture;
  if (one.picture) $("detail-picture").src = `api/picture/${one.number}.png`;
  const steps = Object.entries(one.milliseconds).map(([stage, ms]) => `${stage} ${number(ms, 1)}`).join(", ");
  $("detail-facts").replaceChildren(fact("Score", number(one.score)), fact("p-value", number(one.p_value, 4)), fact("Threshold", number(one.threshold)),
    fact("Scored", new Date(one.time * 1000).toLocaleString()), fact("Name", one.file, true), fact("Feed", one.feed || "–", true),
    ...FIELDS.filter(([key]) => one[key]).map(([key, name]) => fact(name, one[key])), fact("Milliseconds", steps || "–", true));
  $("detail-reason").hidden = !one.reason;
  setText("detail-reason", one.reason);
  $("detail-link").hidden = !one.result;
  $("detail-link").firstElementChild.href = `results/${one.result}`;
  $("detail").showModal();
}
let typing = 0;
$("q").addEventListener("input", () => { clearTimeout(typing); typing = setTimeout(() => { before = null; search(false); }, 200); });
$("kind").addEventListener("change", () => { before = null; search(false); });
$("search").addEventListener("submit", (event) => event.preventDefault());
$("more").addEventListener("click", () => { before = Number($("more").dataset.before); search(true); });

loop();
listen();
search(false);
