// The place where a person puts one photo: dropped, chosen, pasted, from the camera, or a sample.

import { $, view } from "../common.js";
import { bring, fromCamera, takes } from "./bring.js";

export const picture = async address => createImageBitmap(await (await fetch(address)).blob());

// Hands what the server knows of a photo, { name, title, width, height, settings }, to `take`. `area` is where it can
// be dropped; `busy` hears what is going on.
export function chooses(area, take, busy = () => {}) {
  const files = async ([file]) => {
    busy("Sending the picture…");
    const brought = await bring(file);
    busy("");
    if (brought) await take(brought);
  };
  takes(area, $("file"), files);
  document.addEventListener("paste", event => { if (event.clipboardData.files.length) files([...event.clipboardData.files]); });
  $("camera").onclick = async () => { const file = await fromCamera($("drop")); if (file) await files([file]); };
  for (const button of document.querySelectorAll("[data-sample]")) {
    button.onclick = async () => {
      const name = `sample:${button.dataset.sample}`;
      const { width, height } = await picture(view(name, 1024));
      await take({ name, width, height, title: `${button.dataset.sample}.jpg`, settings: null });
    };
  }
}
