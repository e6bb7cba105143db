// The page "Fool".

import { $, element, percent, say, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work } from "../work.js";
import { chooses, picture } from "../photos/chooser.js";

const work = new Work();
let photo = null;

// The likeliest classes as bars; `wanted` is the one that it shall be taken for.
function answers(list, found, wanted = null) {
  list.replaceChildren(...found.slice(0, 4).map(({ label, probability }) => {
    const bar = element("i");
    bar.style.width = percent(probability);
    return element("li", { class: label === wanted ? "wanted" : null }, element("span", {}, label), element("output", {}, percent(probability)), bar);
  }));
}

async function put(given) {
  work.stop();
  photo = given;
  $("photo").src = view(given.name, 768);
  $("easel").hidden = true;
  $("trio").hidden = $("another").hidden = false;
  $("trio").style.setProperty("--aspect", given.width / given.height);
  empty();
  $("before").replaceChildren();
  $("run").disabled = false;
  const found = await ended(connection.start("answers", { picture: given.name }));
  if (!found || photo !== given) return;
  answers($("before"), found.answers);
  if (given.settings?.technique === "fool") say("This picture was made to fool: see what it is taken for.");
}

function empty() {
  $("change").hidden = $("fooled").hidden = $("download").hidden = true;
  $("after").replaceChildren();
  $("verdict").textContent = "";
  $("change-title").textContent = "The change";
  $("fooled-title").textContent = "The photo that fools";
  $("size").textContent = "Too small to be seen: here it will be shown many times as strong.";
}

function frame(newest) {
  const canvas = $("fooled");
  Object.assign(canvas, { width: newest.width, height: newest.height, hidden: false });
  canvas.getContext("2d").drawImage(newest, 0, 0);
}

const limited = () => $("method").value !== "minimal";

function words() {
  $("limit-label").hidden = !limited();
  const most = Number($("limit").value);
  $("limit-words").textContent = $("norm").value === "linf"
    ? `${most} of 255 steps of brightness for each dot`
    : `as much, all in all, as ${most === 1 ? "one dot" : `${most} dots`} turned from black to white`;
}

async function run() {
  empty();
  const sure = $("sure").value;
  const result = await work.do("fool", {
    picture: photo.name,
    to: $("class").value.trim(),
    sure: sure ? Number(sure) : undefined,
    norm: $("norm").value,
    method: $("method").value,
    limit: limited() ? Number($("limit").value) : undefined,
    size: Number($("longer").value),
  }, { frame });
  if (result) await finished(result);
}

function size({ dots, largest }) {
  const all = dots < 1 ? "less than if a single dot turned" : `as much as if ${Math.round(dots) === 1 ? "one dot" : `${Math.round(dots)} dots`} turned`;
  return `All in all ${all} from black to white; no colour of a dot changes by more than ${largest} of 255 steps of brightness.`;
}

async function finished(result) {
  frame(await picture(view(result.name, 768)));
  $("photo").src = view(result.original, 768);
  const after = result.after[0], before = result.before[0];
  answers($("before"), result.before, result.wanted);
  answers($("after"), result.after, result.success ? after.label : null);
  $("change").src = view(result.change, 768);
  $("change").hidden = result.largest === 0;
  if (result.amplified) $("change-title").textContent = `The change, ${Math.round(result.amplified)} times as strong`;
  $("size").textContent = result.largest ? size(result) : "Nothing has changed yet.";
  $("fooled-title").textContent = result.success ? "The photo that fools" : "Not fooled yet";
  const steps = `${result.steps} ${result.steps === 1 ? "step" : "steps"}, ${result.seconds.toFixed(1)} s${result.stopped ? ", stopped" : ""}`;
  $("verdict").textContent = result.success
    ? `The network saw ${before.label}; now it is ${percent(after.probability)} sure of ${after.label}. (${steps})`
    : `Still taken for ${after.label}. ${result.stopped ? "It was stopped too early." : limited() ? "Allow more change." : "Try another class, or be content with less certainty."} (${steps})`;
  $("download").hidden = !result.success;
  $("download").href = `/files/${result.name}`;
  $("download").download = result.title;
}

chooses($("easel"), put, text => work.say(text));
$("panel").onsubmit = event => { event.preventDefault(); if (photo) run(); };
$("run").onclick = run;
for (const id of ["norm", "method"]) $(id).onchange = words;
$("limit").oninput = words;
$("another").onclick = () => {
  work.stop();
  photo = null;
  $("trio").hidden = $("another").hidden = $("run").disabled = true;
  $("easel").hidden = false;
  $("file").focus();
  empty();
};
words();
