// "Blind it for good": the class taken away, measured on photos that were kept apart, and shown.

import { $, element, percent, reveal } from "../common.js";
import { Work, stageAndTime } from "../work.js";
import { doseCurve } from "./dose_curve.js";

const KINDS = { "class image": "What it imagines, asked for the class", dream: "Dreaming of the class, on one of the photos" };
const FILES = { report: "Report", weights: "Weights", scores: "Scores", numbers: "Numbers" };

// `asked` returns the photos and the class. The result says whether it can be done yet.
export function prepareForGood(asked) {
  const work = new Work({ box: $("blinding"), run: $("blind"), stop: $("blind-stop"), line: stageAndTime });
  $("good-form").onsubmit = async event => {
    event.preventDefault();
    $("proof").hidden = true;
    const told = await work.do("blind_for_good", { ...asked(), units: $("units").value, curve: $("curve").checked }, { measured, imagined });
    if (told) files(told);
  };
  return { allow: yes => { $("blind").disabled = !yes; } };
}

function measured(told) {
  $("opening").textContent = told.opening;
  $("lay").textContent = told.lay;
  $("words").replaceChildren(...Object.entries(told.meaning).flatMap(([word, text]) => [element("b", {}, word), `: ${text} `]));
  $("few-proof").hidden = !told.few;
  $("few-proof").textContent = `There were few photos to measure on, so the intervals are wide: what is said here may be otherwise among many.`;
  $("figures").replaceChildren(...told.figures.map(each => element("li", { class: "figure" },
    element("span", {}, each.name), element("strong", {}, each.value), element("small", {}, each.note))));
  $("verdict").textContent = told.verdict;
  $("files").replaceChildren(element("span", { class: "hint" }, "Downloads come when the pictures are made."));
  $("pairs").replaceChildren();
  trials(told);
  if ($("proof").hidden) {
    $("proof").hidden = false;
    reveal($("good"));
  }
  $("dose").hidden = !told.curve;
  if (told.curve) {
    $("dose-hint").textContent = told.curve.unit.startsWith("%")
      ? `The directions erased in part, and as many random ones erased whole. The lines through the points are 95% intervals; the dotted line stands at what was taken away.`
      : `More and more channels removed, strongest first, and as many random ones. The lines through the points are 95% intervals; the dotted line stands at what was taken away.`;
    doseCurve($("dose-plot"), told.curve);
  }
}

function trials({ trials: rows, loss_name: lossName }) {
  const head = ["", "recognised", "on changed photos", lossName, "read by a fresh detector", "area under its curve"];
  $("trials").tHead.replaceChildren(element("tr", {}, ...head.map((text, place) => place
    ? element("th", { scope: "col" }, text) : element("td", { class: "left" }))));
  $("trials").tBodies[0].replaceChildren(...rows.map(row => element("tr", { class: row.mine ? "mine" : null },
    element("th", { scope: "row", class: "left" }, row.name),
    ...row.cells.map(({ value, interval }) => element("td", {}, value, ...(interval ? [element("small", {}, interval)] : []))))));
}

function imagined({ pairs }) {
  $("pairs").replaceChildren(...pairs.map(pair => element("section", {},
    element("h3", {}, KINDS[pair.kind] ?? pair.kind),
    element("div", { class: "pair" }, picture(pair.before, "before"), picture(pair.after, "after")))));
}

function picture(shown, when) {
  if (!shown) return element("figure", {}, element("p", { class: "none" }, "could not be made"));
  return element("figure", {},
    element("img", { src: shown.image, alt: `${when}: the network as it was takes it for ${shown.label}` }),
    element("figcaption", {}, element("b", {}, when), ` · taken for ${shown.label} ${percent(shown.sure)}`));
}

function files(told) {
  const links = Object.entries(FILES).filter(([name]) => told.files[name]).map(([name, title], place) =>
    element("a", { class: place ? "button" : "button main", href: `/files/${told.files[name].name}`, download: told.files[name].title, id: `file-${name}` }, title));
  $("files").replaceChildren(...links,
    ...(told.refused ? [element("span", { class: "hint" }, `No weights: ${told.refused}`)] : []),
    ...(told.stopped ? [element("span", { class: "hint" }, "Stopped: the report has no pictures of what was removed.")] : []));
}
