// The page "Explain".

import { $, element, facts, percent } from "../common.js";
import { connection, ended } from "../connection.js";
import { Work } from "../work.js";
import { curves, scaleOf } from "../parts/curves.js";
import { bring, fromCamera, takes } from "../photos/bring.js";

const titles = new Map(facts.methods.map(method => [method.name, method]));
const canvas = $("canvas"), work = new Work({ line: ({ stage }) => `${stage}…` });
let photo = null; // { name } of what is explained
let seen = null; // it, as the network sees it
let chosen = null; // the class, { index, label }
const found = new Map(); // method -> its curves

async function begin(given) {
  work.stop();
  photo = given;
  chosen = null;
  $("maps-part").hidden = true;
  work.say("Looking…");
  const told = await ended(connection.start("explain_answers", { picture: photo.name }));
  work.say("");
  if (!told || photo !== given) return;
  seen = told.photo;
  await show(seen);
  answers(told.answers);
  explain(told.answers[0]);
}

async function show(address) {
  const image = new Image();
  image.src = address;
  await image.decode();
  canvas.width = image.width;
  canvas.height = image.height;
  canvas.getContext("2d").drawImage(image, 0, 0);
  $("easel").style.setProperty("--aspect", image.width / image.height);
  $("drop").hidden = true;
  canvas.hidden = $("another").hidden = false;
}

function answers(best) {
  $("answers-hint").textContent = "Choose an answer to see what speaks for it.";
  $("answers").replaceChildren(...best.map(each => {
    const bar = element("i");
    bar.style.width = `${100 * each.probability}%`;
    const button = element("button", { type: "button", "data-index": each.index }, element("span", {}, each.label), element("output", {}, percent(each.probability)), bar);
    button.onclick = () => { $("class").value = ""; explain(each); };
    return element("li", {}, button);
  }));
}

async function explain(answer) {
  work.stop();
  chosen = answer;
  for (const button of $("answers").querySelectorAll("button")) button.setAttribute("aria-pressed", Number(button.dataset.index) === answer.index);
  const methods = [...document.querySelectorAll("[name=methods]:checked")].map(box => box.value);
  if (!methods.length) { work.say("Tick a method."); return; }
  const measure = $("measure").checked;
  $("maps-title").textContent = `Which pixels spoke for ${answer.label}?`;
  found.clear();
  $("maps").replaceChildren(...methods.map(name => card(name, measure)));
  $("maps-part").hidden = false;
  $("key").hidden = !measure;
  $("sheet").hidden = true;
  const result = await work.do("explain_maps", { picture: photo.name, class: answer.index, methods, measure }, {
    map,
    curves: measured,
    refused: ({ method, message }) => refuse(method, message),
  });
  if (result === undefined) return;
  work.say(result ? "" : "Stopped.");
  for (const place of $("maps").querySelectorAll("li:not(.there, .none)")) place.remove();
  $("sheet").hidden = !$("maps").querySelector(".there");
  for (const button of $("maps").querySelectorAll("button")) button.hidden = false;
}

const place = name => $("maps").querySelector(`[data-method="${name}"]`);

function card(name, measure) {
  const { title, about } = titles.get(name);
  const take = element("button", { type: "button", hidden: true, "aria-label": `Take the map of ${title} home` }, "Take it home");
  take.onclick = () => home(name);
  return element("li", { "data-method": name },
    element("h3", {}, title),
    element("div", { class: "over" }, element("img", { src: seen, alt: "" }), element("i")),
    element("p", { class: "hint" }, about),
    measure ? element("div", { class: "curves" }) : "",
    take);
}

function map({ method, image, signed }) {
  const { title } = titles.get(method);
  const made = element("img", { src: image, alt: `${title}: what speaks for ${chosen.label}` });
  made.style.opacity = $("opacity").value / 100;
  place(method).querySelector(".over i").replaceWith(made);
  place(method).classList.add("there");
  if (signed) place(method).querySelector(".hint").append(" Red speaks for it, blue against it.");
}

function measured({ method, ...numbers }) {
  found.set(method, numbers);
  // All on one scale, so that they can be compared.
  const top = scaleOf([...found.values()]);
  for (const [name, each] of found) {
    // Up soon, down soon: the more lies between the two.
    const gap = each.insertion_area - each.deletion_area;
    place(name).dataset.gap = gap;
    place(name).querySelector(".curves").replaceChildren(curves(each, titles.get(name).title, top), element("small", {}, `faithfulness ${gap.toFixed(2)}`));
  }
  sort();
}

function refuse(method, message) {
  const card = place(method);
  card.classList.add("none");
  card.replaceChildren(element("h3", {}, titles.get(method).title), element("p", { class: "hint" }, message));
}

// The most faithful first, or as they are listed.
function sort() {
  const order = new Map(facts.methods.map(({ name }, number) => [name, number]));
  const listed = (one, two) => order.get(one.dataset.method) - order.get(two.dataset.method);
  const gap = card => Number(card.dataset.gap ?? -2);
  const faithful = (one, two) => gap(two) - gap(one) || listed(one, two);
  const cards = [...$("maps").children];
  const sorted = [...cards].sort($("sorted").checked ? faithful : listed);
  if (sorted.some((card, number) => card !== cards[number])) $("maps").append(...sorted);
}

async function home(method) {
  work.say("Drawing…");
  const made = await ended(connection.start("explain_file", { method }));
  work.say("");
  if (made) element("a", { href: `/files/${made.name}`, download: made.title }).click();
}

async function files([file]) {
  work.say("Sending the picture…");
  const brought = await bring(file);
  work.say("");
  if (brought) await begin(brought);
}

takes($("easel"), $("file"), files);
document.addEventListener("paste", event => { if (event.clipboardData.files.length) files([...event.clipboardData.files]); });
for (const button of document.querySelectorAll("[data-sample]")) button.onclick = () => begin({ name: `sample:${button.dataset.sample}` });
$("camera").onclick = async () => { const file = await fromCamera($("drop")); if (file) await files([file]); };
$("sheet").onclick = () => home("");
$("panel").onsubmit = event => event.preventDefault();
$("another").onclick = () => { work.stop(); photo = null; canvas.hidden = $("another").hidden = $("maps-part").hidden = true; $("answers").replaceChildren(); $("drop").hidden = false; $("file").focus(); };
$("opacity").oninput = () => { for (const image of document.querySelectorAll(".over img + img")) image.style.opacity = $("opacity").value / 100; };
$("sorted").onchange = sort;
$("measure").onchange = () => { if (photo && chosen) explain(chosen); };
for (const box of document.querySelectorAll("[name=methods]")) box.onchange = () => { if (photo && chosen) explain(chosen); };
$("class").onchange = () => {
  const label = $("class").value.trim();
  const index = facts.labels.findIndex(each => each.toLowerCase() === label.toLowerCase());
  if (label && index < 0) work.say(`No class is called “${label}”.`);
  else if (label && photo) explain({ index, label: facts.labels[index] });
};
