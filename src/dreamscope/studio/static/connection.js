// The connection to the server: starts jobs, hears how they go, stops them; opens again if it breaks.

import { say } from "./common.js";

const HEAD = 4; // bytes before a picture: the number of its job

class Connection {
  // From the start: as long as a page is open, its visit does not end.
  constructor() { this.#open().catch(() => {}); }

  #socket = null;
  #opening = null;
  #jobs = new Map();
  #last = 0;

  #open() {
    if (this.#socket?.readyState === WebSocket.OPEN) return Promise.resolve();
    this.#opening ??= new Promise((opened, failed) => {
      const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/socket`);
      socket.binaryType = "arraybuffer";
      socket.onopen = () => { this.#socket = socket; this.#opening = null; opened(); };
      socket.onmessage = ({ data }) => (typeof data === "string" ? this.#told(JSON.parse(data)) : this.#seen(data));
      socket.onclose = ({ code }) => {
        this.#opening = null;
        const why = code === 4401 ? "This visit has ended. Load the page again." : "The connection to the studio is lost.";
        failed(new Error(why));
        for (const job of this.#jobs.values()) job.failed(new Error(why));
        this.#jobs.clear();
      };
    });
    return this.#opening;
  }

  #told({ job: number, event, ...rest }) {
    const job = this.#jobs.get(number);
    if (!job) return;
    if (event === "done") job.done(rest);
    else if (event === "stopped") job.done(null);
    else if (event === "failed") job.failed(new Error(rest.message));
    else job.hears[event]?.(rest);
    // The next picture of a stream comes under the same number.
    if (["done", "stopped", "failed"].includes(event) && !job.stays) this.#jobs.delete(number);
  }

  async #seen(data) {
    const job = this.#jobs.get(new DataView(data).getUint32(0));
    if (job?.hears.bytes) {
      job.hears.bytes(new Uint8Array(data, HEAD));
      return;
    }
    if (!job?.hears.frame) return;
    const picture = await createImageBitmap(new Blob([data.slice(HEAD)], { type: "image/jpeg" }));
    job.hears.frame(picture);
  }

  // Starts a job. `hears` has functions by kind of news: waiting, begun, progress, frame, and what the job itself tells;
  // with `bytes` it gets what the server sends in bytes as they are, instead of pictures.
  // Its `result` is what it told at the end, null if it was stopped with nothing to keep.
  start(what, values = {}, hears = {}) {
    const number = ++this.#last;
    const result = new Promise((done, failed) => this.#jobs.set(number, { hears, done, failed }));
    const send = message => this.#socket?.send(JSON.stringify({ job: number, ...message }));
    this.#open().then(() => send({ do: what, ...values }), () => {});
    return { result, stop: () => send({ stop: true }) };
  }

  // Starts a stream. `show` sends a JPEG and waits for what the server makes of it.
  async stream(what, values = {}) {
    await this.#open();
    const number = ++this.#last;
    const send = message => this.#socket.send(JSON.stringify({ job: number, ...message }));
    send({ do: what, ...values });
    return {
      show: async (jpeg, hears = {}) => {
        const answered = new Promise((done, failed) => this.#jobs.set(number, { hears, done, failed, stays: true }));
        const message = new Uint8Array(HEAD + jpeg.byteLength);
        new DataView(message.buffer).setUint32(0, number);
        message.set(new Uint8Array(jpeg), HEAD);
        this.#socket.send(message);
        return answered;
      },
      change: more => send({ do: what, ...more }),
      stop: () => {
        // Whoever still waits for an answer hears that none will come.
        this.#jobs.get(number)?.done(null);
        this.#jobs.delete(number);
        send({ stop: true });
      },
    };
  }
}

export const connection = new Connection();

// Waits for a job's end, and says what went wrong instead of throwing it.
export async function ended(job) {
  try {
    return await job.result;
  } catch (error) {
    say(error.message);
    return null;
  }
}
