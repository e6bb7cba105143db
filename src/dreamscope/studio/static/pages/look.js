// The page "Look": layers, their channels, and one channel in real photos and from noise.

import { $, element, facts, percent, plural, say } from "../common.js";
import { connection, ended } from "../connection.js";
import { LayerList } from "../parts/layer_list.js";
import { Patches } from "../parts/patches.js";
import { address, lead, link, read } from "../parts/places.js";
import { gather, takesMany } from "../photos/gather.js";

const PAGE = 60; // channels that are shown before one asks for more
const TOGETHER = { noise: 12, photos: 60 }; // tiles of one job
const SIDE = 640; // pixels of a photo's longer side: a patch is cut from it
const ENOUGH = 20; // photos, of which patches say more than pictures from noise

const layers = new Map(facts.layers.map(layer => [layer.name, layer]));
const canvas = $("canvas");
const list = new LayerList($("layers"), $("search"), $("none")), patches = new Patches($("patches"), $("whole"));
let here = { ...facts.at }; // { layer, channel }
let showing = "noise";
let chosen = false; // whether a person chose what tiles show
let photos = { own: 0, shared: 0, samples: 0 };
let jobs = []; // what is under way for what is on screen
let filling = Promise.resolve(); // tiles are filled one part after the other
let visit = 0; // counts what was opened, so that what comes late is known


function go(place, { push = true } = {}) {
  if (push) {
    history.pushState(null, "", address(place));
    scrollTo(0, 0);
  }
  const from = here;
  here = place;
  $("wrong")?.remove();
  open();
  if (document.activeElement !== document.body && document.activeElement.checkVisibility()) return;
  // What was followed is no longer there: back to its tile, or to where the new begins.
  const tile = from.layer === here.layer && $("channels").querySelector(`[data-channel="${from.channel}"]`);
  (here.channel == null && tile || $("title")).focus({ preventScroll: !tile });
}

function start(what, values, hears = {}) {
  const job = connection.start(what, values, hears);
  jobs.push(job);
  return job;
}

function leave() {
  jobs.forEach(job => job.stop());
  jobs = [];
  visit += 1;
  $("state").textContent = "";
}

// Opens what the address names.
function open() {
  leave();
  const { layer: name, channel } = here;
  const layer = layers.get(name);
  list.mark(name);
  const alone = channel != null;
  $("grid-part").hidden = alone;
  $("channel-part").hidden = $("steps").hidden = !alone;
  $("title").textContent = alone ? `${name}:${channel}` : name;
  document.title = `${$("title").textContent} · dreamscope`;
  const grid = layer.grid.length === 2 ? `, each a map of ${layer.grid.join(" × ")} places` : "";
  $("about").textContent = alone
    ? `Channel ${channel} of ${layer.channels}, counted from 0`
    : `${layer.type} · ${plural(layer.channels, "channel")}${grid}`;
  if (alone) single(layer); else tiles(layer);
}

// A layer: tiles of its channels.
function tiles({ name, channels }) {
  for (const button of document.querySelectorAll("[data-show]")) button.setAttribute("aria-pressed", button.dataset.show === showing);
  $("channels").replaceChildren();
  const more = () => {
    const first = $("channels").childElementCount, asked = document.activeElement === $("more");
    const last = Math.min(first + PAGE, channels);
    for (let channel = first; channel < last; channel++) {
      $("channels").append(element("li", {}, link({ layer: name, channel }, { "data-channel": channel }, element("i"), element("small", {}, channel))));
    }
    if (asked) $("channels").children[first].firstElementChild.focus();
    $("more").hidden = last === channels;
    $("more").textContent = `Show ${Math.min(PAGE, channels - last)} more of ${channels}`;
    const mine = visit;
    filling = filling.then(() => fill(name, first, last, mine));
  };
  $("more").onclick = more;
  more();
}

