// A set of photos: dropped, chosen, or whole folders; made smaller here, sent one by one, shown as thumbnails.

import { element, say, view } from "../common.js";
import { bring } from "./bring.js";
import { reduced, takesMany } from "./gather.js";

const SIDE = 640; // pixels of the longer side: more than any network here looks at

export class PhotoSet {
  #root;
  #most;
  #changed;
  #waiting = [];
  #known = new Set(); // what was given already: the same photo does not count twice
  #sending = false;
  #sent = 0;
  #asked = 0;
  photos = []; // { name, title } of those that have arrived

  // `changed` is called with each photo that arrives or goes, and says whether more are on their way.
  constructor(root, most, changed) {
    this.#root = root;
    this.#most = most;
    this.#changed = changed;
    takesMany(root.querySelector(".zone"), root.querySelectorAll("input[type=file]"), photos => this.add(photos));
    root.querySelector(".clear").addEventListener("click", () => this.clear());
    this.#show();
  }

  get names() { return this.photos.map(photo => photo.name); }

  get busy() { return this.#sending; }

  add(photos) {
    const pictures = photos.filter(({ file, folder }) => {
      const key = `${folder} ${file.name} ${file.size} ${file.lastModified}`;
      return !this.#known.has(key) && this.#known.add(key);
    });
    const room = this.#most - this.photos.length - this.#waiting.length;
    if (!pictures.length) say(photos.length ? "These photos are there already." : "There is no picture among these files.");
    if (pictures.length > room) say(`At most ${this.#most} photos; the first of them are taken.`);
    this.#waiting.push(...pictures.slice(0, Math.max(0, room)));
    this.#asked = this.#sent + this.#waiting.length + (this.#sending ? 1 : 0);
    if (!this.#sending) this.#send();
  }

  clear() {
    this.#waiting = [];
    this.photos = [];
    this.#known.clear();
    this.#root.querySelector(".thumbs").replaceChildren();
    this.#show();
    this.#changed();
  }

  async #send() {
    this.#sending = true;
    while (this.#waiting.length) {
      const { file } = this.#waiting.shift();
      this.#show();
      const photos = this.photos;
      const brought = await bring(await reduced(file, SIDE), file.name);
      this.#sent += 1;
      // Removed meanwhile, with all others.
      if (!brought || photos !== this.photos) continue;
      this.photos.push(brought);
      this.#thumb(brought);
      this.#show();
      this.#changed();
    }
    this.#sending = false;
    this.#sent = this.#asked = 0;
    this.#show();
    this.#changed();
  }

  #thumb(photo) {
    const remove = element("button", { "aria-label": `Remove ${photo.title}`, title: `Remove ${photo.title}` }, element("span", { "aria-hidden": "true" }, "×"));
    const item = element("li", {}, element("img", { src: view(photo.name, 160), alt: photo.title, loading: "lazy" }), remove);
    remove.onclick = () => {
      this.photos = this.photos.filter(each => each !== photo);
      item.remove();
      this.#show();
      this.#changed();
    };
    this.#root.querySelector(".thumbs").append(item);
  }

  #show() {
    const count = this.photos.length;
    this.#root.querySelector(".count").textContent = count || "";
    this.#root.querySelector(".clear").hidden = !count;
    this.#root.classList.toggle("filled", count > 0);
    const sending = this.#root.querySelector(".sending");
    sending.hidden = !this.#sending;
    sending.querySelector("progress").value = this.#asked ? this.#sent / this.#asked : 0;
    sending.querySelector("span").textContent = `${this.#sent} of ${this.#asked} sent`;
  }
}
