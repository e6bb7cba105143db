// The pages of an atlas: its search, its grids, its photos. A classic script: a page that is opened as a file may load
// no module, and fetch nothing. Names and labels reach the page only as text.

"use strict";
(() => {
  document.documentElement.classList.add("js");
  const find = (selector, within = document) => within.querySelector(selector);
  const all = (selector, within = document) => [...within.querySelectorAll(selector)];
  const make = (name, properties = {}, ...children) => {
    const made = Object.assign(document.createElement(name), properties);
    made.append(...children);
    return made;
  };

  // ---- The search

  const MOST = 60;
  const STATISTICS = {
    mean: "mean", deviation: "deviation", dev: "deviation", positive: "positive", share: "positive", best: "best",
    trust: "trust",
  };

  // Reads "blocks.4 mean>0.2": conditions on numbers, and words, which all have to hold.
  function understood(text) {
    const conditions = [];
    const rest = text.toLowerCase().replace(/([a-z]+)\s*(>=|<=|>|<)\s*([-\u2212]?\d*\.?\d+)/g, (whole, name, sign, number) => {
      if (!(name in STATISTICS)) return whole;
      conditions.push([STATISTICS[name], sign[0], Number(number.replace("\u2212", "-"))]);
      return " ";
    });
    return { conditions, words: rest.split(/\s+/).filter(Boolean) };
  }

  // What a word can stand for: a layer or one of its channels (LAYER or LAYER:CHANNEL), or classes.
  function meant(word, atlas) {
    const [layer, channel] = word.split(":");
    const layers = new Set();
    atlas.layers.forEach(([name], place) => {
      const known = name.toLowerCase();
      if (channel === undefined ? known.startsWith(layer) : known === layer) layers.add(place);
    });
    const classes = new Map();
    for (const index of Object.keys(atlas.names)) {
      const name = atlas.lower[index], at = name.indexOf(word);
      if (at < 0) continue;
      // The whole name, a whole word of it, the beginning of a word, or any part.
      const starts = at === 0 || !/[\p{L}\p{N}]/u.test(name[at - 1]);
      const ends = at + word.length === name.length || !/[\p{L}\p{N}]/u.test(name[at + word.length]);
      classes.set(Number(index), name === word ? 0 : starts && ends ? 1 : starts ? 2 : 3);
    }
    return { layers, classes, channel: channel === undefined ? null : channel };
  }

  function search(text, atlas) {
    const { conditions, words } = understood(text);
    if (!conditions.length && !words.length) return null;
    const meanings = words.map(word => meant(word, atlas));
    const found = { layers: [], classes: [], channels: [] };
    if (!conditions.length) {
      const kept = atlas.layers.map((_, place) => place).filter(place => meanings.every(each => each.channel === null && each.layers.has(place)));
      found.layers = kept;
      found.classes = atlas.classes
        .map(([index, drawn]) => [index, drawn, Math.max(...meanings.map(each => each.classes.get(index) ?? 9))])
        .filter(([, , rank]) => rank < 9)
        .sort((a, b) => a[2] - b[2] || atlas.lower[a[0]].length - atlas.lower[b[0]].length);
    }
    const columns = conditions.map(([name, sign, limit]) => [atlas[name], sign === ">", limit]);
    let first = 0;
    atlas.layers.forEach(([, , count], place) => {
      for (let channel = 0; channel < count; channel++) {
        const at = first + channel;
        let rank = 0;
        const fits = columns.every(([values, above, limit]) => values[at] !== null && (above ? values[at] > limit : values[at] < limit))
          && meanings.every(each => {
            if (each.layers.has(place)) return each.channel === null || String(channel).startsWith(each.channel);
            const labels = atlas.labels[at];
            let best = 99;
            for (let i = 0; i < labels.length; i++) {
              const good = each.classes.get(labels[i]);
              if (good !== undefined) best = Math.min(best, 10 * good + i);
            }
            rank += best;
            return best < 99;
          });
        if (fits) found.channels.push({ place, channel, at, rank });
      }
      first += count;
    });
    const exact = meanings.find(each => each.channel);
    // Late channels stand for classes, early ones for what is in many.
    const classesMeant = meanings.some(each => !each.layers.size);
    if (columns.length) {
      const [values, above] = columns[0];
      found.channels.sort((a, b) => above ? values[b.at] - values[a.at] : values[a.at] - values[b.at]);
    } else {
      found.channels.sort((a, b) => (exact ? a.channel - b.channel : 0) || a.rank - b.rank || (classesMeant ? b.at - a.at : a.at - b.at));
    }
    found.shown = conditions.map(([name]) => name);
    return found;
  }

  const place = find("#search");
  if (place) {
    place.hidden = false;
    const root = place.dataset.root, box = find("input", place), panel = find("#found"), results = find(".results", panel);
    let waiting = null;

    const atlas = () => waiting ??= new Promise((resolve, reject) => {
      const script = make("script", { src: `${root}search.js`, onerror: reject });
      script.onload = () => {
        const found = window.dreamscopeSearch;
        found.lower = Object.fromEntries(Object.entries(found.names).map(([index, name]) => [index, name.toLowerCase()]));
        resolve(found);
      };
      document.head.append(script);
    });

    const image = source => make("img", { src: root + source, alt: "", loading: "lazy" });
    const thumb = (found, { place: layer, channel, at }) => {
      const [name, folder] = found.layers[layer], two = make("span", { className: "two" }), mark = found.pictured[at];
      if (mark % 2) {
        const drawn = image(`data/pictures/${folder}/${channel}-most.webp`);
        drawn.className = "drawn";
        two.append(drawn);
      }
      if (mark > 1) {
        const patch = make("span", { className: "patch" }, image(`data/exemplars/${folder}/${channel}.webp`));
        patch.style.setProperty("--at", 0);
        patch.style.setProperty("--of", mark >> 1);
        two.append(patch);
      }
      if (!mark) two.append(make("span", { className: "nothing" }));
      return make("a", { className: "thumb", href: `${root}layers/${folder}/${channel}.html` }, two, make("b", { textContent: `${name}:${channel}` }));
    };

    const draw = found => {
      const said = search(box.value, found);
      panel.hidden = said === null;
      box.setAttribute("aria-expanded", String(said !== null));
      if (said === null) return;
      const parts = [], words = links => make("div", { className: "words" }, ...links);
      if (said.layers.length) {
        parts.push(make("h2", { textContent: "Layers" }), words(said.layers.slice(0, 12).map(layer =>
          make("a", { href: `${root}layers/${found.layers[layer][1]}/index.html`, textContent: found.layers[layer][0] }))));
      }
      if (said.classes.length) {
        parts.push(make("h2", { textContent: "Classes" }), words(said.classes.slice(0, 12).map(([index]) =>
          make("a", { href: `${root}classes/${index}.html`, textContent: found.names[index] }))));
      }
      if (said.channels.length) {
        const list = make("ol", { className: "tiles" });
        for (const each of said.channels.slice(0, MOST)) {
          const item = make("li", {}, thumb(found, each));
          for (const name of new Set(said.shown)) {
            item.append(make("small", { textContent: `${name} ${String(found[name][each.at]).replace("-", "\u2212")}` }));
          }
          list.append(item);
        }
        parts.push(make("h2", { textContent: "Channels" }), list);
      }
      results.replaceChildren(...parts);
      panel.scrollTop = 0;
      const count = said.channels.length, numbers = [];
      if (said.layers.length) numbers.push(`${said.layers.length} ${said.layers.length === 1 ? "layer" : "layers"}`);
      if (said.classes.length) numbers.push(`${said.classes.length} ${said.classes.length === 1 ? "class" : "classes"}`);
      if (count) numbers.push(`${count.toLocaleString("en")} ${count === 1 ? "channel" : "channels"}${count > MOST ? `, the first ${MOST} here` : ""}`);
      find("p", panel).textContent = numbers.length ? numbers.join(", ")
        : "Nothing fits. Try an address (blocks.4.2:40), a class (bee), or a number: mean, deviation, positive, best or trust with > or <.";
    };

    const look = () => atlas().then(found => {
      const before = performance.now();
      draw(found);
      place.dataset.took = (performance.now() - before).toFixed(1);
    }, () => { find("p", panel).textContent = "search.js is missing beside the pages."; panel.hidden = false; });

    const close = () => { panel.hidden = true; box.setAttribute("aria-expanded", "false"); };
    box.addEventListener("focus", () => box.value ? look() : atlas().catch(() => {}));
    box.addEventListener("input", look);
    place.addEventListener("keydown", event => {
      const links = all("a", panel), at = links.indexOf(document.activeElement);
      if (event.key === "Escape") {
        if (panel.hidden) return;
        event.preventDefault();
        box.focus();
        close();
      } else if (event.key === "Enter" && event.target === box) {
        event.preventDefault();
        links[0]?.click();
      } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && !panel.hidden) {
        event.preventDefault();
        const next = at + (event.key === "ArrowDown" ? 1 : -1);
        (next < 0 ? box : links[Math.min(next, links.length - 1)])?.focus();
      }
      event.stopPropagation();
    });
    document.addEventListener("click", event => { if (!place.contains(event.target) && !event.target.closest("[data-query]")) close(); });
    place.addEventListener("focusout", event => { if (event.relatedTarget && !place.contains(event.relatedTarget)) close(); });
    // The first page is where most begin to search.
    if (!root) addEventListener("load", () => setTimeout(() => atlas().catch(() => {}), 300));
    for (const button of all("[data-query]")) {
      button.parentElement.hidden = false;
      button.addEventListener("click", () => {
        box.value = button.dataset.query;
        box.focus();
      });
    }
    document.addEventListener("keydown", event => {
      if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.altKey && !event.target.closest("input, select, dialog")) {
        event.preventDefault();
        box.focus();
        box.select();
      }
    });
  }

  // ---- Grids: what they show, and in which order

  for (const controls of all(".controls")) controls.hidden = false;
  const tiles = find(".tiles");
  find("[data-show]")?.addEventListener("change", event => {
    tiles.className = `tiles ${event.target.value}`;
  });
  const sort = find("[data-sort]");
  if (sort) {
    const names = ["number", "mean", "sparse", "trust"];
    const items = all("li", tiles).map(item => [item, item.dataset.of.split(",").map(Number)]);
    const order = () => {
      const by = names.indexOf(sort.value);
      items.sort(([, a], [, b]) => (by ? b[by] - a[by] : 0) || a[0] - b[0]);
      tiles.append(...items.map(([item]) => item));
    };
    sort.addEventListener("change", order);
    // A browser that goes back keeps what was chosen.
    addEventListener("pageshow", () => {
      if (sort.value !== "number") order();
      const shown = find("[data-show] :checked").value;
      tiles.className = `tiles ${shown}`;
    });
  }
  find("[data-filter]")?.addEventListener("input", event => {
    const word = event.target.value.trim().toLowerCase();
    for (const item of all("li", tiles)) item.hidden = !item.textContent.toLowerCase().includes(word);
  });

  // ---- The activation atlas: names stay inside the page, and arrow keys walk

  const map = find(".atlas");
  if (map) {
    const cells = all("[data-name]", map).map(cell => {
      const [row, column] = cell.style.gridArea.split("/").map(part => parseInt(part, 10));
      return { cell, row, column };
    });
    const columns = Math.max(...cells.map(each => each.column));
    for (const { cell, row, column } of cells) {
      cell.classList.toggle("low", row < 3);
      cell.classList.toggle("first", column < 3);
      cell.classList.toggle("last", column > columns - 2);
      cell.tabIndex = cell.matches("a") ? -1 : cell.tabIndex;
    }
    const links = cells.filter(({ cell }) => cell.matches("a"));
    if (links.length) links[0].cell.tabIndex = 0;
    map.addEventListener("keydown", event => {
      const way = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      const from = links.find(({ cell }) => cell === document.activeElement);
      if (!way || !from) return;
      event.preventDefault();
      event.stopPropagation();
      // The nearest that lies that way, rather straight on than aside.
      const next = links.map(each => [each, (each.row - from.row) * way[0] + (each.column - from.column) * way[1],
        Math.abs((each.row - from.row) * way[1]) + Math.abs((each.column - from.column) * way[0])])
        .filter(([, on]) => on > 0).sort((a, b) => a[1] + 3 * a[2] - b[1] - 3 * b[2])[0];
      if (!next) return;
      from.cell.tabIndex = -1;
      next[0].cell.tabIndex = 0;
      next[0].cell.focus();
    });
  }

  // ---- Photos in full: each has an address of its own, #exemplar-3

  let opener = null;
  const forget = () => {
    try { history.replaceState(null, "", location.pathname + location.search); } catch { /* a file of its own origin */ }
  };
  const open = () => {
    const wanted = location.hash.length > 1 ? document.getElementById(decodeURIComponent(location.hash.slice(1))) : null;
    for (const each of all("dialog[open]")) if (each !== wanted) { each.dataset.moved = ""; each.close(); }
    if (wanted?.matches("dialog:not([open])")) {
      opener = find(`.exemplars a[href="${location.hash}"]`);
      wanted.showModal();
    }
  };
  for (const dialog of all("dialog")) {
    dialog.addEventListener("close", () => {
      if ("moved" in dialog.dataset) { delete dialog.dataset.moved; return; }
      forget();
      opener?.focus();
    });
    dialog.addEventListener("click", event => {
      if (event.target === dialog || event.target.closest("[data-close]")) { event.preventDefault(); dialog.close(); }
    });
    dialog.addEventListener("keydown", event => {
      const way = { ArrowLeft: "back", ArrowRight: "on" }[event.key];
      if (way) find(`[data-step=${way}]`, dialog)?.click();
    });
  }
  for (const link of all(".exemplars a[href^='#'], [data-step]")) {
    link.addEventListener("click", event => {
      // The same address again is no change of it.
      if (location.hash === link.hash) { event.preventDefault(); open(); }
    });
  }
  addEventListener("hashchange", open);
  open();

  // ---- From channel to channel with the arrow keys

  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || event.defaultPrevented) return;
    if (event.target.closest("input, select, dialog, [role=search]") || find("dialog[open]")) return;
    const way = { ArrowLeft: "prev", ArrowRight: "next" }[event.key];
    if (way) find(`.heading a[rel=${way}]`)?.click();
  });

  // ---- Lines to copy

  const copied = async text => {
    if (navigator.clipboard && isSecureContext) return navigator.clipboard.writeText(text);
    const field = make("textarea", { value: text });
    document.body.append(field);
    field.select();
    document.execCommand("copy");
    field.remove();
  };
  for (const line of all(".commands dd")) {
    const button = make("button", { type: "button", textContent: "Copy" });
    button.setAttribute("aria-label", `Copy: ${line.textContent.trim()}`);
    button.addEventListener("click", async () => {
      await copied(find("code", line).textContent).catch(() => {});
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 1500);
      button.focus();
    });
    line.append(button);
  }
})();
