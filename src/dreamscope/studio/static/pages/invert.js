// The page "Invert".

import { $, facts, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work } from "../work.js";
import { Compare } from "../parts/compare.js";
import { LayerStrip } from "../parts/layer_strip.js";
import { chooses, picture } from "../photos/chooser.js";

const work = new Work(), compare = new Compare($("canvas"), $("compare"));
const strip = new LayerStrip($("layers"), facts.layers, show);
let photo = null, asked = null;

// The error is that of the layer's own numbers; what it means for a person who looks:
const alike = error => `${Math.max(0, Math.round(100 * (1 - error)))}% alike`;

function sentence(layer, error) {
  const how = error < 0.02 ? "hardly tells this picture from the photo"
    : error < 0.1 ? "takes this picture for nearly the same as the photo"
      : error < 0.3 ? "takes this picture for roughly the same as the photo"
        : "still tells this picture from the photo";
  const more = error < 0.1 ? "What looks different to you, it does not keep." : "More steps bring it nearer.";
  return `${layer} ${how}: what it puts out is ${alike(error)}. ${more}`;
}

async function put(given) {
  work.stop();
  photo = given;
  $("drop").hidden = true;
  $("another").hidden = false;
  $("run").disabled = true;
  $("download").hidden = true;
  strip.chosen = null;
  $("words").textContent = "";
  compare.show(await picture(view(given.name, 768)));
  await fill();
}

// One after the other, so that others can have their turn in between, and a layer that is chosen comes first.
async function fill() {
  const mine = photo;
  asked?.stop();
  strip.empty();
  for (const layer of facts.layers) {
    asked = connection.start("invert_small", { picture: mine.name, at: [layer] });
    const found = await ended(asked);
    if (photo !== mine) return;
    if (found) strip.put(layer, found.image, alike(found.error));
  }
}

async function show(layer) {
  if (!photo) return;
  strip.chosen = layer;
  $("download").hidden = true;
  $("words").textContent = "";
  const result = await work.do("invert", { picture: photo.name, at: [layer], steps: Number($("steps").value) }, { frame: newest => compare.frame(newest) });
  if (result === undefined) return;
  $("run").disabled = false;
  if (!result) return;
  compare.show(...await Promise.all([picture(view(result.original)), picture(view(result.name))]));
  $("words").textContent = sentence(layer, result.error);
  $("download").hidden = false;
  $("download").href = `/files/${result.name}`;
  $("download").download = result.title;
}

chooses($("easel"), put, text => work.say(text));
$("run").onclick = () => show(strip.chosen);
$("another").onclick = () => {
  work.stop();
  asked?.stop();
  photo = null;
  strip.empty();
  strip.chosen = null;
  $("words").textContent = "";
  $("canvas").hidden = $("compare").hidden = $("another").hidden = $("download").hidden = $("run").disabled = true;
  $("drop").hidden = false;
  $("file").focus();
};
