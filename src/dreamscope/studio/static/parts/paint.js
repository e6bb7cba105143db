// A mask that is painted over a picture: white where the dream may change it.

export class Paint {
  #canvas;
  #context;
  #last = null;
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
    // With the keyboard: the picture in nine fields.
    canvas.tabIndex = 0;
    canvas.addEventListener("keydown", event => {
      if (/^[1-9]$/.test(event.key)) this.#field(Number(event.key) - 1);
    });
  }

  #place(event) {
    const box = this.#canvas.getBoundingClientRect();
    return [(event.clientX - box.left) / box.width * this.#canvas.width, (event.clientY - box.top) / box.height * this.#canvas.height];
  }

  #stroke([x, y]) {
    const pen = this.#context;
    pen.lineWidth = this.brush / 100 * Math.max(this.#canvas.width, this.#canvas.height);
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
