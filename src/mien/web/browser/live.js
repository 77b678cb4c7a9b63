/** Faces of one camera, frame after frame: who is who, and emotions that do not flicker. */

import { distinct, overlap } from "./boxes.js";
import { FIRST_LOOK, detect, follow } from "./mtcnn.js";
import { express } from "./recognise.js";

const LEAST_OVERLAP = 0.2; // with the box in the frame before
const PATIENCE_MS = 1000; // a face that was not found for longer is a new one when it comes back
const MEMORY_MS = 500; // of the smoothing: a frame so far back counts 1/e as much
const SMALLEST = 12; // faces are looked for down to a so many-th of the shorter side: the work for a frame is bounded

/** Remembers the faces of the last frames: one for each camera. */
export class LiveFaces {
  #frame = 0;
  #next = 0; // id of the next new face
  #known = []; // faces seen within the patience: {id, box, smooth, timeMs, seen: whether in the last frame}

  /**
   * @param {object} networks as `openNetworks` gives them.
   * @param {object} card of the model.
   * @param {{head: string, minFace: number, detectEvery: number}} options in how many-th frame faces are looked for
   *   everywhere; between, the known ones are followed.
   */
  constructor(networks, card, options) {
    Object.assign(this, { networks, card, options });
  }

  /**
   * The next frame.
   *
   * @param {import("./picture.js").Picture} picture RGB.
   * @param {number} timeMs when it was taken.
   * @returns {Promise<{id: number, box: number[], score: number, probabilities: number[], raw: number[]}[]>}
   */
  async step(picture, timeMs) {
    const found = await this.#find(picture);
    const faces = await express(picture, found, this.networks, this.card, this.options);
    this.#known = this.#known.filter((each) => timeMs - each.timeMs <= PATIENCE_MS);
    const ids = this.#identify(faces);
    const seen = faces.map((face, i) => {
      const before = this.#known.find(({ id }) => id === ids[i]);
      const smooth = before ? blend(before.smooth, face.probabilities, timeMs - before.timeMs) : face.probabilities;
      return { ...face, id: ids[i], smooth, timeMs, seen: true };
    });
    const lost = this.#known.filter(({ id }) => !ids.includes(id)).map((each) => ({ ...each, seen: false }));
    this.#known = [...seen, ...lost];
    return seen.map(({ smooth, probabilities, ...face }) => ({ ...face, probabilities: smooth, raw: probabilities }));
  }

  /** Follow the faces of the last frame; look everywhere every few frames, and when one is gone or none is there. */
  async #find(picture) {
    const due = this.#frame % this.options.detectEvery === 0;
    this.#frame += 1;
    const last = this.#known.filter(({ seen }) => seen);
    if (!due && last.length) {
      const followed = await follow(picture, this.networks.detector, last.map(({ box }) => box));
      const near = followed.every((face, i) => face && overlap(face.box, last[i].box) > LEAST_OVERLAP);
      if (near && allDifferent(followed)) return followed;
    }
    const least = Math.max(this.options.minFace, Math.min(picture.width, picture.height) / SMALLEST);
    return detect(picture, this.networks.detector, least);
  }

  /** An id for each face: that of the known face whose box it overlaps most, each given once; else a new one. */
  #identify(faces) {
    const pairs = faces.flatMap(({ box }, i) =>
      this.#known.map((each) => ({ i, id: each.id, shared: overlap(box, each.box) })),
    );
    const ids = new Array(faces.length).fill(null);
    for (const { i, id, shared } of pairs.sort((a, b) => b.shared - a.shared)) {
      if (shared > LEAST_OVERLAP && ids[i] === null && !ids.includes(id)) ids[i] = id;
    }
    return ids.map((id) => id ?? this.#next++);
  }
}

/** Whether no two of them are the same face, as when one hides another and both are followed onto it. */
function allDifferent(faces) {
  const options = { most: FIRST_LOOK.overlap, ofSmaller: true };
  return distinct(faces.map(({ box }) => box), faces.map(({ score }) => score), options).length === faces.length;
}

/** A mean that forgets, whatever the number of frames a second. */
function blend(before, now, elapsedMs) {
  const weight = Math.exp(-elapsedMs / MEMORY_MS);
  return now.map((p, k) => p + weight * (before[k] - p));
}