// Fills tiles from `first` on, some at a time, until all are there or one looks elsewhere.
async function fill(name, first, last, mine) {
  const together = TOGETHER[showing];
  for (let begin = first; begin < last && mine === visit; begin += together) {
    const at = `${name}:${begin}-${Math.min(begin + together, last) - 1}`;
    const result = await ended(start("look_tiles", { at, show: showing }, {
      waiting: ({ before }) => state(`${before} before you`),
      begun: () => state(showing === "noise" ? "Drawing…" : "Looking through the photos…"),
      progress: ({ done, total }) => state(`Looking through the photos: ${done} of ${total}`),
      tiles: ({ tiles: made }) => { if (mine === visit) Object.entries(made).forEach(([channel, image]) => put(name, channel, image)); },
    }));
    if (mine === visit && !result) break;
  }
  if (mine === visit) state("");
}

function put(name, channel, image) {
  const place = $("channels").querySelector(`[data-channel="${channel}"]`)?.firstElementChild;
  const said = showing === "noise" ? `What channel ${channel} asks for` : `What excites channel ${channel}`;
  place?.replaceWith(image ? element("img", { src: image, alt: said }) : element("em", {}, "silent"));
}

const state = text => { $("state").textContent = text; };

// One channel.
async function single({ name, channels }) {
  const mine = visit;
  const { channel } = here;
  for (const [id, next] of [["previous", channel - 1], ["next", channel + 1]]) {
    $(id).hidden = next < 0 || next >= channels;
    lead($(id), { layer: name, channel: next });
  }
  lead($("all"), { layer: name, channel: null });
  patches.clear();
  $("real-says").textContent = $("noise-says").textContent = "…";
  $("weights-part").hidden = $("whole-part").hidden = $("download").hidden = true;
  $("finer").hidden = true;
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  const at = `${name}:${channel}`;
  const known = await ended(start("look_known", { at }));
  if (mine !== visit || !known) return;
  weights(known.weights);
  if (known.exemplars) real(known);
  else look(at, mine);
  if (known.picture) picture(known.picture);
  else make(at, "quick", mine);
}

async function look(at, mine) {
  const found = await ended(start("look_exemplars", { at }, {
    waiting: ({ before }) => { $("real-says").textContent = `${before} before you`; },
    progress: ({ done, total }) => { $("real-says").textContent = `Looking through the photos: ${done} of ${total}`; },
  }));
  if (mine === visit && found) real(found);
}

function real({ exemplars: found, count }) {
  $("real-says").textContent = found.length
    ? `The parts of ${plural(count, "photo")} that excite it most, the strongest first, and how much.`
    : `None of ${plural(count, "photo")} excites it. Bring others.`;
  $("whole-part").hidden = !found.some(each => each.patch);
  patches.show(found);
}

async function make(at, care, mine) {
  const job = start("look_picture", { at, care }, {
    waiting: ({ before }) => { $("noise-says").textContent = `${before} before you`; },
    begun: () => { $("noise-says").textContent = "It grows from noise, step by step."; },
    progress: ({ done, total }) => { $("progress").value = done / total; },
    frame: newest => { if (mine === visit) draw(newest); },
  });
  $("stop").onclick = job.stop;
  $("stop").hidden = $("progress").hidden = false;
  $("finer").hidden = $("download").hidden = true;
  $("progress").value = 0;
  const made = await ended(job);
  if (mine !== visit) return;
  $("stop").hidden = $("progress").hidden = true;
  if (!made) { $("noise-says").textContent = "Nothing was made."; $("finer").hidden = false; return; }
  picture(made, care);
}

async function picture(made, care = "quick") {
  const mine = visit;
  $("stop").hidden = $("progress").hidden = true;
  $("finer").hidden = care === "fine";
  $("download").hidden = false;
  $("download").href = `/files/${made.name}`;
  $("download").download = made.title;
  const [first] = made.answers;
  $("noise-says").textContent = made.gray || (first
    ? `What it asks for. The network takes it for: ${made.answers.map(([label, share]) => `${label} ${percent(share)}`).join(", ")}.`
    : "What it asks for.");
  const image = new Image();
  image.src = made.image;
  await image.decode();
  if (mine === visit) draw(image);
}

