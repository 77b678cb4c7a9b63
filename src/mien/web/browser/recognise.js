/** A picture in, its faces and what they express out: mien's `Recognizer`. */

import { classify } from "./classifier.js";
import { cropFace } from "./crop.js";
import { detect } from "./mtcnn.js";

/**
 * Recognise all faces of a picture, as `mien predict` does.
 *
 * @param {import("./picture.js").Picture} picture RGB.
 * @param {object} networks as `openNetworks` gives them.
 * @param {object} card of the model.
 * @param {{head: string, minFace: number}} options
 * @returns {Promise<{box: number[], score: number, points: number[][], probabilities: number[]}[]>} best score first.
 */
export async function recognise(picture, networks, card, options) {
  const faces = await detect(picture, networks.detector, options.minFace);
  return express(picture, faces, networks, card, options);
}

/** The faces with what they express. */
export async function express(picture, faces, networks, card, { head }) {
  const crops = faces.map(({ box, points }) => cropFace(picture, box, points, card));
  const probabilities = await classify(crops, networks.classifier, card, head);
  return faces.map((face, i) => ({ ...face, probabilities: probabilities[i] }));
}
