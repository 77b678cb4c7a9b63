/** From a picture and its faces to what the model sees: mien's `runtime/preprocess.py`, step by step. */

import { clamp, cut, toGrey } from "./picture.js";
import { resize, resizeArea } from "./resize.js";
import { warp } from "./warp.js";

const MOST_TIMES = 8; // samples across a pixel of the result

/**
 * Cut a face out as the model's card says.
 *
 * @param {import("./picture.js").Picture} picture RGB.
 * @param {number[]} box x1, y1, x2, y2 in MTCNN's convention; it may reach past the edge, which is then continued.
 * @param {number[][]} points landmarks, of which the eyes come first; null where not known.
 * @param {{input: {size: number, color: string}, crop: object}} card
 * @returns {import("./picture.js").Picture} `size` pixels wide and high, grey or RGB.
 */
export function cropFace(picture, box, points, card) {
  return sample(picture, cropSquare(box, points, card.crop), card.input);
}

/** The square that is cut out for a face: centre, side in pixels, angle in radians, clockwise in the picture. */
export function cropSquare([x1, y1, x2, y2], points, crop) {
  const longer = Math.max(x2 - x1, y2 - y1, 1);
  const angle = crop.align && points ? Math.atan2(points[1][1] - points[0][1], points[1][0] - points[0][0]) : 0;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const [along, down] = [crop.shift_x * longer, crop.shift_y * longer];
  const x = (x1 + x2) / 2 + cos * along - sin * down;
  const y = (y1 + y2) / 2 + sin * along + cos * down;
  return { x, y, side: longer * crop.scale, angle };
}

/** Sample a square at a multiple of the wanted size, then average down: sharp, and free of aliases. */
function sample(picture, square, input) {
  const { side, angle } = square;
  const { width, height } = picture;
  const [cos, sin] = [Math.cos(angle), Math.sin(angle)];
  const factor = Math.max(1, Math.trunc(side / (input.size * MOST_TIMES)));
  const reach = (side * (Math.abs(cos) + Math.abs(sin))) / 2 + 2 * factor + 1; // half of what it spans, and a rim
  // A square wholly outside sees the edge alone, however far away it lies.
  const [x, y] = [clamp(square.x, -reach, width + reach), clamp(square.y, -reach, height + reach)];
  const left = Math.max(0, Math.trunc(Math.min(x - reach, width - 1)));
  const top = Math.max(0, Math.trunc(Math.min(y - reach, height - 1)));
  const right = Math.min(width, Math.max(left + 1, Math.trunc(x + reach) + 1));
  const bottom = Math.min(height, Math.max(top + 1, Math.trunc(y + reach) + 1));
  const region = cut(picture, left, top, right, bottom);
  const patch = reduced(input.color === "gray" ? toGrey(region) : region, factor);

  const times = clamp(Math.round(side / factor / input.size), 1, MOST_TIMES);
  const step = side / (input.size * times);
  const middle = (input.size * times - 1) / 2;
  // A pixel (i, j) stands for the area i..i+1, j..j+1, so that its centre lies at + 0.5.
  const matrix = [
    [cos * step, -sin * step, x - left - (cos - sin) * step * middle],
    [sin * step, cos * step, y - top - (sin + cos) * step * middle],
  ].map(([a, b, shift]) => [a / factor, b / factor, shift / factor - 0.5]);
  return resize(warp(patch, matrix, input.size * times), input.size, input.size);
}

/** A face far larger than what the model sees is reduced by whole blocks first, which bounds the work. */
function reduced(patch, factor) {
  if (factor === 1) return patch;
  const [width, height] = [patch.width, patch.height].map((each) => Math.max(1, Math.trunc(each / factor)));
  const whole = cut(patch, 0, 0, Math.min(patch.width, width * factor), Math.min(patch.height, height * factor));
  return resizeArea(whole, width, height);
}
