// A timeline: places along a line, each with what holds from there on; moved, added and removed by hand or keyboard.

import { element } from "../common.js";

const APART = 0.1; // seconds

export class Timeline {
  #track; #scale; #chosen; #changed; #most; #length = 5; #current = 0;
  places = [];

  // `chosen` hears which place is chosen, `changed` that something moved. A place is { time, color, words, image, ... }.
  constructor(track, scale, { most, chosen, changed }) {
    this.#track = track;
    this.#scale = scale;
    this.#most = most;
    this.#chosen = chosen;
    this.#changed = changed;
    track.addEventListener("click", event => {
      if (event.target === track) this.add(event.offsetX / track.clientWidth * this.#length);
    });
  }

  get current() { return this.places[this.#current]; }

  get number() { return this.#current; }

  get length() { return this.#length; }

  // A film of another length has its places at the same shares of it.
  set length(seconds) {
    for (const place of this.places) place.time = round(place.time * seconds / this.#length);
    this.#length = seconds;
    this.places.forEach((_, number) => this.#clamp(number));
    this.draw();
  }

  choose(number) {
    this.#current = number;
    this.draw();
    this.#chosen(this.current);
  }

  // Adds a place, that goes on as the one before it; without a time, in the middle of the largest gap.
  add(time = null) {
    if (this.places.length >= this.#most) return;
    const times = [...this.places.map(place => place.time), this.#length];
    const gaps = times.slice(1).map((after, place) => after - times[place]);
    const widest = gaps.indexOf(Math.max(...gaps));
    const at = round(time ?? times[widest] + gaps[widest] / 2);
    const later = this.places.findIndex(place => place.time >= at);
    const number = later < 0 ? this.places.length : Math.max(1, later);
    this.places.splice(number, 0, { ...this.places[number - 1], time: at });
    this.#clamp(number);
    this.choose(number);
    this.#track.querySelectorAll("[role=slider]")[number].focus();
    this.#changed();
  }

  remove(number = this.#current) {
    if (this.places.length < 2) return;
    this.places.splice(number, 1);
    this.places[0].time = 0;
    this.choose(Math.max(0, number - 1));
    this.#track.querySelectorAll("[role=slider]")[this.#current].focus();
    this.#changed();
  }

  move(number, time) {
    this.places[number].time = round(time);
    this.#clamp(number);
    this.draw();
    this.#chosen(this.current);
    this.#changed();
  }

  // The first stays at the beginning; the others keep their order.
  #clamp(number) {
    const place = this.places[number], before = this.places[number - 1], after = this.places[number + 1];
    const most = after ? after.time - APART : this.#length;
    place.time = before ? round(Math.max(before.time + APART, Math.min(most, place.time))) : 0;
  }

  draw() {
    const share = place => 100 * Math.min(1, place.time / this.#length);
    const markers = [...this.#track.querySelectorAll("[role=slider]")];
    while (markers.length > this.places.length) markers.pop().remove();
    while (markers.length < this.places.length) markers.push(this.#marker(markers.length));
    this.places.forEach((place, number) => {
      const marker = markers[number];
      marker.style.left = `${share(place)}%`;
      marker.style.borderColor = place.color;
      marker.classList.toggle("chosen", number === this.#current);
      marker.setAttribute("aria-valuemax", this.#length);
      marker.setAttribute("aria-valuenow", place.time);
      marker.setAttribute("aria-valuetext", `${place.time} s: ${place.words}`);
      marker.style.backgroundImage = place.image ? `url("${place.image}")` : "none";
      marker.textContent = place.image ? "" : number + 1;
    });
    const stops = this.places.map(place => `${place.color} ${share(place)}%`);
    this.#track.style.backgroundImage = `linear-gradient(90deg, ${stops.length > 1 ? stops.join(", ") : `${this.places[0].color}, ${this.places[0].color}`})`;
    const step = [0.5, 1, 2, 5, 10].find(each => this.#length / each <= 12) ?? 20;
    this.#scale.replaceChildren(...Array.from({ length: Math.floor(this.#length / step + 1e-6) + 1 }, (_, number) => {
      const mark = element("span", {}, `${number * step} s`);
      mark.style.left = `${100 * number * step / this.#length}%`;
      return mark;
    }));
  }

  #marker(number) {
    const marker = element("div", { role: "slider", tabindex: 0, "aria-label": `Place ${number + 1}`, "aria-valuemin": 0 });
    marker.addEventListener("pointerdown", event => { event.preventDefault(); marker.setPointerCapture(event.pointerId); marker.focus(); });
    marker.addEventListener("pointermove", event => {
      if (!marker.hasPointerCapture(event.pointerId)) return;
      const box = this.#track.getBoundingClientRect();
      this.move(number, (event.clientX - box.left) / box.width * this.#length);
    });
    marker.addEventListener("focus", () => { if (number !== this.#current) this.choose(number); });
    marker.addEventListener("keydown", event => {
      const step = { ArrowLeft: -0.1, ArrowDown: -0.1, ArrowRight: 0.1, ArrowUp: 0.1, PageDown: -1, PageUp: 1 }[event.key];
      if (step) this.move(number, this.places[number].time + step * (event.shiftKey ? 5 : 1));
      else if (event.key === "Home") this.move(number, 0);
      else if (event.key === "End") this.move(number, this.#length);
      else if (event.key === "Delete" || event.key === "Backspace") this.remove(number);
      else return;
      event.preventDefault();
    });
    this.#track.append(marker);
    return marker;
  }
}

const round = time => Math.round(time * 10) / 10;
