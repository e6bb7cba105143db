// The page "Live".

import { $, element, facts, percent, say, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Moments, enlarge } from "../parts/enlarge.js";
import { Examples } from "../parts/examples.js";
import { Grid } from "../parts/grid.js";
import { takes } from "../photos/bring.js";
import { camera, film, hasCamera, photo } from "../photos/frames.js";
import { Player } from "../photos/player.js";

const SHARPER = 2; // times the network's own size, for people
const LOOK = 1000; // milliseconds between two lines of how fast it is

const frame = $("frame"), large = $("large");
const moments = new Moments($("moments")), examples = new Examples($("examples"), $("find"), $("examples-says"));
const off = new Map(); // layer -> channels
const grown = new Map(); // address -> picture from noise
let layer = facts.first;
let shape = null; // of the maps on screen
let growing = null;

const hint = $("hover").textContent;
const grid = new Grid($("grid"), choose, flip);
const player = new Player(frame, { asks: () => ({ layer, off: allOff(), channel: grid.selected }), answered: show, changed: controls });
const address = () => `${layer}:${grid.selected}`;
const allOff = () => [...off].filter(([, channels]) => channels.size).map(([name, channels]) => `${name}:${[...channels].join(",")}`);

for (const canvas of [frame, large]) {
  canvas.width = SHARPER * facts.size.width;
  canvas.height = SHARPER * facts.size.height;
}
$("easel").style.setProperty("--aspect", facts.size.width / facts.size.height);

function show(maps, answer) {
  if (answer.layer !== layer) return;
  const fresh = !shape || shape.layer !== answer.layer;
  shape = answer;
  grid.off = off.get(layer) ?? new Set();
  grid.show(maps, answer);
  if (fresh) {
    $("grid").setAttribute("aria-valuemax", answer.channels - 1);
    $("channel").max = answer.channels - 1;
    $("layer").textContent = `${answer.layer} · ${answer.channels} channels${facts.layers.find(({ name }) => name === answer.layer).grid}`;
    choose(grid.lively());
  }
  answers(answer);
  one(answer.strongest);
}

// The answers: rows that stay, so that they don't flicker.
function answers({ answers: found, before }) {
  const list = $("answers"), some = allOff().length > 0;
  while (list.children.length < found.length) {
    list.append(element("li", {}, element("span"), element("b"), element("div", {}, element("i"), element("u"))));
  }
  found.forEach(({ label, share, before: was }, place) => {
    const [name, number, bar] = list.children[place].children;
    if (name.textContent !== label) name.textContent = name.title = label;
    number.textContent = percent(share);
    bar.children[0].style.width = `${100 * share}%`;
    bar.children[1].style.left = `${100 * was}%`;
    bar.children[1].hidden = !some;
  });
  if (!found.length) list.replaceChildren(element("li", {}, "This network has no classes to name."));
  $("before").hidden = !some || !found.length;
  if (some && found.length) {
    const same = before === found[0].label;
    $("before").textContent = same ? "The marks: with all channels on." : `With all channels on: ${before}. The marks show that, too.`;
  }
}

// The channel that is chosen, large.
function one(strongest) {
  if (!shape || grid.selected < 0) return;
  enlarge(large, frame, grid.map(grid.selected), shape);
  if (strongest?.channel !== grid.selected) return;
  const isOff = grid.off.has(grid.selected);
  $("value").textContent = isOff ? "It is off." : `Its activation now, at its strongest place: ${strongest.value.toPrecision(3)}`;
  if (!isOff) moments.add(frame, strongest, shape);
}

function choose(channel) {
  if (!shape) return;
  const other = channel !== grid.selected || shape.layer !== $("chosen").dataset.layer;
  grid.selected = channel;
  $("chosen").dataset.layer = shape.layer;
  $("chosen").hidden = false;
  $("channel").value = channel;
  $("chosen-title").textContent = address();
  const isOff = grid.off.has(channel);
  $("switch").checked = isOff;
  $("grid").setAttribute("aria-valuenow", channel);
  $("grid").setAttribute("aria-valuetext", `channel ${channel}${isOff ? ", off" : ""}`);
  if ($("look")) $("look").href = `/m/${facts.model}/${layer}/${channel}`;
  if (other) {
    moments.clear();
    $("traces").replaceChildren();
    $("value").textContent = "";
    growing?.stop();
    picture();
    examples.show(address());
  }
  grid.draw();
  one();
  player.refresh();
}

function flip(channel) {
  const channels = off.get(layer) ?? new Set();
  if (!channels.delete(channel)) channels.add(channel);
  off.set(layer, channels);
  switched();
}

function switched() {
  grid.off = off.get(layer) ?? new Set();
  $("switch").checked = grid.off.has(grid.selected);
  $("grid").setAttribute("aria-valuetext", `channel ${grid.selected}${grid.off.has(grid.selected) ? ", off" : ""}`);
  const all = [...off].flatMap(([name, channels]) => [...channels].map(channel => ({ name, channel })));
  $("off").hidden = !all.length;
  $("off-list").replaceChildren(...all.map(({ name, channel }) => {
    const button = element("button", { "aria-label": `Switch ${name}:${channel} on again` }, `${name}:${channel} ×`);
    button.onclick = () => { off.get(name).delete(channel); switched(); };
    return element("li", {}, button);
  }));
  grid.draw();
  player.refresh();
}

