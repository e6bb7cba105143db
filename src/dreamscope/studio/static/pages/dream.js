// The page "Dream".

import { $, element, facts, say, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work } from "../work.js";
import { Paint } from "../parts/paint.js";
import { bring } from "../photos/bring.js";
import { chooses, picture } from "../photos/chooser.js";

const canvas = $("canvas"), compare = $("compare"), paint = new Paint($("paint")), work = new Work();
const chosen = new Map(); // layer -> weight
let photo = null; // { name, width, height } of what is dreamt on
let shown = null; // the newest frame, and the photo below it
let before = null;
let made = null; // the dream that is on screen
let previewing = null;

// The picture on the easel: the dream to the left of the slider, the photo to the right.
function draw() {
  const pen = canvas.getContext("2d");
  const { width, height } = canvas;
  if (before) pen.drawImage(before, 0, 0, width, height);
  if (!shown) return;
  const edge = compare.value / 100 * width;
  pen.save();
  pen.beginPath();
  pen.rect(0, 0, edge, height);
  pen.clip();
  pen.imageSmoothingQuality = "high";
  pen.drawImage(shown, 0, 0, width, height);
  pen.restore();
  if (edge > 0 && edge < width) {
    pen.fillStyle = "#fff";
    pen.fillRect(edge - 1, 0, 2, height);
  }
}

function measure(width, height) {
  canvas.width = width;
  canvas.height = height;
  // As large as there is room, whatever the picture's own size.
  $("easel").style.setProperty("--aspect", width / height);
}

async function put(given) {
  work.stop();
  photo = given;
  made = null;
  shown = null;
  const side = Number($("size").value);
  const scale = side / Math.max(given.width, given.height);
  measure(Math.round(given.width * scale), Math.round(given.height * scale));
  before = await picture(view(given.name, side));
  paint.clear(canvas.width, canvas.height);
  $("drop").hidden = true;
  canvas.hidden = false;
  compare.hidden = true;
  $("made").hidden = $("shown").hidden = true;
  $("bar").hidden = false;
  brushes();
  draw();
}

function brushes() {
  $("brushes").hidden = !$("masking").checked;
  $("paint").hidden = !$("masking").checked || !photo;
}

async function begin(given) {
  await put(given);
  await run();
  previews();
}

async function taken(brought) {
  if (brought.settings?.technique !== "dream") { await begin(brought); return; }
  restore(brought.settings);
  await put(brought);
  say("This picture is a dream: its settings are back.");
  previews();
}

// What the controls say.
async function wanted() {
  const number = id => ($(id).value === "" ? undefined : Number($(id).value));
  const label = $("class").value.trim();
  const layers = [...chosen].filter(([, weight]) => weight > 0);
  let mask;
  if ($("masking").checked && paint.touched) mask = (await bring(await paint.file()))?.name;
  return {
    picture: photo.name,
    at: label ? [] : layers.map(([layer, weight]) => (layers.length > 1 ? `${weight}*${layer}` : layer)),
    class_name: label ? [label] : [],
    preset: label ? undefined : $("preset").value,
    size: number("size"), seed: number("seed"), steps: number("steps"), octaves: number("octaves"),
    keep_color: $("keep_color").checked,
    mask,
  };
}

async function run() {
  work.stop();
  compare.hidden = true;
  compare.value = 100;
  $("made").hidden = $("shown").hidden = true;
  const result = await work.do("dream", await wanted(), { frame: newest => { shown = newest; draw(); } });
  if (result) await finished(result);
}

async function finished(result) {
  made = result;
  [before, shown] = await Promise.all([picture(view(result.original, 1024)), picture(view(result.name, 1024))]);
  measure(shown.width, shown.height);
  compare.hidden = false;
  compare.value = 100;
  draw();
  $("download").href = `/files/${result.name}`;
  $("download").download = result.title;
  $("made").hidden = false;
  remember(result);
}

// Previews of what each block would do, filled in while one looks.
async function previews() {
  previewing?.stop();
  $("previews-hint").hidden = true;
  for (const button of $("previews").querySelectorAll("button")) button.querySelector("img, i").replaceWith(element("i"));
  const job = connection.start("previews", { picture: photo.name }, {
    preview: ({ layer, image }) => {
      const button = $("previews").querySelector(`[data-layer="${CSS.escape(layer)}"]`);
      button.querySelector("img, i").replaceWith(element("img", { src: image, alt: `What ${layer} would make of it` }));
    },
  });
  previewing = job;
  await ended(job);
}

function choices() {
  $("previews").replaceChildren(...facts.layers.map(layer => {
    const button = element("button", { type: "button", "data-layer": layer, "aria-pressed": "false" }, element("i"), element("span", {}, layer));
    button.onclick = event => choose(layer, event.shiftKey || event.ctrlKey || event.metaKey);
    return element("li", {}, button);
  }));
}

