// Two pictures in one place, parted by a slider: what came after to the left of it, what was before to the right.

export class Compare {
  #canvas; #range; #before = null; #after = null;

  constructor(canvas, range) {
    this.#canvas = canvas;
    this.#range = range;
    range.addEventListener("input", () => this.draw());
  }

  // Shows pictures; `after` may be missing. The slider is there as soon as both are.
  show(before, after = null) {
    const { width, height } = after ?? before;
    Object.assign(this.#canvas, { width, height });
    // As large as there is room, whatever the picture's own size.
    this.#canvas.parentElement.style.setProperty("--aspect", width / height);
    this.#before = before;
    this.#after = after;
    this.#canvas.hidden = false;
    this.#range.hidden = !after;
    this.#range.value = this.#range.max;
    this.draw();
  }

  // Shows a picture that the next one will replace.
  frame(picture) {
    const { width, height } = picture;
    if (width !== this.#canvas.width || height !== this.#canvas.height) {
      Object.assign(this.#canvas, { width, height });
      this.#canvas.parentElement.style.setProperty("--aspect", width / height);
    }
    this.#range.hidden = true;
    this.#range.value = this.#range.max;
    this.#after = picture;
    this.draw();
  }

  draw() {
    const { width, height } = this.#canvas, pen = this.#canvas.getContext("2d");
    const edge = this.#range.value / this.#range.max * width;
    pen.imageSmoothingQuality = "high";
    if (this.#before) pen.drawImage(this.#before, 0, 0, width, height);
    if (!this.#after) return;
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, edge, height);
    pen.clip();
    pen.drawImage(this.#after, 0, 0, width, height);
    pen.restore();
    if (edge > 0 && edge < width) {
      pen.fillStyle = "#fff";
      pen.fillRect(edge - 1, 0, 2, height);
    }
  }
}
