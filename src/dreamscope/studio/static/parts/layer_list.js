// The list of layers: blocks first, each with what is inside it; what lies between them in its place.

import { element, facts, plural } from "../common.js";
import { link } from "./places.js";

export class LayerList {
  #list; #search; #none;
  #current = null;

  // Takes the list, the field that it is searched with, and what is there if nothing is found.
  constructor(list, search, none) {
    this.#list = list;
    this.#search = search;
    this.#none = none;
    search.oninput = () => this.#draw();
    this.#draw();
  }

  // Marks the layer that one looks at.
  mark(layer) {
    this.#current = layer;
    for (const anchor of this.#list.querySelectorAll("a")) {
      const current = anchor.place.layer === layer;
      if (current) anchor.setAttribute("aria-current", "true");
      else anchor.removeAttribute("aria-current");
      if (current) anchor.closest("li li")?.closest("details").setAttribute("open", "");
      if (current) this.#reveal(anchor);
    }
  }

  #draw() {
    const wanted = this.#search.value.trim().toLowerCase();
    const found = facts.layers.filter(({ name, type }) => `${name} ${type}`.toLowerCase().includes(wanted));
    this.#list.replaceChildren(...wanted ? found.map(layer => entry(layer)) : nested());
    this.#none.hidden = this.#list.childElementCount > 0;
    this.mark(this.#current);
  }

  // Scrolls the list, and nothing else, to where a layer is seen.
  #reveal(anchor) {
    const list = this.#list.closest(".layers");
    const [around, own] = [list, anchor].map(each => each.getBoundingClientRect());
    if (own.top < around.top || own.bottom > around.bottom) list.scrollTop += own.top - around.top - around.height / 2;
  }
}

function nested() {
  const inside = (name, others) => others.some(each => name.startsWith(`${each}.`));
  const around = name => facts.blocks.some(each => each.startsWith(`${name}.`));
  const names = facts.layers.map(layer => layer.name);
  const between = names.filter(name => !facts.blocks.includes(name) && !inside(name, facts.blocks) && !around(name));
  const rows = [...facts.blocks, ...between.filter(name => !inside(name, between))];
  return facts.layers.filter(({ name }) => rows.includes(name)).map(layer => {
    const row = entry(layer);
    const inner = facts.layers.filter(({ name }) => inside(name, [layer.name]));
    if (inner.length) {
      const summary = element("summary", { title: plural(inner.length, "part"), "aria-label": `Parts of ${layer.name}` });
      row.append(element("details", {}, summary, element("ul", {}, ...inner.map(each => entry(each, each.name.slice(layer.name.length + 1))))));
    }
    return row;
  });
}

function entry({ name, channels, grid }, shown = name) {
  const size = grid.length === 2 ? ` · ${grid.join("×")}` : "";
  return element("li", { "data-layer": name }, link({ layer: name, channel: null }, {}, element("b", {}, shown), element("small", {}, `${channels}${size}`)));
}
