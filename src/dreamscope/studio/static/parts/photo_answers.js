// A table of photos: what each was taken for, what it is taken for now, and how probable the class is.

import { element, percent, view } from "../common.js";

export class PhotoAnswers {
  #table;
  #rows = [];
  #ofClass;

  // `ofClass` says whether these are photos of the class.
  constructor(table, ofClass) {
    this.#table = table;
    this.#ofClass = ofClass;
  }

  begin(photos, answers, label, title) {
    this.#table.caption.textContent = title;
    this.#table.tHead.replaceChildren(element("tr", {}, ...["photo", "before", "now", label].map((text, place) =>
      element("th", { scope: "col", class: place < 3 ? "left" : null }, text))));
    this.#rows = photos.map((name, place) => {
      const now = element("td", { class: "left now" });
      const bar = element("i"), share = element("span");
      const row = element("tr", {},
        element("td", { class: "left" }, element("img", { src: view(name, 160), alt: `Photo ${place + 1}`, loading: "lazy" })),
        element("td", { class: "left" }, ...said(answers[place])),
        now,
        element("td", { class: "share" }, share, element("span", { class: "track", "aria-hidden": "true" }, bar)));
      return { row, now, bar, share, before: answers[place] };
    });
    this.#table.tBodies[0].replaceChildren(...this.#rows.map(each => each.row));
    this.show(answers);
  }

  show(answers) {
    this.#rows.forEach(({ row, now, bar, share, before }, place) => {
      const after = answers[place];
      const same = after.label === before.label;
      now.replaceChildren(element("span", { class: "mark" }, this.#state(before, after, same)), ...said(after));
      row.className = this.#ofClass ? (after.is_class ? "seen" : before.is_class ? "unseen" : "never") : (same ? "same" : "other");
      share.textContent = percent(after.of_class);
      bar.style.width = `${100 * after.of_class}%`;
    });
  }

  #state(before, after, same) {
    if (!this.#ofClass) return same ? "same answer" : "another answer";
    if (after.is_class) return before.is_class ? "recognised" : "recognised only now";
    return before.is_class ? "no longer recognised" : "never recognised";
  }
}

const said = ({ label, sure }) => [element("b", {}, label), ` ${percent(sure)}`];
