// Dose and response as SVG: how the class goes and what the rest loses, the more is taken away, with 95 % intervals.

const HEIGHT = 190, LEFT = 52, RIGHT = 24, TOP = 30, BELOW = 36, WHISKER = 4;
const BESIDE = 800, GAP = 36; // pixels: in so wide a place both panels stand side by side, so far apart
const ASIDE = 9; // pixels that random ones stand beside what was chosen, which is as much

// Draws both panels into `place`, as wide as it is; again when its width changes.
export function doseCurve(place, told) {
  const draw = () => place.replaceChildren(legend(told), ...["recall", "loss"].map(what => panel(wide(place), told, what)));
  draw();
  let width = place.clientWidth;
  new ResizeObserver(() => { if (place.isConnected && place.clientWidth !== width) { width = place.clientWidth; draw(); } }).observe(place);
}

function wide({ clientWidth: width }) {
  return Math.max(260, Math.floor(width >= BESIDE ? (width - GAP) / 2 : width || 600));
}

function legend({ doses, frequency, random }) {
  const made = document.createElement("ul");
  made.className = "legend";
  const lines = [["found", "what was found"], ...(frequency.length ? [["compared", "the frequency rule"]] : []), ["random", random.name]];
  for (const [kind, text] of lines) {
    const item = document.createElement("li");
    item.className = kind;
    item.append(text);
    made.append(item);
  }
  return made;
}

function panel(width, { unit, chosen, loss_name: lossName, doses, frequency, random }, what) {
  const all = [...doses, ...frequency, random];
  const values = all.flatMap(dose => dose[what]).filter(Number.isFinite);
  const [low, high] = what === "recall" ? [0, 100] : [Math.min(0, ...values), Math.max(2, ...values)];
  const most = Math.max(...all.map(dose => dose.amount), 1);
  // Numbers of channels are doubled from dose to dose.
  const along = unit.startsWith("%") ? amount => amount / most : amount => Math.log2(1 + amount) / Math.log2(1 + most);
  const x = amount => LEFT + along(amount) * (width - LEFT - RIGHT);
  const y = value => TOP + (1 - (value - low) / (high - low)) * (HEIGHT - TOP - BELOW);
  const title = what === "recall" ? "recognised (%)" : lossName;
  const svg = made("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": inWords(title, unit, doses, random, what) });
  svg.append(made("text", { x: 0, y: 14, class: "name" }, title));
  for (const value of ticks(low, high)) {
    svg.append(made("line", { x1: LEFT, x2: width - RIGHT, y1: y(value), y2: y(value), class: value === 0 ? "zero" : "grid" }));
    svg.append(made("text", { x: LEFT - 8, y: y(value) + 4, class: "end" }, String(value)));
  }
  let last = -Infinity;
  for (const amount of [...new Set(doses.map(dose => dose.amount))]) {
    // No room for each of many small doses.
    if (x(amount) - last < 26) continue;
    last = x(amount);
    svg.append(made("text", { x: x(amount), y: HEIGHT - 18, class: "middle" }, String(amount)));
  }
  svg.append(made("text", { x: (LEFT + width - RIGHT) / 2, y: HEIGHT - 2, class: "middle" }, unit));
  if (chosen != null) svg.append(made("line", { x1: x(chosen), x2: x(chosen), y1: TOP, y2: HEIGHT - BELOW, class: "chosen" }));
  if (frequency.length) svg.append(...line(frequency, "compared", x, y, what));
  svg.append(...line(doses, "found", x, y, what), ...line([random], "random", amount => x(amount) + ASIDE, y, what));
  return svg;
}

function line(doses, kind, x, y, what) {
  const points = doses.map(dose => `${x(dose.amount)},${y(dose[what][0])}`).join(" ");
  return [
    made("polyline", { points, class: kind }),
    ...doses.flatMap(({ amount, [what]: [value, low, high] }) => [
      made("path", { class: `${kind} whisker`, d: `M${x(amount)} ${y(low)}V${y(high)}M${x(amount) - WHISKER} ${y(low)}h${2 * WHISKER}M${x(amount) - WHISKER} ${y(high)}h${2 * WHISKER}` }),
      made("circle", { cx: x(amount), cy: y(value), r: 4, class: kind }),
    ]),
  ];
}

function ticks(low, high) {
  const rough = (high - low) / 5;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map(each => each * power).find(each => each >= rough * 0.99);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step / 1000; value += step) found.push(Number(value.toFixed(4)));
  return found;
}

const inWords = (title, unit, doses, random, what) =>
  `${title}: ${doses.map(dose => `at ${dose.amount} ${unit} ${dose[what][0].toFixed(1)}`).join(", ")}; ${random.name} ${random[what][0].toFixed(1)}`;

function made(name, attributes, text) {
  const element = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  if (text != null) element.append(text);
  return element;
}
