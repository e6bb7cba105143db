// The parts of photos that excite a channel most, alone or where they lie in their photos.

import { element } from "../common.js";

const PLACES = 9; // that are held free until it is known how many there are

export class Patches {
  #list; #whole;
  #exemplars = [];

  // Takes the list, and the tick for whole photos.
  constructor(list, whole) {
    this.#list = list;
    this.#whole = whole;
    whole.onchange = () => this.#draw();
  }

  clear() { this.#list.replaceChildren(...Array.from({ length: PLACES }, () => element("li", {}, element("i")))); }

  show(exemplars) {
    this.#exemplars = exemplars;
    this.#draw();
  }

  #draw() {
    this.#list.classList.toggle("few", this.#exemplars.length < 5);
    this.#list.replaceChildren(...this.#exemplars.map((each, place) => {
      const whole = !each.patch || this.#whole.checked;
      const said = `${Number(each.value.toPrecision(3))} · ${each.name}`;
      const image = element("img", { src: whole ? each.photo : each.patch, alt: `Part ${place + 1}: ${said}` });
      if (!whole) image.className = "part";
      return element("li", {}, element("div", {}, image, whole && each.box ? frame(each.box) : ""), element("small", {}, said));
    }));
  }
}

function frame(box) {
  const made = element("span", { class: "box" });
  const [top, left, bottom, right] = box.map(share => `${100 * share}%`);
  Object.assign(made.style, { top, left, width: `calc(${right} - ${left})`, height: `calc(${bottom} - ${top})` });
  return made;
}
