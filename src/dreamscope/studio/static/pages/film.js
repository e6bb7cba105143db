// The page "Film".

import { $, facts, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work, timeLeft } from "../work.js";
import { LayerStrip } from "../parts/layer_strip.js";
import { Timeline } from "../parts/timeline.js";
import { chooses, picture } from "../photos/chooser.js";

const canvas = $("canvas"), reel = $("reel");
const work = new Work({ line: (news, times) => (news.stage === "dreaming" ? timeLeft(news, times) : "Writing the film…") });
const strip = new LayerStrip($("layers"), facts.layers, layer => { Object.assign(line.current, { layer }); dress(line.current); place(line.current); line.draw(); });
const line = new Timeline($("track"), $("scale"), { most: facts.places, chosen: place, changed: much });
let photo = null, previewing = null;
let share = 0, filled = 0; // of the film that is made, and parts of the strip that are drawn

// A colour for each layer, from early to late.
function dress(place) {
  const number = facts.layers.indexOf(place.layer);
  place.color = `hsl(${Math.round(210 - 290 * number / facts.layers.length)} 60% 55%)`;
  place.image = strip.picture(place.layer);
  place.words = `${place.layer}${place.channels ? `, channels ${place.channels}` : ""}, ${fast(place.speed)}`;
  return place;
}

function fast(speed) {
  if (speed === 1) return "standing still";
  const factor = (speed > 1 ? speed : 1 / speed).toFixed(2).replace(/0$/, "");
  return speed > 1 ? `${factor} times nearer each second` : `${factor} times farther each second`;
}

// Shows what holds at a place.
function place(now) {
  $("place-title").textContent = line.places.length > 1 ? `Place ${line.number + 1} of ${line.places.length}` : "The only place";
  $("time").value = now.time;
  $("time").max = line.length;
  $("time").disabled = line.number === 0;
  strip.chosen = now.layer;
  $("channels").value = now.channels;
  $("speed").value = Math.log2(now.speed);
  $("speed-words").textContent = fast(now.speed);
  $("remove").disabled = line.places.length < 2;
  $("add").disabled = line.places.length >= facts.places;
}

// Says how much work it is, and whether the studio takes it.
function much() {
  const seconds = line.length, frames = Math.round(seconds * Number($("fps").value));
  const aspect = photo ? Math.min(photo.width, photo.height) / Math.max(photo.width, photo.height) : 2 / 3;
  const pixels = (frames + ($("loop").checked ? Number($("fps").value) : 0)) * Number($("size").value) ** 2 * aspect;
  const over = pixels / facts.pixels;
  $("much").textContent = over > 1 ? `${frames} frames are too many at this size: make it shorter or smaller.` : `${frames} frames`;
  $("run").disabled = !photo || over > 1;
  $("rotate-words").textContent = $("rotate").value === "0" ? "not at all" : `${Math.abs($("rotate").value)}° a second ${$("rotate").value > 0 ? "to the left" : "to the right"}`;
}

async function put(given) {
  work.stop();
  photo = given;
  $("video").hidden = $("download").hidden = true;
  $("video").removeAttribute("src");
  frame(await picture(view(given.name, 768)));
  clearReel();
  much();
  $("drop").hidden = true;
  $("another").hidden = false;
  previews();
}

// What each block would do with this very photo, as on the page "Dream".
async function previews() {
  previewing?.stop();
  strip.empty();
  previewing = connection.start("previews", { picture: photo.name }, {
    preview: ({ layer, image }) => {
      strip.put(layer, image);
      line.places.forEach(dress);
      line.draw();
    },
  });
  await ended(previewing);
}

function frame(newest) {
  Object.assign(canvas, { width: newest.width, height: newest.height, hidden: false });
  $("easel").style.setProperty("--aspect", newest.width / newest.height);
  canvas.getContext("2d").drawImage(newest, 0, 0);
}

// The film as a strip over the timeline, as far as it is made.
function clearReel() {
  const ratio = window.devicePixelRatio || 1, box = reel.getBoundingClientRect();
  Object.assign(reel, { width: Math.round(box.width * ratio), height: Math.round(box.height * ratio) });
  share = filled = 0;
}

