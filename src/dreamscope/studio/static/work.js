// Work that is started, watched and stopped: one piece at a time, a new one in place of the one before.

import { $, hush } from "./common.js";
import { connection, ended } from "./connection.js";

const TELLING = 0.03; // the least share that tells how long the rest takes

const duration = seconds => (seconds < 90 ? `${Math.max(1, Math.round(seconds))} s` : `${Math.round(seconds / 60)} min`);

export class Work {
  #job = null; #stage = null; #begun = 0; #first = 0;

  constructor() { $("stop").onclick = () => { $("state").textContent = "Stopping…"; this.#job?.stop(); }; }

  get running() { return this.#job !== null; }

  // Does it; returns what it told at the end, null if there is nothing, undefined if something newer took its place.
  async do(what, values, hears = {}) {
    this.stop();
    hush();
    const job = connection.start(what, values, {
      waiting: ({ before }) => this.say(`${before} before you`),
      begun: () => this.say("Beginning…"),
      ...hears,
      progress: news => { this.#progress(news); hears.progress?.(news); },
    });
    this.#job = job;
    this.#stage = null;
    this.#busy(true);
    const result = await ended(job);
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

  say(text) { $("state").textContent = text; }

  #busy(yes) {
    $("run").hidden = yes;
    $("stop").hidden = $("progress").hidden = !yes;
    $("progress").value = 0;
    this.say("");
  }

  #progress({ stage, done, total }) {
    const now = performance.now();
    if (stage !== this.#stage) { this.#stage = stage; this.#begun = now; this.#first = done; }
    $("progress").value = total ? done / total : 0;
    const share = total ? (done - this.#first) / total : 0, left = (now - this.#begun) / 1000 * (total - done) / (done - this.#first);
    // Not on every step: it would flicker, and be read out again and again.
    if (share > TELLING && left > 4) this.#tell(`${duration(left)} left`);
    else if ($("state").textContent !== "Stopping…") this.say("");
  }

  #tell(text) { if ($("state").textContent !== text && $("state").textContent !== "Stopping…") this.say(text); }
}
