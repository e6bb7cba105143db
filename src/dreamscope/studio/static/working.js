// A long job with its button, its stop button, a bar, and a line that says what is being done and how long it takes.

import { connection, ended } from "./connection.js";

export class Working {
  #box;
  #start;
  #stop;
  #job = null;

  constructor(box, start, stop) {
    this.#box = box;
    this.#start = start;
    this.#stop = stop;
    stop.addEventListener("click", () => { this.#say("Stopping…"); this.#job?.stop(); });
  }

  // Runs it; returns what it told at the end, or null. `hears` as `connection.start` takes it.
  async run(what, values, hears = {}) {
    const began = Date.now();
    let doing = "Beginning…";
    this.#show(true);
    this.#bar(null);
    this.#say(doing);
    const clock = setInterval(() => this.#say(`${doing} · ${duration(Date.now() - began)}`), 1000);
    const job = connection.start(what, values, {
      waiting: ({ before }) => { doing = `${before} before you`; this.#say(doing); },
      begun: () => { doing = "Beginning…"; },
      progress: ({ stage, done, total }) => {
        doing = stage.charAt(0).toUpperCase() + stage.slice(1);
        this.#bar(total ? done / total : null);
        this.#say(`${doing} · ${duration(Date.now() - began)}`);
      },
      ...hears,
    });
    this.#job = job;
    const told = await ended(job);
    clearInterval(clock);
    this.#job = null;
    this.#show(false);
    return told;
  }

  #show(busy) {
    this.#box.hidden = this.#stop.hidden = !busy;
    this.#start.hidden = busy;
    if (busy) this.#stop.focus();
  }

  #bar(share) {
    const bar = this.#box.querySelector("progress");
    if (share === null) bar.removeAttribute("value");
    else bar.value = share;
  }

  #say(text) { this.#box.querySelector("span").textContent = text; }
}

const duration = milliseconds => {
  const seconds = Math.round(milliseconds / 1000);
  return seconds < 60 ? `${seconds} s` : `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
};