function draw(image) {
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
}

function weights(found) {
  $("weights-part").hidden = !found;
  if (!found) return;
  const most = Math.max(...[...found.for, ...found.against].map(([, weight]) => Math.abs(weight)), 1e-9);
  for (const id of ["for", "against"]) {
    $(id).replaceChildren(...found[id].map(([label, weight]) => {
      const bar = element("i");
      bar.style.width = `${100 * Math.abs(weight) / most}%`;
      return element("li", {}, element("span", {}, label), element("output", {}, weight.toFixed(2)), element("div", { class: weight < 0 ? "minus" : "plus" }, bar));
    }));
  }
}

// The photos that are looked in.
async function tell(values = {}) {
  const told = await ended(connection.start("look_photos", values));
  if (!told) return;
  photos = told;
  const { own, shared, samples } = told;
  $("source-says").textContent = own
    ? `Patches come from ${plural(own, "photo")} of yours.`
    : shared
      ? `Patches come from ${plural(shared, "photo")} of this studio.`
      : `Patches come from ${plural(samples, "sample photo")}. Drop photos or a folder here: the more, the better.`;
  $("forget").hidden = !own;
  if (!chosen) showing = (own || shared) >= ENOUGH ? "photos" : "noise";
}

async function bringPhotos(files) {
  const room = photos.most - photos.own;
  if (files.length > room) say(`${photos.most} photos are enough; the first ${room} are taken.`);
  const sent = files.slice(0, room);
  if (!sent.length) return;
  $("sending").hidden = false;
  $("sending").value = 0;
  const names = (await gather(sent, SIDE, done => { $("sending").value = done / sent.length; })).map(photo => photo.name);
  $("sending").hidden = true;
  if (!names.length) return;
  await tell({ add: names });
  open();
}

takesMany($("shelf"), [$("files"), $("folder")], bringPhotos);
$("forget").onclick = async () => { await tell({ forget: true }); open(); };
$("finer").onclick = () => make(`${here.layer}:${here.channel}`, "fine", visit);
for (const button of document.querySelectorAll("[data-show]")) {
  button.onclick = () => { showing = button.dataset.show; chosen = true; open(); };
}
document.addEventListener("click", event => {
  const anchor = event.target.closest("a");
  if (!anchor?.place || event.ctrlKey || event.metaKey || event.shiftKey || event.button) return;
  event.preventDefault();
  go(anchor.place);
});
addEventListener("popstate", () => {
  const place = read(location.pathname);
  go(layers.has(place.layer) ? place : { layer: facts.default, channel: null }, { push: false });
});
// One channel after the other with the arrow keys.
document.addEventListener("keydown", event => {
  const anchor = { ArrowLeft: $("previous"), ArrowRight: $("next") }[event.key];
  const typing = event.target.matches("input, select, textarea") || event.altKey || event.ctrlKey || event.metaKey;
  if (anchor && !typing && here.channel != null && !anchor.hidden) { event.preventDefault(); go(anchor.place); }
});
// From tile to tile with all four.
$("channels").addEventListener("keydown", event => {
  const tiles = [...$("channels").querySelectorAll("a")], lower = tiles.findIndex(tile => tile.offsetTop > tiles[0].offsetTop);
  const across = lower < 0 ? tiles.length : lower;
  const next = tiles[tiles.indexOf(event.target) + { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -across, ArrowDown: across }[event.key]];
  if (!next || event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  next.focus();
});
// What comes into sight is shown; but who goes through the tiles with the keyboard would never reach their end.
new IntersectionObserver(([seen]) => { if (seen.isIntersecting && !$("more").hidden && !$("channels").contains(document.activeElement)) $("more").click(); }, { rootMargin: "100px" }).observe($("more"));

if (matchMedia("(max-width: 60rem)").matches) $("layers-part").open = false;
here.layer ??= facts.default;
tell().then(open);
