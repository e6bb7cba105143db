// The page "Map".

import { $, element, facts, say } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work } from "../work.js";
import { gather, takesMany } from "../photos/gather.js";
import { PhotoMap } from "/shared/map.js";

const SIDE = 320; // pixels: the network looks at no more
const STAGES = { photos: "Looking at the photos…", tsne: "Laying them out…", pca: "Laying them out…" };
const work = new Work({ line: ({ stage }) => STAGES[stage] ?? "" }), map = new PhotoMap($("map"), $("keys"), show);
let photos = [];

async function add(found) {
  const room = facts.most - photos.length;
  if (found.length > room) say(`A map holds ${facts.most} photos; ${found.length - room} are left out.`);
  const kept = found.slice(0, Math.max(0, room));
  if (!kept.length) return;
  $("progress").hidden = false;
  const arrived = await gather(kept, SIDE, done => {
    $("progress").value = done / kept.length;
    work.say(`Sending ${done} of ${kept.length}…`);
  });
  photos.push(...arrived);
  $("progress").hidden = true;
  work.say("");
  $("run").disabled = photos.length < 4;
  if (photos.length < 4) {
    say(`A map takes 4 photos or more; there ${photos.length === 1 ? "is" : "are"} ${photos.length} so far.`);
    return;
  }
  await run();
}

async function run() {
  // A label that all have in common, or nobody has, tells nothing.
  const folders = new Set(photos.map(({ folder }) => folder));
  const found = await work.do("map", {
    pictures: photos.map(({ name }) => name),
    labels: folders.size > 1 ? photos.map(({ folder }) => folder.slice(0, 80)) : [],
    at: $("layer").value ? [$("layer").value] : [],
    method: $("method").value,
  });
  if (!found) return;
  $("easel").hidden = true;
  $("atlas").hidden = false;
  $("agreement").textContent = found.agreement;
  $("chosen-title").textContent = "No photo chosen yet";
  $("chosen").replaceChildren(element("p", { class: "hint" }, "Choose a photo: here it is shown large, with those in which the network sees most nearly the same."));
  map.show(found);
}

// A photo large, and its neighbours, each a way to go on.
function show(point) {
  $("chosen-title").textContent = point.file;
  const lines = [point.label && `in ${point.label}`, point.taken && `taken for ${point.taken}`].filter(Boolean).join(", ");
  const near = point.near.map(number => {
    const other = map.point(number);
    const button = element("button", { type: "button" }, element("img", { src: other.large, alt: "" }), element("small", {}, other.label ?? other.answer ?? other.file));
    button.setAttribute("aria-label", `Fly to ${other.file}`);
    button.onclick = () => map.fly(other);
    return element("li", {}, button);
  });
  $("chosen").replaceChildren(
    element("img", { src: point.large, alt: `The photo ${point.file}` }),
    element("p", { class: "hint" }, lines),
    element("h3", {}, "Nearest to it, as the network sees it"),
    element("ol", {}, ...near),
  );
}

async function download(as) {
  const kept = await ended(connection.start("map_download", { as, by: map.by }));
  if (kept) element("a", { href: `/files/${kept.name}`, download: kept.title }).click();
}

takesMany($("main"), [$("file"), $("folder")], add, $("easel"));
$("run").onclick = run;
for (const id of ["layer", "method"]) $(id).onchange = () => { if (photos.length >= 4) run(); };
$("page").onclick = () => download("page");
$("png").onclick = () => download("picture");
$("more").onclick = () => $("file").click();
$("another").onclick = () => {
  work.stop();
  photos = [];
  $("atlas").hidden = $("run").disabled = true;
  $("easel").hidden = false;
  $("file").focus();
};
