/**
 * MTCNN (Zhang et al. 2016, doi 10.1109/LSP.2016.2603342), with the steps, limits and rounding of `faces/mtcnn.py`:
 * P-Net looks at every window of the picture at many sizes, R-Net and O-Net look again at what it proposes.
 *
 * @typedef {{box: number[], score: number, points: number[][]}} Face
 *   `points`: right eye, left eye, nose, right and left corner of the mouth, the person's own right and left.
 * @typedef {(name: string, pixels: Uint8Array, shape: number[]) => Promise<object>} Run
 *   Runs "pnet", "rnet" or "onet" on RGB pixels of shape (n, height, width, 3): {data, dims} for each output.
 */

import { distinct, longerSide, shifted, square, trimmed } from "./boxes.js";
import { framed, rint } from "./picture.js";
import { Pyramid } from "./pyramid.js";
import { resizeArea, resizeLinear } from "./resize.js";

const CELL = 12; // side of P-Net's window
const STRIDE = 2;
const FACTOR = 0.707; // from one size to the next: half the area
const STRIP = 512; // rows of P-Net's answer computed at once: bounds the memory of large pictures
const MOST_WINDOWS = 20_000; // of one size
const MOST_PROPOSALS = 5_000; // of one picture
const BATCH = { rnet: 256, onet: 64 }; // crops at once
const SIDE = { rnet: 24, onet: 48 };
const SMALL = 640; // longer side of the copy for the second look
const BORDER = 0.2; // of that copy, in units of its longer side

/** Least scores of the three stages, and the overlaps above which the lesser of two boxes is dropped. */
export const FIRST_LOOK = { proposal: 0.7, refined: 0.7, output: 0.7, inSize: 0.5, ofSizes: 0.6, overlap: 0.7 };
const SECOND_LOOK = { ...FIRST_LOOK, proposal: 0.5, refined: 0.6 };

/**
 * Faces at least `minFace` pixels wide or high, best score first. Where nobody is found, a second look searches for a
 * face that fills the picture, which P-Net misses as it shows too little around it.
 *
 * @param {import("./picture.js").Picture} picture RGB.
 * @param {Run} run
 * @param {number} minFace
 * @returns {Promise<Face[]>}
 */
export async function detect(picture, run, minFace = 40) {
  let faces = await cascade(picture, run, Math.max(minFace, CELL), FIRST_LOOK);
  if (!faces.length) faces = await secondLook(picture, run, minFace);
  return faces.filter(({ box }) => longerSide(box) >= minFace);
}

/**
 * Faces that move little from one frame to the next: O-Net alone looks again where they were.
 *
 * @param {import("./picture.js").Picture} picture RGB, the next frame.
 * @param {Run} run
 * @param {number[][]} boxes of the faces in the last frame.
 * @returns {Promise<(Face|null)[]>} for each box its face, null where it is no longer seen.
 */
export async function follow(picture, run, boxes) {
  const looks = await look(new Pyramid(picture), run, "onet", boxes.map(square));
  return looks.map((each) => (each.score > FIRST_LOOK.output ? asFace(each) : null));
}

/** A face that fills at least an eighth of the picture, on a small copy with a border. */
async function secondLook(picture, run, minFace) {
  const longest = Math.max(picture.width, picture.height);
  const shrink = Math.min(SMALL / longest, 1);
  const [width, height] = [picture.width, picture.height].map((side) => Math.max(rint(side * shrink), 1));
  const small = resizeArea(picture, width, height);
  const border = rint(BORDER * Math.max(width, height));
  const least = Math.max(minFace * shrink, (longest * shrink) / 8, CELL);
  const back = (value) => (value - border) / shrink;
  const faces = await cascade(framed(small, border), run, least, SECOND_LOOK);
  return faces.map(({ box, score, points }) => ({
    box: box.map(back),
    score,
    points: points.map((point) => point.map(back)),
  }));
}

/** The three stages, one after the other. */
async function cascade(picture, run, minFace, limits) {
  const pyramid = new Pyramid(picture);
  const proposed = await propose(picture, run, minFace, limits);

  let looks = await look(pyramid, run, "rnet", proposed);
  looks = looks.filter(({ score }) => score > limits.refined);
  looks = choose(looks, { most: limits.overlap });
  const refined = looks.map(({ box, offsets }) => square(shifted(box, offsets)));

  looks = await look(pyramid, run, "onet", refined);
  const faces = looks.filter(({ score }) => score > limits.output).map(asFace);
  return choose(faces, { most: limits.overlap, ofSmaller: true });
}

