// A long job with its button, its stop button, a bar, and a line that says what is being done and how long it takes.

import { hush } from "./common.js";
import { connection, ended } from "./connection.js";

// Stages by their beginning, for those who don't know the techniques; others are said as they are.
const WORDS = [
  [/^(reading )?targets/, "Looking at the photos of the class"],
  [/^(reading )?controls/, "Looking at the other photos"],
  [/^photos/, "Looking at all photos"],
  [/^imagining/, "Making pictures before and after"],
  [/^visualizing what was removed/, "Drawing what was removed"],
  [/^training probes/, "Training fresh detectors"],
];

const inWords = stage => {
  const known = WORDS.find(([start]) => start.test(stage));
  return known ? stage.replace(/^[^(]*/, `${known[1]} `).trim() : stage.charAt(0).toUpperCase() + stage.slice(1);
};

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
    hush();
    this.#show(true);
    this.#bar(null);
    this.#say(doing);
    const clock = setInterval(() => this.#say(`${doing} · ${duration(Date.now() - began)}`), 1000);
    const job = connection.start(what, values, {
      waiting: ({ before }) => { doing = `${before} before you`; this.#say(doing); },
      begun: () => { doing = "Beginning…"; },
      progress: ({ stage, done, total }) => {
        // Of channels that are chosen until it is enough nobody knows how many there will be.
        const open = stage.startsWith("choosing");
        doing = open ? `${inWords(stage)}: ${done} so far` : inWords(stage);
        this.#bar(open || !total ? null : done / total);
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
