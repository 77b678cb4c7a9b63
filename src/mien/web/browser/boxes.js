/** Arithmetic on boxes: [x1, y1, x2, y2] in pixels. Pixel i covers i..i+1, so a box is x2 - x1 wide. */

import { clamp } from "./picture.js";

/** The longer side of a box. */
export function longerSide([x1, y1, x2, y2]) {
  return Math.max(x2 - x1, y2 - y1);
}

/** A box with each edge moved by an offset in units of its width or height. */
export function shifted([x1, y1, x2, y2], offsets) {
  const [width, height] = [x2 - x1, y2 - y1];
  return [x1 + offsets[0] * width, y1 + offsets[1] * height, x2 + offsets[2] * width, y2 + offsets[3] * height];
}

/** The square around the same centre, as large as the longer side. */
export function square(box) {
  const [x, y, half] = [(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, longerSide(box) / 2];
  return [x - half, y - half, x + half, y + half];
}

/** A box without what reaches past the edge of the picture. */
export function trimmed([x1, y1, x2, y2], { width, height }) {
  return [clamp(x1, 0, width), clamp(y1, 0, height), clamp(x2, 0, width), clamp(y2, 0, height)];
}

/** What two boxes share, over their union, or over the smaller of both areas. */
export function overlap(a, b, { ofSmaller = false } = {}) {
  const wide = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const high = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (wide <= 0 || high <= 0) return 0;
  const [one, other] = [area(a), area(b)];
  return (wide * high) / (ofSmaller ? Math.min(one, other) : one + other - wide * high);
}

function area([x1, y1, x2, y2]) {
  return (x2 - x1) * (y2 - y1);
}

/**
 * Greedy non-maximum suppression: of boxes that share more than `most` the one with the best score stays.
 *
 * @param {number[][]} boxes
 * @param {ArrayLike<number>} scores
 * @param {{most: number, groups?: ArrayLike<number>, ofSmaller?: boolean}} options boxes of different groups leave each
 *   other alone.
 * @returns {number[]} which boxes stay, best score first.
 */
export function distinct(boxes, scores, { most, groups = null, ofSmaller = false }) {
  const order = boxes.map((_, i) => i).sort((a, b) => scores[b] - scores[a]);
  const kept = [];
  for (const i of order) {
    const clashes = (j) => (!groups || groups[i] === groups[j]) && overlap(boxes[i], boxes[j], { ofSmaller }) > most;
    if (!kept.some(clashes)) kept.push(i);
  }
  return kept;
}
