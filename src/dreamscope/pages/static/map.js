// A map of photos to fly through, in the page that `dreamscope map` writes and in the studio.
// Labels and names reach the page only as text.

const calm = matchMedia("(prefers-reduced-motion: reduce)");
const least = numbers => numbers.reduce((a, b) => Math.min(a, b), Infinity);
const most = numbers => numbers.reduce((a, b) => Math.max(a, b), -Infinity);

// Draws points { x, y, src, file, label, answer, taken, near, large } on the canvas inside `place`, with the tip that
// is in it too. `keys` holds a search field, a choice of what colours mean, and gets a button for each colour.
// `chosen` is called with a photo that is clicked, or stepped to with the keyboard.
export class PhotoMap {
  #canvas; #pen; #tip; #keys; #by; #find; #chosen;
  #points = []; #groups = []; #others = "#80868e";
  #view = null; #width = 0; #height = 0; #only = null; #asked = false; #down = new Map(); #flight = 0;
  #marked = null; // the photo whose neighbours are shown: under the pointer, or else chosen
  #selected = null;

  constructor(place, keys, chosen = () => {}) {
    this.#canvas = place.querySelector("canvas");
    this.#pen = this.#canvas.getContext("2d");
    this.#tip = place.querySelector("#tip");
    this.#keys = keys.querySelector("span");
    this.#by = keys.querySelector("select");
    this.#find = keys.querySelector("input");
    this.#chosen = chosen;
    this.#find.addEventListener("input", () => this.draw());
    this.#by.addEventListener("change", () => this.#colour());
    new ResizeObserver(() => this.draw()).observe(this.#canvas);
    this.#listen();
  }

  get by() { return this.#by.value; }

  show({ points, groups, others }) {
    this.#points = points;
    this.#groups = groups;
    this.#others = others;
    this.#view = this.#marked = this.#selected = null;
    this.#tip.hidden = true;
    this.#by.replaceChildren(...groups.map(({ name }) => new Option(name)));
    this.#by.parentElement.hidden = groups.length < 2;
    for (const point of points) point.image = this.#image(point.src);
    this.#colour();
  }

  #image(source) {
    const image = new Image();
    image.onload = () => this.draw();
    image.src = source;
    return image;
  }

  #colour() {
    const group = this.#groups.find(({ name }) => name === this.by) ?? { keys: [] };
    const colours = new Map(group.keys.map(({ label, color }) => [label, color]));
    for (const point of this.#points) {
      point.group = point[group.name] ?? null;
      point.color = colours.get(point.group) ?? this.#others;
    }
    this.#only = null;
    this.#keys.replaceChildren(...group.keys.map(({ label, color, count }) => {
      const button = document.createElement("button"), dot = document.createElement("i"), number = document.createElement("small");
      dot.style.background = color;
      number.textContent = count;
      button.type = "button";
      button.setAttribute("aria-pressed", "false");
      button.append(dot, `${label} `, number);
      button.addEventListener("click", () => {
        this.#only = this.#only === label ? null : label;
        for (const each of this.#keys.children) each.setAttribute("aria-pressed", String(each === button && this.#only !== null));
        this.draw();
      });
      return button;
    }));
    this.draw();
  }

  #fit() {
    const xs = this.#points.map(p => p.x), ys = this.#points.map(p => p.y);
    const [left, right, low, high] = [least(xs), most(xs), least(ys), most(ys)];
    const room = 40, wide = Math.max(right - left, 1e-9), tall = Math.max(high - low, 1e-9);
    const scale = Math.min((this.#width - 2 * room) / wide, (this.#height - 2 * room) / tall);
    return { scale, base: scale, x: this.#width / 2 - scale * (left + right) / 2, y: this.#height / 2 + scale * (low + high) / 2 };
  }

  #place(point) { return [this.#view.x + this.#view.scale * point.x, this.#view.y - this.#view.scale * point.y]; }

  // Few photos are shown larger than many. Photos spread faster than they grow, so that zooming takes crowds apart.
  #side() {
    const roomy = Math.max(26, Math.min(72, 0.36 * Math.sqrt(this.#width * this.#height / this.#points.length)));
    const largest = this.#points.some(point => point.large) ? 320 : 128;
    return Math.max(roomy, Math.min(largest, roomy * Math.pow(this.#view.scale / this.#view.base, 0.45)));
  }

  #fits(point) {
    if (this.#only !== null && point.group !== this.#only) return false;
    const word = this.#find.value.trim().toLowerCase();
    return !word || [point.file, point.label, point.answer].some(text => (text ?? "").toLowerCase().includes(word));
  }

  draw() {
    if (this.#asked) return;
    this.#asked = true;
    requestAnimationFrame(() => { this.#asked = false; this.#paint(); });
  }

  #paint() {
    const ratio = window.devicePixelRatio || 1, now = this.#canvas.getBoundingClientRect(), pen = this.#pen;
    if (!now.width || !now.height || !this.#points.length) return;
    const same = now.width === this.#width && now.height === this.#height;
    if (!same || this.#canvas.width !== Math.round(now.width * ratio)) {
      this.#width = now.width;
      this.#height = now.height;
      this.#canvas.width = Math.round(now.width * ratio);
      this.#canvas.height = Math.round(now.height * ratio);
      if (this.#view?.scale === this.#view?.base) this.#view = null;
    }
    this.#view ??= this.#fit();
    pen.setTransform(ratio, 0, 0, ratio, 0, 0);
    pen.clearRect(0, 0, this.#width, this.#height);
    pen.imageSmoothingQuality = "high";
    const side = this.#side(), marked = this.#marked ?? this.#selected;
    const near = new Set((marked?.near ?? []).map(number => this.#points[number]));
    for (const inside of [false, true]) {
      for (const point of this.#points) if (this.#fits(point) === inside && point !== marked && !near.has(point)) this.#put(point, side, inside ? 1 : 0.12);
    }
    if (!marked) return;
    // Threads to its nearest neighbours, the nearest the thickest; they all lie on top.
    const [x, y] = this.#place(marked);
    pen.strokeStyle = getComputedStyle(this.#canvas).color;
    [...near].forEach((point, rank) => {
      pen.globalAlpha = 0.75;
      pen.lineWidth = Math.max(1, 4 - 0.6 * rank);
      pen.beginPath();
      pen.moveTo(x, y);
      pen.lineTo(...this.#place(point));
      pen.stroke();
    });
    for (const point of [...near].reverse()) this.#put(point, side, 1);
    this.#put(marked, side * 1.25, 1, 4);
  }

  #put(point, side, alpha, line = 2) {
    const [x, y] = this.#place(point), pen = this.#pen;
    if (x < -side || y < -side || x > this.#width + side || y > this.#height + side) return;
    // A photo that is seen from near is fetched once more, sharper.
    if (side > 80 && point.large && !point.sharp) point.sharp = this.#image(point.large);
    const image = point.sharp?.naturalWidth ? point.sharp : point.image;
    pen.globalAlpha = alpha;
    if (image.complete && image.naturalWidth) {
      const part = Math.min(image.naturalWidth, image.naturalHeight);
      pen.drawImage(image, (image.naturalWidth - part) / 2, (image.naturalHeight - part) / 2, part, part, x - side / 2, y - side / 2, side, side);
    }
    pen.strokeStyle = point.color;
    pen.lineWidth = line;
    pen.strokeRect(x - side / 2, y - side / 2, side, side);
    pen.globalAlpha = 1;
  }

  #zoom(by, x, y) {
    const view = this.#view;
    const scale = Math.min(view.base * 400, Math.max(view.base * 0.5, view.scale * by)), k = scale / view.scale;
    this.#go({ ...view, x: x - k * (x - view.x), y: y - k * (y - view.y), scale });
  }

  #move(x, y) { this.#go({ ...this.#view, x: this.#view.x + x, y: this.#view.y + y }); }

  #go(view) {
    this.#flight += 1;
    this.#view = view;
    this.#tip.hidden = true;
    this.draw();
  }

  // Glides to another view; at once for whom movement is too much.
  #glide(to) {
    const from = this.#view, begun = performance.now();
    this.#go(calm.matches ? to : from);
    if (calm.matches) return;
    const flight = this.#flight;
    const step = now => {
      if (flight !== this.#flight) return;
      const t = Math.min(1, Math.max(0, (now - begun) / 500)), eased = t * t * (3 - 2 * t);
      const between = (a, b) => a + (b - a) * eased;
      this.#view = { base: to.base, scale: from.scale * (to.scale / from.scale) ** eased, x: between(from.x, to.x), y: between(from.y, to.y) };
      this.draw();
      if (t < 1) requestAnimationFrame(step);
    };
    requestAnimationFrame(step);
  }

  // Chooses a photo and brings it to the middle, near enough to be seen.
  fly(point) {
    const scale = Math.max(this.#view.scale, 3 * this.#view.base);
    this.#select(point);
    this.#glide({ base: this.#view.base, scale, x: this.#width / 2 - scale * point.x, y: this.#height / 2 + scale * point.y });
  }

  whole() { this.#glide(this.#fit()); }

  point(number) { return this.#points[number]; }

  #select(point) {
    this.#selected = point;
    this.draw();
    if (point) this.#chosen(point);
  }

  // From the chosen photo to the next in a direction; at first to the one nearest to the middle.
  #step(right, up) {
    const points = this.#points.filter(point => point !== this.#selected && this.#fits(point));
    const from = this.#selected ?? { x: (this.#width / 2 - this.#view.x) / this.#view.scale, y: (this.#view.y - this.#height / 2) / this.#view.scale };
    const far = point => {
      const ahead = (point.x - from.x) * right + (point.y - from.y) * up, aside = Math.abs((point.x - from.x) * up) + Math.abs((point.y - from.y) * right);
      if (!this.#selected) return Math.hypot(point.x - from.x, point.y - from.y);
      return ahead > 0 ? ahead + 2 * aside : Infinity;
    };
    const [next] = points.filter(point => far(point) < Infinity).sort((one, other) => far(one) - far(other));
    if (!next) return;
    this.#select(next);
    const [x, y] = this.#place(next);
    const outside = x < 60 || y < 60 || x > this.#width - 60 || y > this.#height - 60;
    if (outside) this.#glide({ ...this.#view, x: this.#view.x + this.#width / 2 - x, y: this.#view.y + this.#height / 2 - y });
    else this.#hint(next, x, y);
  }

  #under(x, y) {
    const half = this.#side() / 2;
    // The last one drawn lies on top.
    for (let number = this.#points.length - 1; number >= 0; number--) {
      const point = this.#points[number], [px, py] = this.#place(point);
      if (this.#fits(point) && Math.abs(px - x) <= half && Math.abs(py - y) <= half) return point;
    }
    return null;
  }

  #hint(point, x, y) {
    const tip = this.#tip;
    if (this.#marked !== point) this.draw();
    this.#marked = point;
    tip.hidden = point === null;
    if (point === null) return;
    const [picture, text, near] = tip.children;
    picture.src = point.large ?? point.src;
    const lines = [point.file];
    if (point.label !== null) lines.push(`label: ${point.label}`);
    if (point.taken !== null) lines.push(`taken for: ${point.taken}`);
    if (point.near.length) lines.push("nearest to it:");
    text.textContent = lines.join("\n");
    near.replaceChildren(...point.near.slice(0, 5).map(number => Object.assign(new Image(), { src: this.#points[number].src, alt: "" })));
    tip.style.left = `${Math.max(0, Math.min(x + 14, this.#width - tip.offsetWidth - 4))}px`;
    tip.style.top = `${Math.max(0, Math.min(y + 14, this.#height - tip.offsetHeight - 4))}px`;
  }

  #listen() {
    const canvas = this.#canvas, down = this.#down;
    const at = event => { const box = canvas.getBoundingClientRect(); return [event.clientX - box.left, event.clientY - box.top]; };
    let moved = 0;
    const on = (kind, act, options) => canvas.addEventListener(kind, event => { if (this.#view) act(event); }, options);
    on("wheel", event => {
      event.preventDefault();
      this.#zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0015)), ...at(event));
    }, { passive: false });
    on("pointerdown", event => { moved = 0; down.set(event.pointerId, at(event)); canvas.setPointerCapture(event.pointerId); });
    on("pointermove", event => {
      const [x, y] = at(event), before = down.get(event.pointerId);
      if (!before) { this.#hint(this.#under(x, y), x, y); return; }
      moved += Math.hypot(x - before[0], y - before[1]);
      if (down.size === 2) {
        const [other] = [...down].filter(([id]) => id !== event.pointerId).map(([, place]) => place);
        const far = Math.hypot(before[0] - other[0], before[1] - other[1]);
        if (far > 0) this.#zoom(Math.hypot(x - other[0], y - other[1]) / far, (x + other[0]) / 2, (y + other[1]) / 2);
      } else this.#move(x - before[0], y - before[1]);
      down.set(event.pointerId, [x, y]);
    });
    on("pointerup", event => {
      down.delete(event.pointerId);
      const [x, y] = at(event), point = moved < 5 ? this.#under(x, y) : null;
      if (point) { this.#select(point); this.#hint(point, x, y); }
    });
    on("pointercancel", event => down.delete(event.pointerId));
    on("pointerleave", () => this.#hint(null));
    on("blur", () => this.#hint(null));
    on("dblclick", () => this.whole());
    on("keydown", event => {
      const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };
      const way = ways[event.key];
      if (way && event.shiftKey) this.#step(...way);
      else if (way) this.#move(-60 * way[0], 60 * way[1]);
      else if (event.key === "+" || event.key === "=") this.#zoom(1.3, this.#width / 2, this.#height / 2);
      else if (event.key === "-") this.#zoom(1 / 1.3, this.#width / 2, this.#height / 2);
      else if (event.key === "0") this.whole();
      else if (event.key === "Enter" && this.#selected) this.fly(this.#selected);
      else return;
      event.preventDefault();
    });
  }
}

// In a page that was written, the photos are in it.
const written = document.getElementById("points");
if (written) new PhotoMap(document.getElementById("map"), document.getElementById("keys")).show(JSON.parse(written.textContent));
