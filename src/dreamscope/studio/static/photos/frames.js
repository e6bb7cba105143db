// Where frames come from: the camera, a video or a photo that stays in the browser. Of each, the middle is taken.

const QUALITY = 0.85;
const STEP = 1 / 25; // seconds that a step in a video goes on

export class Frames {
  #seen; // a <video> or an <img>
  #mirrored;
  #small = document.createElement("canvas");
  #last = -1;

  constructor(seen, { width, height }, mirrored = false) {
    this.#seen = seen;
    this.#mirrored = mirrored;
    this.#small.width = width;
    this.#small.height = height;
  }

  get moves() { return this.#seen instanceof HTMLVideoElement; }

  // A camera shows what is there now; only a file can go on by itself or stand still.
  get #isFile() { return this.moves && !this.#seen.srcObject; }

  // Draws the newest frame on a canvas, as large as that is; returns it as a JPEG of the size that the network takes.
  async take(canvas) {
    if (this.moves && !this.#seen.paused && this.#seen.currentTime === this.#last) await this.#another();
    this.#last = this.#seen.currentTime;
    const width = this.#seen.videoWidth || this.#seen.naturalWidth, height = this.#seen.videoHeight || this.#seen.naturalHeight;
    const scale = Math.min(width / this.#small.width, height / this.#small.height);
    const across = scale * this.#small.width, down = scale * this.#small.height;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingQuality = "high";
    pen.save();
    // People know themselves from mirrors.
    if (this.#mirrored) pen.setTransform(-1, 0, 0, 1, canvas.width, 0);
    pen.drawImage(this.#seen, (width - across) / 2, (height - down) / 2, across, down, 0, 0, canvas.width, canvas.height);
    pen.restore();
    this.#small.getContext("2d").drawImage(canvas, 0, 0, this.#small.width, this.#small.height);
    const blob = await new Promise(made => this.#small.toBlob(made, "image/jpeg", QUALITY));
    return blob.arrayBuffer();
  }

  #another() {
    const seen = this.#seen;
    return new Promise(come => {
      // A camera that has been unplugged sends nothing more.
      const patience = setTimeout(come, 1000);
      const here = () => { clearTimeout(patience); come(); };
      if (seen.requestVideoFrameCallback) seen.requestVideoFrameCallback(here);
      else requestAnimationFrame(here);
    });
  }

  play() { if (this.moves) return this.#seen.play(); }

  pause() { if (this.#isFile) this.#seen.pause(); }

  async step() {
    if (!this.#isFile) return;
    const seen = this.#seen;
    const there = new Promise(come => seen.addEventListener("seeked", come, { once: true }));
    seen.currentTime = seen.currentTime + STEP < seen.duration ? seen.currentTime + STEP : 0;
    await there;
  }

  close() {
    this.#seen.srcObject?.getTracks().forEach(track => track.stop());
    if (this.moves) this.#seen.pause();
    if (this.#seen.src.startsWith("blob:")) URL.revokeObjectURL(this.#seen.src);
  }
}

export const hasCamera = () => Boolean(navigator.mediaDevices?.getUserMedia);

export async function camera(size) {
  const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: "user" };
  const stream = await navigator.mediaDevices.getUserMedia({ video: wanted });
  const front = stream.getVideoTracks()[0].getSettings().facingMode !== "environment";
  return new Frames(await playing({ srcObject: stream }), size, front);
}

export const film = async (file, size) => new Frames(await playing({ src: URL.createObjectURL(file), loop: true }), size);

export async function photo(address, size) {
  const image = new Image();
  image.src = address;
  await image.decode();
  return new Frames(image, size);
}

async function playing(properties) {
  const video = Object.assign(document.createElement("video"), { muted: true, playsInline: true, ...properties });
  await new Promise((ready, failed) => {
    video.onloadeddata = ready;
    video.onerror = () => failed(new Error("The browser can't play this video. MP4 (H.264) and WebM are safe."));
  });
  await video.play();
  return video;
}
