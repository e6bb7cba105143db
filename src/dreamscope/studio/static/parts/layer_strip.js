// A strip of small pictures, one for each layer, from early to late, filled in while one looks.

import { element } from "../common.js";

export class LayerStrip {
  #list; #chosen = null;

  constructor(list, layers, choose) {
    this.#list = list;
    list.replaceChildren(...layers.map(layer => {
      const button = element("button", { type: "button", "data-layer": layer, "aria-pressed": "false" }, element("i"), element("span", {}, layer), element("small"));
      button.onclick = () => choose(layer);
      return element("li", {}, button);
    }));
  }

  get chosen() { return this.#chosen; }

  set chosen(layer) {
    this.#chosen = layer;
    for (const button of this.#list.querySelectorAll("button")) button.setAttribute("aria-pressed", button.dataset.layer === layer);
  }

  #button(layer) { return this.#list.querySelector(`[data-layer="${CSS.escape(layer)}"]`); }

  // Takes all pictures away.
  empty() {
    for (const button of this.#list.querySelectorAll("button")) {
      button.querySelector("img, i").replaceWith(element("i"));
      button.querySelector("small").textContent = "";
    }
  }

  // The name of the layer stands below it, so that the picture needs none of its own.
  put(layer, source, words = "") {
    this.#button(layer).querySelector("img, i").replaceWith(element("img", { src: source, alt: "" }));
    this.#button(layer).querySelector("small").textContent = words;
  }

  picture(layer) { return this.#button(layer)?.querySelector("img")?.src ?? null; }
}
