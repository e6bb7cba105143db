// Moves and zooms the map of map.html.jinja. Labels and names reach the page only as text.
"use strict";
const points = JSON.parse(document.getElementById("points").textContent);
const canvas = document.querySelector("canvas"), pen = canvas.getContext("2d");
const tip = document.getElementById("tip"), find = document.querySelector("#keys input");
const buttons = [...document.querySelectorAll("#keys button")];
const xs = points.map(p => p.x), ys = points.map(p => p.y);
const least = a => a.reduce((m, v) => Math.min(m, v)), most = a => a.reduce((m, v) => Math.max(m, v));
const box = [least(xs), most(xs), least(ys), most(ys)];
let view = null, width = 0, height = 0, only = null, asked = false;
for (const p of points) { p.image = new Image(); p.image.onload = draw; p.image.src = p.src; }

function fit() {
  const room = 40, wide = Math.max(box[1] - box[0], 1e-9), high = Math.max(box[3] - box[2], 1e-9);
  const scale = Math.min((width - 2 * room) / wide, (height - 2 * room) / high);
  view = { scale, base: scale, x: width / 2 - scale * (box[0] + box[1]) / 2,
           y: height / 2 + scale * (box[2] + box[3]) / 2 };
}
function place(p) { return [view.x + view.scale * p.x, view.y - view.scale * p.y]; }
// Few photos are shown larger than many. Photos spread faster than they grow, so that zooming takes crowds apart.
function side() {
  const roomy = Math.max(26, Math.min(72, 0.25 * Math.sqrt(width * height / points.length)));
  return Math.max(roomy, Math.min(128, roomy * Math.pow(view.scale / view.base, 0.45)));
}
function fits(p) {
  if (only !== null && p.label !== only) return false;
  const word = find.value.trim().toLowerCase();
  return !word || (p.label || "").toLowerCase().includes(word) || p.file.toLowerCase().includes(word);
}
function draw() { if (!asked) { asked = true; requestAnimationFrame(paint); } }
function paint() {
  asked = false;
  const ratio = window.devicePixelRatio || 1, now = canvas.getBoundingClientRect();
  if (!now.width || !now.height) return;
  if (now.width !== width || now.height !== height || canvas.width !== Math.round(now.width * ratio)) {
    const whole = view === null || (view.scale === view.base);
    width = now.width; height = now.height;
    canvas.width = Math.round(width * ratio); canvas.height = Math.round(height * ratio);
    if (whole) fit();
  }
  pen.setTransform(ratio, 0, 0, ratio, 0, 0);
  pen.clearRect(0, 0, width, height);
  const s = side();
  for (const inside of [false, true]) for (const p of points) {
    if (fits(p) !== inside) continue;
    const [x, y] = place(p);
    if (x < -s || y < -s || x > width + s || y > height + s) continue;
    pen.globalAlpha = inside ? 1 : 0.12;
    if (p.image.complete && p.image.naturalWidth) pen.drawImage(p.image, x - s / 2, y - s / 2, s, s);
    pen.strokeStyle = p.color; pen.lineWidth = 2;
    pen.strokeRect(x - s / 2, y - s / 2, s, s);
  }
  pen.globalAlpha = 1;
}
function zoom(by, x, y) {
  const scale = Math.min(view.base * 400, Math.max(view.base * 0.5, view.scale * by)), k = scale / view.scale;
  view.x = x - k * (x - view.x); view.y = y - k * (y - view.y); view.scale = scale;
  tip.hidden = true; draw();
}
function move(x, y) { view.x += x; view.y += y; tip.hidden = true; draw(); }
function at(event) { const r = canvas.getBoundingClientRect(); return [event.clientX - r.left, event.clientY - r.top]; }
function point(x, y) {
  const s = side() / 2;
  // The last one drawn lies on top.
  for (let i = points.length - 1; i >= 0; i--) {
    const [px, py] = place(points[i]);
    if (fits(points[i]) && Math.abs(px - x) <= s && Math.abs(py - y) <= s) return points[i];
  }
  return null;
}
function show(p, x, y) {
  tip.hidden = p === null;
  if (p === null) return;
  tip.querySelector("img").src = p.src;
  const lines = [p.file, "label: " + (p.label === null ? "not known" : p.label)];
  if (p.taken !== null) lines.push("taken for: " + p.taken);
  tip.querySelector("span").textContent = lines.join("\n");
  tip.style.left = Math.max(0, Math.min(x + 14, width - tip.offsetWidth - 4)) + "px";
  tip.style.top = Math.max(0, Math.min(y + 14, height - tip.offsetHeight - 4)) + "px";
}
const down = new Map();
canvas.addEventListener("wheel", e => {
  e.preventDefault();
  zoom(Math.exp(-e.deltaY * (e.deltaMode ? 0.05 : 0.0015)), ...at(e));
}, { passive: false });
canvas.addEventListener("pointerdown", e => { down.set(e.pointerId, at(e)); canvas.setPointerCapture(e.pointerId); });
canvas.addEventListener("pointermove", e => {
  const [x, y] = at(e), before = down.get(e.pointerId);
  if (!before) return show(point(x, y), x, y);
  if (down.size === 2) {
    const [other] = [...down].filter(([id]) => id !== e.pointerId).map(([, place]) => place);
    const far = Math.hypot(before[0] - other[0], before[1] - other[1]);
    if (far > 0) zoom(Math.hypot(x - other[0], y - other[1]) / far, (x + other[0]) / 2, (y + other[1]) / 2);
  } else move(x - before[0], y - before[1]);
  down.set(e.pointerId, [x, y]);
});
for (const kind of ["pointerup", "pointercancel"]) canvas.addEventListener(kind, e => down.delete(e.pointerId));
canvas.addEventListener("pointerleave", () => { tip.hidden = true; });
canvas.addEventListener("dblclick", () => { fit(); draw(); });
canvas.addEventListener("keydown", e => {
  const steps = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] };
  if (steps[e.key]) move(...steps[e.key]);
  else if (e.key === "+" || e.key === "=") zoom(1.3, width / 2, height / 2);
  else if (e.key === "-") zoom(1 / 1.3, width / 2, height / 2);
  else if (e.key === "0") { fit(); draw(); }
  else return;
  e.preventDefault();
});
for (const button of buttons) button.addEventListener("click", () => {
  only = only === button.dataset.label ? null : button.dataset.label;
  for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.label === only));
  draw();
});
find.addEventListener("input", draw);
window.addEventListener("resize", draw);
draw();
