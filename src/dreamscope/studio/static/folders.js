// Many pictures at once: from several files, or from a folder and the folders in it.

import { bring } from "./bring.js";

const AT_ONCE = 3;
const isPicture = file => file.type.startsWith("image/");

// Returns all files of a folder that was dropped, however deep.
async function inside(entry) {
  if (entry.isFile) return [await new Promise((found, failed) => entry.file(found, failed))];
  const reader = entry.createReader();
  const found = [];
  // A reader gives a hundred at a time, and nothing when it is through.
  for (;;) {
    const some = await new Promise((read, failed) => reader.readEntries(read, failed));
    if (!some.length) return found;
    for (const each of some) found.push(...await inside(each));
  }
}

// Returns the pictures among what was dropped.
export async function dropped(transfer) {
  const entries = [...transfer.items].map(item => item.webkitGetAsEntry?.()).filter(Boolean);
  const files = entries.length ? (await Promise.all(entries.map(inside))).flat() : [...transfer.files];
  return files.filter(isPicture);
}

// Has the pictures of folders and files that are dropped on `area`, or chosen in `inputs`, handed to `take`.
export function takesMany(area, inputs, take) {
  const given = files => { if (files.length) take(files); };
  area.addEventListener("dragover", event => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", event => { if (!area.contains(event.relatedTarget)) area.classList.remove("over"); });
  area.addEventListener("drop", async event => {
    event.preventDefault();
    area.classList.remove("over");
    given(await dropped(event.dataTransfer));
  });
  for (const input of inputs) {
    input.addEventListener("change", () => { given([...input.files].filter(isPicture)); input.value = ""; });
  }
}

// Sends pictures, a few at a time; `told` hears how many have arrived. Returns their names.
export async function bringAll(files, told) {
  const names = [];
  const waiting = [...files];
  let done = 0;
  const send = async () => {
    for (let file = waiting.shift(); file; file = waiting.shift()) {
      const kept = await bring(file);
      if (kept) names.push(kept.name);
      told(++done / files.length);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, send));
  return names;
}
