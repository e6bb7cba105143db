// Many photos at once, from files and folders: made small in the browser before they are sent, a few at a time.

import { bring } from "./bring.js";

const AT_ONCE = 3;
const PICTURE = /\.(jpe?g|png|webp|gif|bmp|avif|tiff?)$/i;

// What is known of a photo before it is sent: the file, and the folder that it was in, if any.
const told = (file, folder) => ({ file, folder });
const isPicture = ({ file }) => file.type.startsWith("image/") || PICTURE.test(file.name);

async function inside(entry, folder) {
  if (entry.isFile) return [told(await new Promise((found, failed) => entry.file(found, failed)), folder)];
  const reader = entry.createReader();
  const found = [];
  // A folder is read a hundred at a time, until there is nothing more.
  for (;;) {
    const some = await new Promise((read, failed) => reader.readEntries(read, failed));
    if (!some.length) return found;
    for (const each of some) found.push(...await inside(each, entry.name));
  }
}

// Returns the photos among what was dropped, in the order of their names.
async function dropped(transfer) {
  // To be asked for before anything is waited for.
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  const found = entries.length
    ? (await Promise.all(entries.map(entry => inside(entry, "")))).flat()
    : [...transfer.files].map(file => told(file, ""));
  return ordered(found);
}

// Returns the photos among the files of an input, also of one that takes a folder.
function chosen(input) {
  return ordered([...input.files].map(file => told(file, (file.webkitRelativePath ?? "").split("/").at(-2) ?? "")));
}

const ordered = found => found.filter(isPicture).sort((one, other) =>
  one.folder.localeCompare(other.folder) || one.file.name.localeCompare(other.file.name, undefined, { numeric: true }));

// Has the photos in files and folders that are dropped on `area`, or chosen in `inputs`, handed to `take`, as a list of
// { file, folder }; `shown` is what is marked meanwhile.
export function takesMany(area, inputs, take, shown = area) {
  area.addEventListener("dragover", event => { event.preventDefault(); shown.classList.add("over"); });
  area.addEventListener("dragleave", event => { if (!area.contains(event.relatedTarget)) shown.classList.remove("over"); });
  area.addEventListener("drop", async event => {
    event.preventDefault();
    shown.classList.remove("over");
    take(await dropped(event.dataTransfer));
  });
  for (const input of inputs) {
    input.addEventListener("change", () => { const found = chosen(input); input.value = ""; take(found); });
  }
}

// Returns a photo as a small JPEG, or as it is if the browser can't read it: the server then says what is wrong.
export async function reduced(file, side) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    return file;
  }
  const scale = Math.min(1, side / Math.max(bitmap.width, bitmap.height));
  const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
  const pen = canvas.getContext("2d");
  pen.fillStyle = "#fff"; // below what is transparent
  pen.fillRect(0, 0, canvas.width, canvas.height);
  pen.imageSmoothingQuality = "high";
  pen.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  bitmap.close();
  return canvas.convertToBlob({ type: "image/jpeg", quality: 0.9 });
}

// Sends photos; `heard` is called with how many of them are through. Returns what the server knows of each that
// arrived, with its folder, in their order.
export async function gather(photos, side, heard) {
  const arrived = new Array(photos.length).fill(null);
  let next = 0, done = 0;
  const send = async () => {
    while (next < photos.length) {
      const place = next++, { file, folder } = photos[place];
      const kept = await bring(await reduced(file, side), file.name);
      if (kept) arrived[place] = { ...kept, folder };
      heard(++done);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  return arrived.filter(Boolean);
}
