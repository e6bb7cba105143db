// A mask that is painted over a picture: white where the dream may change it.

import { element } from "../common.js";

export class Paint {
  #canvas;
  #context;
  #last = null;
  #cursor; // a canvas on top, on which the keyboard's brush is drawn
  #at = [0, 0]; // where that is
  brush = 14; // in hundredths of the longer side
  touched = false;

  constructor(canvas) {
    this.#canvas = canvas;
    this.#context = canvas.getContext("2d");
    canvas.addEventListener("pointerdown", event => {
      canvas.setPointerCapture(event.pointerId);
      this.#last = this.#place(event);
      this.#stroke(this.#last);
    });
    canvas.addEventListener("pointermove", event => { if (this.#last) this.#stroke(this.#place(event)); });
    canvas.addEventListener("pointerup", () => { this.#last = null; });
    canvas.addEventListener("pointercancel", () => { this.#last = null; });
    // With the keyboard: a brush, and the picture in nine fields.
    canvas.tabIndex = 0;
    canvas.addEventListener("keydown", event => this.#key(event));
    for (const end of ["keyup", "blur"]) canvas.addEventListener(end, ({ key = " " }) => { if (key === " ") this.#last = null; });
    canvas.addEventListener("focus", () => this.#point());
    this.#cursor = element("canvas", { class: "brush", "aria-hidden": "true" });
    canvas.after(this.#cursor);
  }

  get #thick() { return this.brush / 100 * Math.max(this.#canvas.width, this.#canvas.height); }

  #key(event) {
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    if (/^[1-9]$/.test(event.key)) this.#field(Number(event.key) - 1);
    else if (event.key === " ") this.#stroke(this.#at);
    else if (way) this.#move(way, this.#thick * (event.shiftKey ? 1 : 0.25));
    else return;
    event.preventDefault();
  }

  // While Space is held it paints.
  #move(way, far) {
    const { width, height } = this.#canvas;
    this.#at = this.#at.map((place, axis) => Math.max(0, Math.min([width, height][axis], place + far * way[axis])));
    if (this.#last) this.#stroke(this.#at);
    this.#point();
  }

  // Shows where the brush is: black and white, to be seen on any picture.
  #point() {
    const { width, height } = this.#canvas, pen = this.#cursor.getContext("2d");
    const dot = width / (this.#canvas.clientWidth || width); // one of the page's
    Object.assign(this.#cursor, { width, height });
    for (const [style, thick] of [["#000", 6 * dot], ["#fff", 2 * dot]]) {
      pen.strokeStyle = style;
      pen.lineWidth = thick;
      pen.beginPath();
      pen.arc(...this.#at, this.#thick / 2, 0, 7);
      pen.stroke();
    }
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * this.#canvas.width, (event.clientY - box.top) / box.height * this.#canvas.height];
  }

  #stroke([x, y]) {
    const pen = this.#context;
    pen.lineWidth = this.#thick;
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = "#fff";
    pen.beginPath();
    pen.moveTo(...this.#last ?? [x, y]);
    pen.lineTo(x + 0.01, y);
    pen.stroke();
    this.#last = [x, y];
    this.touched = true;
  }

  #field(number) {
    const { width, height } = this.#canvas;
    this.#context.fillStyle = "#fff";
    // As on a phone's keys: 1 at the top left.
    this.#context.fillRect((number % 3) * width / 3, Math.floor(number / 3) * height / 3, width / 3, height / 3);
    this.touched = true;
  }

  clear(width = this.#canvas.width, height = this.#canvas.height) {
    this.#canvas.width = width;
    this.#canvas.height = height;
    this.#at = [width / 2, height / 2];
    this.touched = false;
  }

  // Returns the mask as a PNG file, white on black with soft edges.
  async file() {
    const { width, height } = this.#canvas;
    const mask = document.createElement("canvas");
    mask.width = width;
    mask.height = height;
    const pen = mask.getContext("2d");
    pen.fillRect(0, 0, width, height);
    pen.filter = `blur(${Math.max(width, height) / 60}px)`;
    pen.drawImage(this.#canvas, 0, 0);
    const blob = await new Promise(made => mask.toBlob(made, "image/png"));
    return new File([blob], "mask.png", { type: "image/png" });
  }
}
