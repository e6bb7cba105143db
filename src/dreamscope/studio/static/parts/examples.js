// The parts of real photos that excite a channel most, in small: those known at once, others when they are asked for.

import { element } from "../common.js";
import { connection, ended } from "../connection.js";

const MOST = 6;

export class Examples {
  #list; #button; #state;
  #at = null;

  constructor(list, button, state) {
    [this.#list, this.#button, this.#state] = [list, button, state];
    button.onclick = () => this.#find();
  }

  // Shows what was found of a channel before.
  async show(at) {
    this.#at = at;
    this.#draw([]);
    this.#say("", false);
    const known = await ended(connection.start("look_known", { at }));
    if (this.#at !== at) return;
    if (known?.exemplars) this.#draw(known.exemplars, known.count);
    else this.#say("", true);
  }

  async #find() {
    const at = this.#at;
    this.#say("", false);
    const told = text => { if (this.#at === at) this.#say(text, false); };
    const found = await ended(connection.start("look_exemplars", { at }, {
      waiting: ({ before }) => told(`${before} before you`),
      progress: ({ done, total }) => told(`Looking through the photos: ${done} of ${total}`),
    }));
    if (this.#at !== at) return;
    if (found) this.#draw(found.exemplars, found.count);
    else this.#say("", true);
  }

  #draw(found, count = 0) {
    this.#list.replaceChildren(...found.slice(0, MOST).map(({ patch, photo, name, value }) => element("li", {},
      element("img", { src: patch ?? photo, alt: `${name}, at ${value.toPrecision(3)}` }), element("small", {}, name))));
    if (count) this.#say(found.length ? `The strongest of ${count} photos.` : `Nothing in ${count} photos excites it.`, false);
  }

  #say(text, canFind) {
    this.#state.textContent = text;
    this.#button.hidden = !canFind;
  }
}