/** P-Net over all sizes: squares. */
async function propose(picture, run, minFace, limits) {
  let windows = [];
  for (const [group, scale] of scales(picture, minFace).entries()) {
    for (const each of await proposeAt(picture, run, scale, limits.proposal)) windows.push({ ...each, group });
  }
  windows = choose(windows, { most: limits.inSize, groups: windows.map((w) => w.group) });
  windows = choose(windows, { most: limits.ofSizes });
  return windows.slice(0, MOST_PROPOSALS).map(({ box, offsets }) => square(shifted(box, offsets)));
}

/**
 * Factors by which to shrink a picture so that P-Net's window is a face of `minFace` pixels, and of more and more:
 * largest first, none if the picture is smaller than the smallest face.
 */
export function scales({ width, height }, minFace) {
  const found = [];
  for (let scale = CELL / minFace; Math.min(width, height) * scale > CELL; scale *= FACTOR) found.push(scale);
  return found;
}

/** P-Net's windows above the threshold at one size. */
async function proposeAt(picture, run, scale, threshold) {
  const [width, height] = [Math.ceil(picture.width * scale), Math.ceil(picture.height * scale)];
  const small = resizeLinear(picture, width, height);
  const rows = Math.floor((height - CELL) / STRIDE) + 1;
  const found = [];
  for (let top = 0; top < rows; top += STRIP) {
    const bottom = top + STRIP >= rows ? height : STRIDE * (top + STRIP) + CELL - STRIDE;
    const strip = small.data.subarray(STRIDE * top * width * 3, bottom * width * 3);
    const answer = await run("pnet", strip, [1, bottom - STRIDE * top, width, 3]);
    const [scores, offsets, columns] = [answer.score.data, answer.offsets.data, answer.score.dims[3]];
    for (const [i, score] of scores.entries()) {
      if (score <= threshold) continue;
      const box = windowBox(i % columns, top + Math.floor(i / columns), scale);
      found.push({ box, score, offsets: [0, 1, 2, 3].map((k) => offsets[k * scores.length + i]) });
    }
  }
  if (found.length <= MOST_WINDOWS) return found;
  return found.sort((a, b) => b.score - a.score).slice(0, MOST_WINDOWS);
}

/** A window of P-Net in the picture: at whole pixels, and one late, see `faces/mtcnn.py`. */
function windowBox(x, y, scale) {
  const [left, top] = [STRIDE * x + 1, STRIDE * y + 1];
  const [right, bottom] = [left + CELL, top + CELL];
  return [rint(left / scale), rint(top / scale), rint(right / scale) + 1, rint(bottom / scale) + 1];
}

/** What R-Net or O-Net says of squares: their boxes in the picture, as they were cut, scores, offsets, landmarks. */
async function look(pyramid, run, name, boxes) {
  const { crops, cut } = pyramid.crops(boxes, SIDE[name]);
  const pixels = SIDE[name] ** 2 * 3;
  const found = [];
  for (let start = 0; start < boxes.length; start += BATCH[name]) {
    const end = Math.min(start + BATCH[name], boxes.length);
    const batch = crops.subarray(start * pixels, end * pixels);
    const { score, offsets, landmarks } = await run(name, batch, [end - start, SIDE[name], SIDE[name], 3]);
    for (let i = start, row = 0; i < end; i += 1, row += 1) {
      found.push({
        cut: cut[i],
        box: trimmed(cut[i], pyramid.picture),
        score: score.data[row],
        offsets: offsets.data.subarray(row * 4, row * 4 + 4),
        landmarks: landmarks?.data.subarray(row * 10, row * 10 + 10),
      });
    }
  }
  return found;
}

/** O-Net's answer as a face; its landmarks are x of five points, then y, in units of the box that was cut. */
function asFace({ cut: [x1, y1, x2, y2], box, score, offsets, landmarks }) {
  const points = [0, 1, 2, 3, 4].map((i) => [x1 + landmarks[i] * (x2 - x1), y1 + landmarks[i + 5] * (y2 - y1)]);
  return { box: shifted(box, offsets), score, points };
}

/** Those of windows, looks or faces that `distinct` keeps, best score first. */
function choose(found, options) {
  const kept = distinct(found.map(({ box }) => box), found.map(({ score }) => score), options);
  return kept.map((i) => found[i]);
}