// What a channel looks for: kept for the visit, made on demand.
function picture() {
  const found = grown.get(address());
  $("pictures").replaceChildren(...found ? [element("img", { src: view(found.name), alt: `What ${address()} looks for` })] : []);
  if (found?.gray) $("pictures").append(element("p", { class: "hint" }, `It stayed gray: ${found.gray}.`));
  $("dream").hidden = Boolean(found);
}

async function grow() {
  const what = address(), canvas = element("canvas", { role: "img", "aria-label": `What ${what} looks for, growing` });
  const here = () => what === address();
  const state = element("p", { class: "hint" });
  $("pictures").replaceChildren(canvas, state);
  $("dream").hidden = true;
  $("stop").hidden = $("progress").hidden = false;
  $("progress").value = 0;
  const job = connection.start("live_picture", { at: [what] }, {
    waiting: ({ before: others }) => { state.textContent = `${others} before you`; },
    begun: () => { state.textContent = ""; },
    progress: ({ done, total }) => { $("progress").value = done / total; },
    frame: newest => {
      [canvas.width, canvas.height] = [newest.width, newest.height];
      canvas.getContext("2d").drawImage(newest, 0, 0);
    },
  });
  growing = job;
  const result = await ended(job);
  if (result) grown.set(result.address, result);
  if (growing !== job) return;
  growing = null;
  $("stop").hidden = $("progress").hidden = true;
  if (here() || !result) picture();
}

async function trace(method) {
  const what = address();
  $("traces").replaceChildren(element("p", { class: "hint" }, "Looking…"));
  const result = await ended(connection.start("live_trace", { at: [what], method, off: allOff() }));
  if (what !== address()) return;
  const found = result?.panels ?? [];
  $("traces").replaceChildren(...found.map(({ image, title, note }) => element("figure", {},
    element("img", { src: image, alt: `${title}, of ${result.address}` }), element("figcaption", {}, `${title} (${note})`))));
  if (result?.silent) $("traces").replaceChildren(element("p", { class: "hint" }, "It saw nothing in this frame."));
}

async function watch(opening) {
  $("traces").replaceChildren(); // they were of another frame
  player.close();
  try {
    player.open(await opening);
  } catch (error) {
    const refused = ["NotAllowedError", "NotFoundError", "NotReadableError", "OverconstrainedError"].includes(error.name);
    say(refused ? "There is no camera, or the browser may not use it. A video or a photo works just as well."
      : error.name === "EncodingError" ? "This is no picture that the browser can show." : error.message);
  }
}

function controls() {
  const { isOpen, moves, playing } = player;
  $("drop").hidden = isOpen;
  $("scope").classList.toggle("idle", !isOpen);
  frame.hidden = $("controls").hidden = !isOpen;
  $("pause").hidden = !moves;
  $("pause").textContent = playing ? "Pause" : "Go on";
  $("step").hidden = playing || !moves;
  if (!isOpen) $("rate").textContent = "";
  else if (playing) $("rate").textContent = "Measuring how fast it is…";
}

function file([given]) {
  if (given.type.startsWith("video/")) watch(film(given, facts.size));
  else watch(photo(URL.createObjectURL(given), facts.size));
}

$("camera").onclick = () => watch(camera(facts.size));
if (!hasCamera()) { $("camera").hidden = true; $("no-camera").hidden = false; }
for (const button of document.querySelectorAll("[data-sample]")) button.onclick = () => watch(photo(view(`sample:${button.dataset.sample}`, 1024), facts.size));
takes($("easel"), $("file"), file, ["image/", "video/"]);
$("pause").onclick = () => (player.playing ? player.pause() : player.play());
$("step").onclick = () => player.step();
$("another").onclick = () => { player.close(); $("file").focus(); };
for (const input of document.querySelectorAll("[name=layer]")) input.onchange = () => { layer = input.value; player.refresh(); };
$("grid").onpointermove = event => {
  const channel = grid.at(event);
  $("hover").textContent = channel < 0 ? "" : `Channel ${channel}${grid.off.has(channel) ? ", off" : ""}`;
};
$("grid").onpointerleave = () => { $("hover").textContent = hint; };
$("channel").onchange = () => {
  const channel = Number($("channel").value);
  if (shape && Number.isInteger(channel) && channel >= 0 && channel < shape.channels) choose(channel);
  else $("channel").value = grid.selected;
};
$("switch").onchange = () => flip(grid.selected);
$("all-on").onclick = () => { off.clear(); switched(); };
$("dream").onclick = grow;
$("stop").onclick = () => growing?.stop();
for (const button of document.querySelectorAll("[data-method]")) button.onclick = () => trace(button.dataset.method);
setInterval(() => { if (player.playing && player.rate.text) $("rate").textContent = player.rate.text; }, LOOK);
fetch("/kept").then(answer => answer.json()).then(all => { for (const each of all) if (each.kind === "channel") grown.set(each.address, each); });
