// The page "Blind": photos, the class, its channels to be switched off and on. "For good" is a module of its own.

import { $, element, facts, reveal, say, view } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work, stageAndTime } from "../work.js";
import { prepareForGood } from "../parts/blind_for_good.js";
import { PhotoAnswers } from "../parts/photo_answers.js";
import { PhotoSet } from "../photos/photo_set.js";

const targets = new PhotoSet($("targets"), facts.most, () => { photosChanged(); guessSoon(); });
const controls = new PhotoSet($("controls"), facts.most, photosChanged);
const finding = new Work({ box: $("finding"), run: $("find"), stop: $("find-stop"), line: stageAndTime });
const ofTargets = new PhotoAnswers($("of-targets"), true), ofControls = new PhotoAnswers($("of-controls"), false);
let found = null; // what "find" told, of the channels that are on screen
let named = false; // whether a person said what the class is
let guess = null; // what the network says
let guessing = null;

const ready = () => targets.photos.length >= facts.fewest && controls.photos.length >= facts.fewest;

// What both "find" and "for good" work on.
export const asked = () => ({
  targets: targets.names,
  controls: controls.names,
  class_name: named || !guess ? $("class").value.trim() : guess.name,
});

const forGood = prepareForGood(asked);

function photosChanged() {
  const [mine, others] = [targets.photos.length, controls.photos.length];
  const sending = targets.busy || controls.busy;
  $("find").disabled = !ready() || sending;
  forGood.allow(ready() && !sending);
  const least = Math.min(mine, others);
  const warned = mine + others === 0 || sending ? ""
    : least < facts.fewest ? `At least ${facts.fewest} photos of each kind are needed; ${facts.enough} or more give numbers to rely on.`
    : least < facts.few ? `With fewer than ${facts.few} photos of a kind hardly anything can be measured: the numbers are counts, and prove little. ${facts.enough} or more give numbers to rely on.`
    : mine < facts.enough ? `${mine} photos of the class are few: one more or less moves the result by ${Math.round(100 / mine)} points. ${facts.enough} or more are better.`
    : "";
  $("few").hidden = !warned;
  $("few").textContent = warned;
}

// The class, guessed once photos have stopped arriving.
let soon;
function guessSoon() {
  clearTimeout(soon);
  soon = setTimeout(() => { if (!targets.busy) guessClass(); }, 250);
}

async function guessClass() {
  guessing?.stop();
  guess = null;
  $("guessed").replaceChildren();
  if (!targets.photos.length) return;
  const job = connection.start("blind_guess", { targets: targets.names });
  guessing = job;
  const told = await ended(job);
  if (!told?.classes.length || guessing !== job) return;
  guess = told.classes[0];
  if (!named) $("class").value = guess.label;
  const others = told.classes.slice(1).map(each => {
    const button = element("button", { type: "button" }, `${each.label} (${each.count})`);
    button.onclick = () => { guess = each; named = false; $("class").value = each.label; };
    return button;
  });
  $("guessed").append(`It takes ${guess.count} of ${told.count} for “${guess.label}”. `, ...(others.length ? ["Or is it ", ...others] : []));
}

async function find() {
  $("tryout").hidden = true;
  const told = await finding.do("blind_find", { ...asked(), method: $("method").value });
  if (told) show(told);
}

function show(told) {
  found = told;
  const [mine, others] = [told.targets, told.photos.length - told.targets];
  ofTargets.begin(told.photos.slice(0, mine), told.answers.slice(0, mine), told.label, `${mine} photos of ${told.label}`);
  ofControls.begin(told.photos.slice(mine), told.answers.slice(mine), told.label, `${others} photos of other things`);
  $("recognised-name").textContent = `${told.label} recognised`;
  $("strongest").max = told.channels.length;
  $("strongest").value = 0;
  $("suggested").textContent = `Switch ${told.suggested} off`;
  $("suggested").title = told.enough ? `Without ${told.enough} it was no longer recognised while they were chosen; a few more, to be sure.` : "A first try";
  $("scores").href = `/files/${told.scores.name}`;
  $("scores").download = told.scores.title;
  $("channels-hint").textContent = `${told.channels.length} channels, the strongest first, each with the patches of your photos that excite it most. A tick means that it works.`;
  $("channels").replaceChildren(...told.channels.map(channel));
  summary(told);
  count();
  $("tryout").hidden = false;
  reveal($("tryout"));
  const unreadable = Object.keys(told.unreadable).length;
  if (unreadable) say(`${unreadable} photos can’t be read and are left out.`);
}

