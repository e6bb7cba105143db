// All channels of a layer as a grid of small pictures, each in colours of how far it is from what is usual for it.

const MIDDLE = 128; // what is as usual
const SHARPEST = 2; // pixels for each of the page's, at most
const LIT = [0.03, 0.15]; // of a map that is good to look at first
const FAINT = 1.3; // above 1, so that what is nearly as usual stays quiet

// From what is usual outwards; in the dark they begin dark, on paper they begin light.
const SCALES = {
  dark: {
    above: [[24, 28, 33], [136, 50, 24], [240, 136, 32], [255, 240, 190]],
    below: [[24, 28, 33], [24, 62, 120], [64, 134, 226], [190, 224, 255]],
  },
  light: {
    above: [[243, 244, 246], [252, 196, 128], [219, 98, 14], [92, 24, 4]],
    below: [[243, 244, 246], [160, 200, 240], [36, 110, 205], [8, 36, 96]],
  },
};
const dark = matchMedia("(prefers-color-scheme: dark)");

function between(stops, share) {
  const place = share * (stops.length - 1);
  const first = Math.min(Math.floor(place), stops.length - 2);
  return stops[first].map((from, part) => Math.round(from + (place - first) * (stops[first + 1][part] - from)));
}

// The colour of a value from 1 to 255: red, green and blue.
export function colour(value, { above, below } = SCALES[dark.matches ? "dark" : "light"]) {
  return between(value >= MIDDLE ? above : below, (Math.abs(value - MIDDLE) / 127) ** FAINT);
}

// The colour of a value over a photo: a light.
export const glow = value => colour(value, SCALES.dark);

export class Grid {
  #canvas;
  #pen;
  #shape = null; // { channels, rows, columns } of the maps
  #values = null;
  #maps = document.createElement("canvas"); // all channels at their own size, below one another
  #colours = new Uint32Array(256);
  #box = null; // how the channels are laid out
  #chose;
  #switched;
  selected = -1;
  off = new Set();

