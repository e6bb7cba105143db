// How many frames a second there were lately, and how long each took.

const LATELY = 5000; // milliseconds

const share = (sorted, part) => sorted[Math.min(sorted.length - 1, Math.floor(part * sorted.length))];

export class Rate {
  #frames = []; // when each was answered, and how many milliseconds that took

  add(taken) {
    const now = performance.now();
    this.#frames.push({ now, taken });
    this.#frames = this.#frames.filter(frame => now - frame.now < LATELY);
  }

  clear() { this.#frames = []; }

  // A line for people; empty until there are a few frames.
  get text() {
    if (this.#frames.length < 4) return "";
    const sorted = values => values.sort((one, other) => one - other);
    const apart = sorted(this.#frames.slice(1).map(({ now }, place) => now - this.#frames[place].now));
    const taken = sorted(this.#frames.map(frame => frame.taken));
    const second = 1000 / share(apart, 0.5);
    return `${second.toFixed(second < 10 ? 1 : 0)} frames a second · answered after ${share(taken, 0.5).toFixed(0)} ms, 95% within ${share(taken, 0.95).toFixed(0)} ms`;
  }
}