function channel({ address, patches }, place) {
  const tick = element("input", { type: "checkbox", checked: true, value: address });
  tick.onchange = changed;
  const look = element("button", { type: "button", "aria-label": `What excites ${address}, made from noise` }, "From noise");
  look.onclick = () => imagine(address);
  return element("li", {},
    element("label", { class: "tick" }, tick, element("span", {}, `${place + 1}. `, element("code", {}, address))),
    element("div", { class: "patches" }, ...patches.map((patch, number) => element("img", { src: patch, alt: `Patch ${number + 1} that excites ${address}` })), look));
}

const ticks = () => [...$("channels").querySelectorAll("input")];

const off = () => ticks().filter(tick => !tick.checked).map(tick => tick.value);

function count() {
  const gone = off().length;
  $("off-count").textContent = gone ? `${gone} of ${ticks().length}` : "none";
  $("strongest").setAttribute("aria-valuetext", $("off-count").textContent);
}

function strongest(number) {
  ticks().forEach((tick, place) => { tick.checked = place >= number; });
  $("strongest").value = number;
  changed();
}

// One question at a time; what was asked meanwhile, once it is answered.
let answering = false, again = false;

async function changed() {
  count();
  again = true;
  if (answering) return;
  answering = true;
  $("answers").setAttribute("aria-busy", "true");
  while (again) {
    again = false;
    const of = found;
    const told = await ended(connection.start("blind_what_if", { tryout: of.tryout, off: off() }));
    if (!told || of !== found) break;
    summary(told);
    ofTargets.show(told.answers.slice(0, found.targets));
    ofControls.show(told.answers.slice(found.targets));
  }
  answering = false;
  $("answers").setAttribute("aria-busy", "false");
}

function summary({ recognised, changed: lost }) {
  const [before, now] = recognised.counts;
  $("recognised").textContent = before === now ? `${now} of ${recognised.of}` : `${before} → ${now} of ${recognised.of}`;
  $("recognised-interval").textContent = `among many: ${recognised.interval}`;
  $("changed").textContent = `${lost.count} of ${lost.of}`;
  $("changed-interval").textContent = `among many: ${lost.interval}`;
}

let imagining = null;

async function imagine(address) {
  const pen = $("imagined").getContext("2d");
  pen.clearRect(0, 0, $("imagined").width, $("imagined").height);
  const draw = picture => pen.drawImage(picture, 0, 0, $("imagined").width, $("imagined").height);
  $("enlarged-title").textContent = address;
  $("imagined").setAttribute("aria-label", `What excites ${address}`);
  $("imagined").setAttribute("aria-busy", "true");
  $("imagining").textContent = "";
  $("enlarged").showModal();
  const job = connection.start("blind_imagine", { tryout: found.tryout, channel: address }, {
    waiting: ({ before }) => { $("imagining").textContent = `${before} before you`; },
    progress: ({ done, total }) => { $("imagining").textContent = `step ${done} of ${total}`; },
    frame: picture => { if (imagining === job) draw(picture); },
  });
  imagining = job;
  const told = await ended(job);
  if (imagining !== job) return;
  imagining = null;
  $("imagining").textContent = "";
  if (told) draw(await createImageBitmap(await (await fetch(view(told.name))).blob()));
  $("imagined").setAttribute("aria-busy", "false");
}

// Not disabled meanwhile: it would lose the focus.
let writing = false;

async function weights() {
  if (writing) return;
  writing = true;
  const told = await ended(connection.start("blind_weights", { tryout: found.tryout, off: off() }));
  writing = false;
  if (told) element("a", { href: `/files/${told.name}`, download: told.title }).click();
}

$("asked").onsubmit = event => { event.preventDefault(); find(); };
$("class").oninput = () => { named = $("class").value.trim() !== ""; };
$("channels-panel").onsubmit = event => event.preventDefault();
$("strongest").oninput = () => strongest(Number($("strongest").value));
$("suggested").onclick = () => strongest(found.suggested);
$("all-on").onclick = () => strongest(0);
$("weights").onclick = weights;
$("close").onclick = () => $("enlarged").close();
$("enlarged").onclose = () => { imagining?.stop(); imagining = null; };
photosChanged();