  // `chose` is told which channel, `switched` which one is to be switched off or on.
  constructor(canvas, chose, switched) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#chose = chose;
    this.#switched = switched;
    canvas.addEventListener("click", event => {
      const channel = this.at(event);
      if (channel < 0) return;
      if (event.shiftKey) this.#switched(channel);
      else this.#chose(channel);
    });
    canvas.addEventListener("keydown", event => this.#key(event));
    dark.addEventListener("change", () => { this.#mix(); this.draw(); });
    new ResizeObserver(() => { this.#lay(); this.draw(); }).observe(canvas.parentElement);
    this.#mix();
  }

  // Returns the channel under a pointer, -1 if there is none.
  at(event) {
    if (!this.#box) return -1;
    const frame = this.#canvas.getBoundingClientRect();
    const { across, step } = this.#box;
    const column = Math.floor((event.clientX - frame.left) / frame.width * this.#canvas.width / step.x);
    const row = Math.floor((event.clientY - frame.top) / frame.height * this.#canvas.height / step.y);
    const channel = row * across + column;
    return column < across && channel < this.#shape.channels ? channel : -1;
  }

  show(values, shape) {
    const old = this.#shape;
    this.#values = values;
    if (!old || ["channels", "rows", "columns"].some(key => old[key] !== shape[key])) {
      this.#shape = { channels: shape.channels, rows: shape.rows, columns: shape.columns };
      this.#lay();
    }
    this.draw();
  }

  // Returns the map of one channel.
  map(channel) {
    const { rows, columns } = this.#shape;
    return this.#values.subarray(channel * rows * columns, (channel + 1) * rows * columns);
  }

  get shape() { return this.#shape; }

  // Returns a channel that has much to show: quiet but for a few places, neither in one spot alone nor all over.
  lively() {
    let best = 0, most = -Infinity;
    for (let channel = 0; channel < this.#shape.channels; channel++) {
      const map = this.map(channel);
      let lit = 0, whole = 0;
      for (const value of map) { lit += value > MIDDLE + 60; whole += Math.abs(value - MIDDLE); }
      const [least, largest] = LIT.map(share => share * map.length);
      const score = -whole / map.length - (lit < least || lit > largest ? 255 : 0);
      if (score > most) [best, most] = [channel, score];
    }
    return best;
  }

  #key(event) {
    if (!this.#shape) return;
    const steps = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: this.#box.across, ArrowUp: -this.#box.across };
    const last = this.#shape.channels - 1;
    const ends = { Home: 0, End: last };
    if (event.key in steps) this.#chose(Math.max(0, Math.min(last, this.selected + steps[event.key])));
    else if (event.key in ends) this.#chose(ends[event.key]);
    else if (event.key === " " || event.key === "Enter") this.#switched(this.selected);
    else return;
    event.preventDefault();
  }

  #mix() {
    for (let value = 0; value < 256; value++) {
      const [red, green, blue] = colour(value);
      this.#colours[value] = 0xff000000 | blue << 16 | green << 8 | red;
    }
  }

  // Lays the channels out as large as there is room.
  #lay() {
    if (!this.#shape) return;
    const { channels, rows, columns } = this.#shape;
    const sharp = Math.min(SHARPEST, devicePixelRatio || 1);
    const room = this.#canvas.parentElement.clientWidth;
    const tall = Math.max(320, Math.min(room * 1.3, innerHeight * 0.74));
    const gap = Math.round(sharp * (channels > 128 ? 2 : 4));
    const side = across => Math.floor((room * sharp + gap) / across) - gap;
    const height = across => (Math.round(side(across) * rows / columns) + gap) * Math.ceil(channels / across);
    let across = 1;
    while (across < channels && height(across) > tall * sharp) across++;
    const width = side(across), down = Math.max(1, Math.round(width * rows / columns));
    this.#box = { across, step: { x: width + gap, y: down + gap }, width, height: down };
    this.#canvas.width = across * (width + gap) - gap;
    this.#canvas.height = Math.ceil(channels / across) * (down + gap) - gap;
    this.#canvas.style.width = `${this.#canvas.width / sharp}px`;
    this.#maps.width = columns;
    this.#maps.height = channels * rows;
  }

  draw() {
    if (!this.#values || !this.#box) return;
    const { channels, rows, columns } = this.#shape, { width, height } = this.#box;
    const image = new ImageData(columns, channels * rows);
    const pixels = new Uint32Array(image.data.buffer), values = this.#values, colours = this.#colours;
    for (let place = 0; place < pixels.length; place++) pixels[place] = colours[values[place]];
    this.#maps.getContext("2d").putImageData(image, 0, 0);
    this.#pen.clearRect(0, 0, this.#canvas.width, this.#canvas.height);
    for (let channel = 0; channel < channels; channel++) {
      const [left, top] = this.#corner(channel);
      this.#pen.drawImage(this.#maps, 0, channel * rows, columns, rows, left, top, width, height);
    }
    for (const channel of this.off) this.#cross(channel);
    if (this.selected >= 0) this.#outline(this.selected);
  }

  #corner(channel) {
    const { across, step } = this.#box;
    return [channel % across * step.x, Math.floor(channel / across) * step.y];
  }

  #cross(channel) {
    const [left, top] = this.#corner(channel), { width, height } = this.#box;
    const style = getComputedStyle(this.#canvas);
    this.#pen.fillStyle = style.getPropertyValue("--surface");
    this.#pen.fillRect(left, top, width, height);
    this.#pen.strokeStyle = style.getPropertyValue("--bad");
    this.#pen.lineWidth = Math.max(1.5, width / 24);
    this.#pen.beginPath();
    this.#pen.moveTo(left + width * 0.2, top + height * 0.2);
    this.#pen.lineTo(left + width * 0.8, top + height * 0.8);
    this.#pen.moveTo(left + width * 0.8, top + height * 0.2);
    this.#pen.lineTo(left + width * 0.2, top + height * 0.8);
    this.#pen.stroke();
  }

  #outline(channel) {
    const [left, top] = this.#corner(channel), { width, height } = this.#box;
    const thick = Math.max(2, Math.min(6, width / 16));
    this.#pen.strokeStyle = getComputedStyle(this.#canvas).getPropertyValue("--ink");
    this.#pen.lineWidth = thick;
    this.#pen.strokeRect(left + thick / 2, top + thick / 2, width - thick, height - thick);
  }
}