function choose(layer, several) {
  if (chosen.has(layer)) chosen.delete(layer);
  else {
    if (!several && !$("several")?.checked) chosen.clear();
    chosen.set(layer, 1);
  }
  $("class").value = "";
  weights();
  if (photo) run();
}

function weights() {
  for (const button of $("previews").querySelectorAll("button")) button.setAttribute("aria-pressed", chosen.has(button.dataset.layer));
  const several = element("label", { class: "tick" }, element("input", { type: "checkbox", id: "several", checked: $("several")?.checked }), "Mix several blocks");
  const rows = chosen.size < 2 ? [] : [...chosen].map(([layer, weight]) => {
    const said = element("output", {}, weight);
    const slider = element("input", { type: "range", min: 0, max: 3, step: 0.1, value: weight });
    slider.oninput = () => { chosen.set(layer, Number(slider.value)); said.textContent = slider.value; };
    slider.onchange = () => { if (photo) run(); };
    return element("label", {}, layer, slider, said);
  });
  $("weights").replaceChildren(several, ...rows);
}

// Puts the controls where a dream's settings have them.
function restore(settings) {
  chosen.clear();
  for (const text of settings.at ?? []) {
    const [, weight, layer] = /^(?:([\d.]+)\*)?(.+)$/.exec(text);
    chosen.set(layer, Number(weight ?? 1));
  }
  const classes = settings.class_name ?? [];
  $("class").value = classes.length ? facts.labels[classes[0]] ?? classes[0] : "";
  if (classes.length) chosen.clear();
  if (facts.presets.includes(settings.preset)) $("preset").value = settings.preset;
  const side = typeof settings.size === "string" ? Math.max(...settings.size.split("x").map(Number)) : settings.size;
  if (side && ![...$("size").options].some(option => Number(option.value) === side)) $("size").append(element("option", { value: side }, `${side} px`));
  if (side) $("size").value = side;
  for (const id of ["seed", "steps", "octaves"]) $(id).value = settings[id] ?? (id === "seed" ? 0 : "");
  $("keep_color").checked = Boolean(settings.keep_color);
  weights();
}

// The history of the visit, the newest first.
function remember(dream) {
  const button = element("button", { type: "button" },
    element("img", { src: view(dream.name, 320), alt: "", loading: "lazy" }),
    element("small", {}, (dream.settings.class_name[0] ?? dream.settings.at.join(" + ")) || facts.default));
  button.setAttribute("aria-label", `Go back to the dream of ${button.textContent}`);
  button.onclick = async () => {
    work.stop();
    restore({ ...dream.settings });
    const given = { name: dream.picture, width: dream.width, height: dream.height };
    await put(given);
    await finished({ ...dream, again: true });
  };
  if (dream.again) return;
  $("history").prepend(element("li", {}, button));
  $("history-part").hidden = false;
}

async function more(what, said, show) {
  work.say(said);
  const result = await ended(connection.start(what, { dream: made.name }, {
    waiting: ({ before: others }) => work.say(`${others} before you`),
    progress: ({ done, total }) => work.say(`${said} ${Math.round(100 * done / total)}%`),
  }));
  work.say("");
  if (!result) return;
  $("shown").replaceChildren(show(result), element("p", { class: "bar" }, element("a", { class: "button", href: `/files/${result.name}`, download: result.title }, "Download")));
  $("shown").hidden = false;
  $("shown").scrollIntoView({ block: "nearest" });
}

choices();
if (facts.layers.includes(facts.default)) chosen.set(facts.default, 1);
weights();
chooses($("easel"), taken, text => work.say(text));
$("run").onclick = run;
$("panel").onsubmit = event => event.preventDefault();
$("class").onchange = () => { if ($("class").value) { chosen.clear(); weights(); } if (photo) run(); };
for (const id of ["preset", "size", "seed", "steps", "octaves", "keep_color"]) $(id).onchange = () => { if (photo) run(); };
compare.oninput = draw;
$("masking").onchange = brushes;
$("brush").oninput = () => { paint.brush = Number($("brush").value); };
$("unpaint").onclick = () => paint.clear();
$("another").onclick = () => { work.stop(); photo = null; canvas.hidden = compare.hidden = true; $("made").hidden = $("shown").hidden = true; $("bar").hidden = true; $("drop").hidden = false; brushes(); $("file").focus(); };
$("deeper").onclick = async () => { await put({ name: made.name, width: made.width, height: made.height }); await run(); };
$("difference").onclick = () => more("difference", "Comparing…", result => element("img", { src: view(result.name), alt: "Where the dream changed the photo: bright where it changed most" }));
$("film").onclick = () => more("dream_film", "Filming…", result => element("video", { src: `/films/${result.name}`, controls: true, autoplay: !matchMedia("(prefers-reduced-motion: reduce)").matches, loop: true, "aria-label": "The dream as it grew" }));

fetch("/kept").then(answer => answer.json()).then(all => all.filter(each => each.kind === "dream").forEach(remember));
