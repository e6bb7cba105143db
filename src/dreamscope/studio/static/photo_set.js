// A set of photos: dropped, chosen, or whole folders; made smaller here, sent one by one, shown as thumbnails.

import { bring } from "./bring.js";
import { element, say, view } from "./common.js";

const SIDE = 640; // pixels of the longer side: more than any network here looks at
const QUALITY = 0.92;
const NAMES = /\.(jpe?g|png|webp|bmp|tiff?|gif)$/i;

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
    const zone = root.querySelector(".zone");
    for (const kind of ["dragover", "dragenter"]) {
      zone.addEventListener(kind, event => { event.preventDefault(); zone.classList.add("over"); });
    }
    zone.addEventListener("dragleave", () => zone.classList.remove("over"));
    zone.addEventListener("drop", async event => {
      event.preventDefault();
      zone.classList.remove("over");
      this.add(await dropped(event.dataTransfer));
    });
    for (const input of root.querySelectorAll("input[type=file]")) {
      input.addEventListener("change", () => { this.add([...input.files]); input.value = ""; });
    }
    root.querySelector(".clear").addEventListener("click", () => this.clear());
    this.#show();
  }

  get names() { return this.photos.map(photo => photo.name); }

  get busy() { return this.#sending; }

  add(files) {
    const pictures = files.filter(file => file.type.startsWith("image/") || NAMES.test(file.name))
      .filter(file => { const key = `${path(file)} ${file.size} ${file.lastModified}`; return !this.#known.has(key) && this.#known.add(key); })
      .sort((one, other) => path(one).localeCompare(path(other), undefined, { numeric: true }));
    const room = this.#most - this.photos.length - this.#waiting.length;
    if (!pictures.length) say(files.length ? "No new pictures among these files." : "That folder holds no files.");
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
      const file = this.#waiting.shift();
      this.#show();
      const photos = this.photos;
      const brought = await bring(await smaller(file));
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

const path = file => file.webkitRelativePath || file.name;

// Returns a photo with its longer side at most SIDE pixels; what the browser can't read goes as it is, for the server to say.
async function smaller(file) {
  let picture;
  try {
    picture = await createImageBitmap(file);
  } catch {
    return file;
  }
  const { width, height } = picture;
  const scale = SIDE / Math.max(width, height);
  if (scale >= 1) { picture.close(); return file; }
  const canvas = element("canvas");
  canvas.width = Math.max(1, Math.round(width * scale));
  canvas.height = Math.max(1, Math.round(height * scale));
  const pen = canvas.getContext("2d");
  pen.imageSmoothingQuality = "high";
  // Where the photo is transparent.
  pen.fillStyle = "#fff";
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
  picture.close();
  const blob = await new Promise(made => canvas.toBlob(made, "image/jpeg", QUALITY));
  return new File([blob], file.name.replace(/(\.\w+)?$/, ".jpg"), { type: "image/jpeg" });
}

// Returns the files of a drop, those in folders too. The entries must be asked for before anything is waited for.
async function dropped(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return [...transfer.files];
  return (await Promise.all(entries.map(inside))).flat();
}

async function inside(entry) {
  if (entry.isFile) return [await new Promise((found, failed) => entry.file(found, failed))];
  const reader = entry.createReader(), entries = [];
  // A reader gives a hundred at a time.
  for (let some; (some = await new Promise((found, failed) => reader.readEntries(found, failed))).length;) entries.push(...some);
  return (await Promise.all(entries.map(inside))).flat();
}
