// One channel large: its activation over the frame; and the moments in which it was strongest.

import { element } from "../common.js";
import { glow } from "./grid.js";

const MIDDLE = 128;
const MOMENTS = 3;
const APART = 1500; // milliseconds between two moments

// Draws a map over the frame: a light where the channel is above what is usual for it, the frame gray elsewhere.
export function enlarge(canvas, frame, map, { rows, columns }) {
  const pen = canvas.getContext("2d");
  pen.filter = "grayscale(1) brightness(.7)";
  pen.drawImage(frame, 0, 0, canvas.width, canvas.height);
  pen.filter = "none";
  const light = new ImageData(columns, rows);
  map.forEach((value, place) => {
    // Not much above usual is not worth a shade over all of the frame.
    const strength = Math.max(0, (value - MIDDLE) / 127 - 0.12);
    light.data.set([...glow(Math.max(value, MIDDLE + 40)), 255 * Math.min(0.92, 1.8 * strength)], 4 * place);
  });
  const small = Object.assign(document.createElement("canvas"), { width: columns, height: rows });
  small.getContext("2d").putImageData(light, 0, 0);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(small, 0, 0, canvas.width, canvas.height);
}

// The frames of this visit that excited a channel most.
export class Moments {
  #list;
  #found = [];

  constructor(list) { this.#list = list; }

  clear() {
    this.#found = [];
    this.#draw();
  }

  add(frame, { value, row, column }, { rows, columns }) {
    const now = performance.now();
    // As long as it still grows it is one moment.
    const near = this.#found.find(each => now - each.last < APART);
    const weakest = this.#found.length < MOMENTS ? -Infinity : this.#found.at(-1).value;
    if (value <= (near ? near.value : weakest)) return;
    const picture = near?.picture ?? Object.assign(element("canvas"), { width: 120, height: 120 });
    // The part around it, of late layers all.
    const part = Math.min(1, 6 / rows), side = frame.width * part;
    const corner = (place, of, most) => Math.max(0, Math.min(most - side, (place + 0.5) / of * most - side / 2));
    const left = corner(column, columns, frame.width), top = corner(row, rows, frame.height);
    picture.getContext("2d").drawImage(frame, left, top, side, Math.min(side, frame.height), 0, 0, 120, 120);
    if (near) Object.assign(near, { value, last: now });
    else this.#found.push({ value, picture, last: now });
    this.#found.sort((one, other) => other.value - one.value);
    this.#found.length = Math.min(this.#found.length, MOMENTS);
    this.#draw();
  }

  #draw() {
    this.#list.replaceChildren(...this.#found.map(({ value, picture }) => {
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", `A moment in which it was at ${value.toPrecision(3)}`);
      return element("li", {}, picture, element("small", {}, value.toPrecision(3)));
    }));
  }
}
