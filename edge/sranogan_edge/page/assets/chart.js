"use strict";
/* the scores as a chart; page.js has the state, and what is previewed */
const BOLD = "600 12px system-ui, sans-serif";

function range() {
  const seen = state.history.filter((one) => one[1] !== null && one[2] !== "out of domain").map((one) => one[1]);
  const scores = [...seen, ...calibration.scores]; // what is out of domain would squeeze all the rest
  if (state.threshold !== null) scores.push(state.threshold);
  if (preview !== null) scores.push(preview);
  const low = Math.min(...scores), high = Math.max(...scores), margin = Math.max(0.2, (high - low) * 0.06);
  return [low - margin, high + margin];
}

function draw() {
  const canvas = $("chart"), box = canvas.getBoundingClientRect(), scale = window.devicePixelRatio || 1;
  if (!box.width || !state || !calibration) return;
  canvas.width = Math.round(box.width * scale); canvas.height = Math.round(box.height * scale);
  const g = canvas.getContext("2d"), style = getComputedStyle(document.documentElement), colour = (name) => style.getPropertyValue(`--${name}`).trim();
  g.scale(scale, scale);
  g.font = BOLD;
  const left = 52, right = box.width - g.measureText("threshold").width - 8, top = 8, bottom = box.height - 38, [low, high] = range();
  const y = (score) => bottom - (score - low) / (high - low) * (bottom - top);
  const points = state.history, x = (index) => points.length < 2 ? (left + right) / 2 : left + 5 + index / (points.length - 1) * (right - left - 10);
  g.font = "12px system-ui, sans-serif"; g.fillStyle = colour("soft"); g.strokeStyle = colour("line"); g.lineWidth = 1;
  const step = [0.5, 1, 2, 5, 10, 20, 50, 100, 1000].find((s) => (high - low) / s <= 6) || (high - low) / 5;
  g.textAlign = "right"; g.textBaseline = "middle";
  for (let tick = Math.ceil(low / step) * step; tick <= high; tick += step) {
    g.beginPath(); g.moveTo(left, y(tick)); g.lineTo(right, y(tick)); g.stroke();
    g.fillText(String(Math.round(tick * 10) / 10), left - 6, y(tick));
  }
  g.textAlign = "center";
  g.fillText(`result number${points.some((one) => one[1] > high) ? "   (▲ above the scale)" : ""}`, (left + right) / 2, bottom + 29);
  g.save(); g.translate(11, (top + bottom) / 2); g.rotate(-Math.PI / 2); g.fillText("score (SD of normals)", 0, 0); g.restore();
  if (points.length) {
    g.textAlign = "left"; g.fillText(`#${points[0][0]}`, left, bottom + 14);
    g.textAlign = "right"; g.fillText(`#${points[points.length - 1][0]}`, right, bottom + 14);
  }
  points.forEach(([, score, verdict], index) => {
    if (score === null) return;
    const px = x(index), beyond = score > high, py = beyond ? top + 6 : Math.min(y(score), bottom);
    g.fillStyle = colour(`dot-${CLASS[verdict] || "normal"}`);
    g.beginPath();
    if (beyond) { g.moveTo(px, py - 6); g.lineTo(px + 5, py + 4); g.lineTo(px - 5, py + 4); }
    else if (verdict === "anomalous") { g.moveTo(px, py - 5); g.lineTo(px + 5, py); g.lineTo(px, py + 5); g.lineTo(px - 5, py); }
    else if (verdict === "out of domain") g.rect(px - 3.5, py - 3.5, 7, 7);
    else g.arc(px, py, 3, 0, 7);
    g.fill();
  });
  const lines = [[state.threshold, colour("anomalous"), [], preview === null ? "threshold" : "now"], [preview, colour("accent"), [7, 4], "preview"]];
  thresholds(g, y, lines.filter(([value]) => value !== null), left, right, top, bottom);
  const judged = points.filter((one) => one[1] !== null).length, flagged = points.filter((one) => one[2] === "anomalous").length;
  canvas.setAttribute("aria-label", `Scores of the last ${judged} images: ${flagged} anomalous; threshold ${number(state.threshold)}`);
}

function thresholds(g, y, lines, left, right, top, bottom) { // labels stand beside the chart, in two rows each, and move apart
  const high = 34, sorted = [...lines].sort(([one], [two]) => two - one);
  const places = sorted.map(([value]) => Math.min(Math.max(y(value), top + high / 2), bottom - high / 2));
  if (places.length === 2 && places[1] - places[0] < high) {
    const middle = Math.min(Math.max((places[0] + places[1]) / 2, top + high), bottom - high);
    places.splice(0, 2, middle - high / 2, middle + high / 2);
  }
  g.save(); g.textAlign = "left"; g.textBaseline = "middle"; g.font = BOLD; g.lineWidth = 2;
  sorted.forEach(([value, colour, dashes, name], index) => {
    g.strokeStyle = g.fillStyle = colour; g.setLineDash(dashes);
    g.beginPath(); g.moveTo(left, y(value)); g.lineTo(right, y(value)); g.stroke();
    g.fillText(name, right + 6, places[index] - 7); g.fillText(number(value), right + 6, places[index] + 7);
  });
  g.restore();
}