function toReel(newest) {
  const wide = reel.height * newest.width / newest.height, count = Math.max(1, Math.round(reel.width / wide));
  // What is too wide for its part of the strip is cut at both sides.
  const part = Math.min(1, reel.width / count / wide) * newest.width;
  // Of a film that is made fast not every frame is sent: the newest one then stands for those before it.
  for (; filled < count && filled / count <= share; filled++) {
    reel.getContext("2d").drawImage(newest, (newest.width - part) / 2, 0, part, newest.height, filled * reel.width / count, 0, reel.width / count, reel.height);
  }
}

async function run() {
  $("video").hidden = $("download").hidden = true;
  $("video").removeAttribute("src");
  canvas.hidden = false;
  clearReel();
  const result = await work.do("film", {
    picture: photo.name,
    schedule: line.places.map(({ time, layer, channels }) => `${time}s:${layer}${channels ? `:${channels}` : ""}`),
    zoom: line.places.map(({ time, speed }) => `${time}s:${speed}`),
    seconds: line.length,
    fps: Number($("fps").value),
    size: Number($("size").value),
    rotate: Number($("rotate").value),
    preset: $("preset").value,
    loop: $("loop").checked,
  }, {
    frame: newest => { frame(newest); toReel(newest); },
    progress: ({ stage, done, total }) => { if (stage === "dreaming") share = (done - 1) / total; },
  });
  if (!result) return;
  share = result.frames / result.of;
  toReel(canvas);
  $("video").src = `/films/${result.name}`;
  $("easel").style.setProperty("--aspect", result.width / result.height);
  canvas.hidden = true;
  $("video").hidden = false;
  if (!matchMedia("(prefers-reduced-motion: reduce)").matches) $("video").play().catch(() => {});
  $("download").hidden = false;
  $("download").href = `/files/${result.name}`;
  $("download").download = result.title;
  work.say(result.frames < result.of ? `The film so far: ${result.frames} of ${result.of} frames` : "");
}

chooses($("easel"), put, text => work.say(text));
for (const id of ["panel", "whole"]) $(id).onsubmit = event => event.preventDefault();
$("run").onclick = run;
$("add").onclick = () => line.add();
$("remove").onclick = () => line.remove();
$("time").onchange = () => line.move(line.number, Number($("time").value));
$("channels").onchange = () => { line.current.channels = $("channels").value.replace(/\s/g, ""); dress(line.current); line.draw(); };
$("speed").oninput = () => {
  line.current.speed = Number((2 ** $("speed").value).toFixed(3));
  dress(line.current);
  $("speed-words").textContent = fast(line.current.speed);
  line.draw();
};
$("seconds").onchange = () => {
  const seconds = Math.min(facts.longest, Math.max(0.5, Number($("seconds").value) || 5));
  $("seconds").value = seconds;
  line.length = seconds;
  place(line.current);
  much();
};
for (const id of ["fps", "size", "loop"]) $(id).onchange = much;
$("rotate").oninput = much;
$("video").ontimeupdate = () => {
  $("head").hidden = $("video").hidden;
  $("head").style.left = `${Math.min(100, 100 * $("video").currentTime / line.length)}%`;
};
$("another").onclick = () => {
  work.stop();
  previewing?.stop();
  photo = null;
  strip.empty();
  clearReel();
  canvas.hidden = $("video").hidden = $("another").hidden = $("download").hidden = $("head").hidden = true;
  $("video").removeAttribute("src");
  $("drop").hidden = false;
  $("file").focus();
  much();
};

// Something to begin with: from an early layer to a late one.
const early = facts.layers[Math.floor(facts.layers.length / 3)], late = facts.layers[Math.floor(facts.layers.length * 0.7)];
line.places = [{ time: 0, layer: early, channels: "", speed: 1.3 }, { time: 3, layer: late, channels: "", speed: 1.3 }].map(dress);
line.choose(0);
much();
