// Pictures that a person brings: from a file, dropped, pasted, or from the camera.

import { element, say } from "../common.js";

// Sends a file; returns what the server knows of the picture, or null after saying what is wrong with it.
export async function bring(file, name = file.name) {
  const safe = (name ?? "picture").replace(/[^\x20-\x7e]/g, "_");
  try {
    const answer = await fetch("/pictures", { method: "POST", body: file, headers: { "x-name": safe } });
    const told = await answer.json();
    if (answer.ok) return told;
    say(told.message);
  } catch {
    say("The picture did not arrive. Is the studio still running?");
  }
  return null;
}

// Has files that are dropped on `area`, pasted on the page, or chosen in `input` handed to `take`.
export function takes(area, input, take, kinds = ["image/"]) {
  const wanted = file => file.type === "" || kinds.some(kind => file.type.startsWith(kind));
  const given = files => { const found = [...files].filter(wanted); if (found.length) take(found); };
  area.addEventListener("dragover", event => { event.preventDefault(); area.classList.add("over"); });
  area.addEventListener("dragleave", () => area.classList.remove("over"));
  area.addEventListener("drop", event => {
    event.preventDefault();
    area.classList.remove("over");
    given(event.dataTransfer.files);
  });
  input?.addEventListener("change", () => { given(input.files); input.value = ""; });
}

// Shows the camera over `place` until a picture is taken; returns it as a file, or null.
export async function fromCamera(place) {
  let stream;
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: 1280, height: 960 } });
  } catch {
    say("There is no camera, or the browser may not use it.");
    return null;
  }
  const video = element("video", { autoplay: true, muted: true, playsinline: true, "aria-label": "The camera" });
  video.srcObject = stream;
  const take = element("button", { class: "main", type: "button" }, "Take the picture");
  const leave = element("button", { type: "button" }, "Leave it");
  const box = element("div", { class: "camera" }, video, element("div", { class: "bar" }, take, leave));
  const before = document.activeElement;
  place.append(box);
  take.focus();
  const wanted = await new Promise(chosen => {
    take.onclick = () => chosen(true);
    leave.onclick = () => chosen(false);
    box.onkeydown = ({ key }) => { if (key === "Escape") chosen(false); };
  });
  let file = null;
  if (wanted && video.videoWidth) {
    const canvas = element("canvas");
    canvas.width = video.videoWidth;
    canvas.height = video.videoHeight;
    canvas.getContext("2d").drawImage(video, 0, 0);
    const blob = await new Promise(made => canvas.toBlob(made, "image/jpeg", 0.92));
    file = new File([blob], "camera.jpg", { type: "image/jpeg" });
  }
  stream.getTracks().forEach(track => track.stop());
  box.remove();
  before.focus();
  return file;
}
