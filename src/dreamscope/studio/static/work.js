// Work that is started, watched and stopped: one piece at a time, a new one in place of the one before.

import { $, hush } from "./common.js";
import { connection, ended } from "./connection.js";

const TELLING = 0.03; // the least share that tells how long the rest takes
const OPEN = /^choosing/; // stages that end when it is enough: nobody knows how many there will be

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

const duration = seconds => {
  const whole = Math.max(1, Math.round(seconds)), minutes = Math.floor(whole / 60);
  return whole < 90 ? `${whole} s` : whole % 60 ? `${minutes} min ${whole % 60} s` : `${minutes} min`;
};

// Lines of how far it is: how long this stage still takes,
export const timeLeft = (_, { left }) => (left > 4 ? `${duration(left < 90 ? left : 60 * Math.round(left / 60))} left` : "");

// or what is being done, and for how long already.
export const stageAndTime = ({ stage, done }, { seconds }) =>
  `${inWords(stage)}${OPEN.test(stage) ? `: ${done} so far` : ""} · ${duration(seconds)}`;

export class Work {
  #run; #stop; #bar; #state; #box; #line;
  #job = null;
  #begun = 0; // when the piece was
  #news = null; // the newest, with when its stage was begun, how much was done by then, and the seconds left
  #stopping = false;

  // Takes the buttons that run and stop it, a box with the bar and the line that is there only while it works (without
  // one they are the page's own), and what makes the line of news, of the `seconds` it has taken and those `left`.
  constructor({ run = $("run"), stop = $("stop"), box = null, line = timeLeft } = {}) {
    this.#run = run;
    this.#stop = stop;
    this.#bar = box?.querySelector("progress") ?? $("progress");
    this.#state = box?.querySelector("span") ?? $("state");
    this.#box = box ?? this.#bar;
    this.#line = line;
    stop.onclick = () => { this.say("Stopping…"); this.#stopping = true; this.#job?.stop(); };
  }

  // Does it; returns what it told at the end, null if there is nothing, undefined if something newer took its place.
  // `hears` as `connection.start` takes it.
  async do(what, values, hears = {}) {
    this.stop();
    hush();
    const all = {
      waiting: ({ before }) => this.say(`${before} before you`),
      begun: () => this.say("Beginning…"),
      ...hears,
      progress: news => { this.#progress(news); hears.progress?.(news); },
    };
    // What an older piece still tells is of no interest.
    const current = hear => news => { if (this.#job === job) hear(news); };
    const job = connection.start(what, values, Object.fromEntries(Object.entries(all).map(([event, hear]) => [event, current(hear)])));
    this.#job = job;
    this.#begun = performance.now();
    this.#news = null;
    this.#bar.removeAttribute("value");
    this.#busy(true);
    const clock = setInterval(() => this.#tell(), 1000);
    const result = await ended(job);
    clearInterval(clock);
    if (this.#job !== job) return undefined;
    this.#job = null;
    this.#busy(false);
    return result;
  }

  stop() {
    this.#job?.stop();
    this.#job = null;
    this.#busy(false);
  }

  // Not what stands there already: it would be read out again and again.
  say(text) { if (!this.#stopping && this.#state.textContent !== text) this.#state.textContent = text; }

  #busy(yes) {
    this.#stopping = false;
    const [comes, goes] = yes ? [this.#stop, this.#run] : [this.#run, this.#stop];
    const focused = goes !== null && document.activeElement === goes;
    this.#stop.hidden = this.#box.hidden = !yes;
    if (this.#run) this.#run.hidden = yes;
    // The keyboard stays where it was.
    if (focused) comes?.focus({ preventScroll: true });
    this.say("");
  }

  #progress({ stage, done, total }) {
    const now = performance.now(), known = total && !OPEN.test(stage);
    const { since, first } = this.#news?.stage === stage ? this.#news : { since: now, first: done };
    const told = known && (done - first) / total > TELLING;
    this.#news = { stage, done, total, since, first, left: told ? (now - since) / 1000 * (total - done) / (done - first) : 0 };
    if (known) this.#bar.value = done / total;
    else this.#bar.removeAttribute("value");
    this.#tell();
  }

  #tell() {
    if (this.#job && this.#news) this.say(this.#line(this.#news, { seconds: (performance.now() - this.#begun) / 1000, left: this.#news.left }));
  }
}
