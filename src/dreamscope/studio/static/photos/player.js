// Plays frames: sends them one after another, the next when the last is answered; while nothing moves only what has changed.

import { say } from "../common.js";
import { connection } from "../connection.js";
import { Rate } from "../parts/rate.js";

export class Player {
  #canvas; #asks; #answered; #changed;
  #source = null; // see frames.js
  #held = null; // the last frame as a JPEG
  #stream = null;
  #told = ""; // what the stream was told last
  #stepping = false; #again = false; #pumping = false;
  playing = false;
  rate = new Rate();

  // Draws frames on a canvas. `asks` returns what is asked of a frame, `answered` hears its maps and its answer,
  // `changed` that something was opened, plays, pauses or was closed.
  constructor(canvas, { asks, answered, changed }) {
    this.#canvas = canvas;
    this.#asks = asks;
    this.#answered = answered;
    this.#changed = changed;
    // What nobody sees is not computed.
    document.addEventListener("visibilitychange", () => { if (!document.hidden && this.playing) { this.rate.clear(); this.#pump(); } });
  }

  get isOpen() { return this.#source !== null; }

  get moves() { return Boolean(this.#source?.moves); }

  open(source) {
    this.#source = source;
    if (source.moves) this.play();
    else { this.#changed(); this.refresh(); }
  }

  play() {
    this.playing = true;
    this.rate.clear();
    this.#source.play();
    this.#changed();
    this.#pump();
  }

  pause() {
    this.playing = false;
    this.#source?.pause();
    this.#changed();
  }

  async step() {
    await this.#source.step();
    this.#stepping = true;
    this.#pump();
  }

  // Has the frame that is there answered once more, for what has changed.
  refresh() {
    if (!this.#source) return;
    this.#again = true;
    this.#pump();
  }

  close() {
    this.playing = false;
    this.#source?.close();
    this.#source = this.#held = null;
    this.#stream?.stop();
    this.#stream = null;
    this.#changed();
  }

  async #pump() {
    if (this.#pumping) return;
    this.#pumping = true;
    const mine = this.#source;
    try {
      while (mine && this.#source === mine && !document.hidden && (this.playing || this.#stepping || this.#again)) await this.#send(mine);
    } catch (error) {
      // It is opened again with the next frame.
      this.#stream?.stop();
      this.#stream = null;
      this.pause();
      say(error.message);
    } finally {
      this.#pumping = false;
    }
    if (this.#source && this.#source !== mine) this.#pump();
  }

  async #send(mine) {
    const taken = this.playing || this.#stepping || !this.#held ? await mine.take(this.#canvas) : this.#held;
    if (this.#source !== mine) return;
    this.#held = taken;
    this.#stepping = this.#again = false;
    const values = this.#asks(), now = JSON.stringify(values);
    if (!this.#stream) this.#stream = await connection.stream("live", values);
    else if (this.#told !== now) this.#stream.change(values);
    this.#told = now;
    const began = performance.now();
    let maps = null;
    const answer = await this.#stream.show(this.#held, { bytes: bytes => { maps = bytes; } });
    this.rate.add(performance.now() - began);
    if (this.#source === mine && maps && answer) this.#answered(maps, answer);
  }
}
