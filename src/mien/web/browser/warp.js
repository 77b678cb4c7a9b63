/** `cv2.warpAffine` with `INTER_LINEAR`, `WARP_INVERSE_MAP` and `BORDER_REPLICATE`, to the grey level. */

import { blank, clamp, rint } from "./picture.js";

const FINE = 1024; // coordinates are whole numbers of 1/1024 pixel
const STEPS = 32; // and weights of 1/32

/**
 * @param {import("./picture.js").Picture} picture
 * @param {number[][]} matrix two rows of three numbers: where in the picture a pixel (x, y) of the result lies.
 * @param {number} side of the square result.
 */
export function warp(picture, matrix, side) {
  const { data, width, height, channels } = picture;
  const result = blank(side, side, channels);
  const [alongX, alongY] = matrix.map(([step]) => Array.from({ length: side }, (_, x) => rint(step * x * FINE)));
  const stride = width * channels;
  for (let y = 0, to = 0; y < side; y += 1) {
    const [startX, startY] = matrix.map(([, step, shift]) => rint((step * y + shift) * FINE) + FINE / STEPS / 2);
    for (let x = 0; x < side; x += 1) {
      const placeX = (startX + alongX[x]) >> 5;
      const placeY = (startY + alongY[x]) >> 5;
      const right = placeX & 31;
      const low = placeY & 31;
      const left = clamp(placeX >> 5, 0, width - 1) * channels;
      const next = clamp((placeX >> 5) + 1, 0, width - 1) * channels;
      const upper = clamp(placeY >> 5, 0, height - 1) * stride;
      const lower = clamp((placeY >> 5) + 1, 0, height - 1) * stride;
      for (let k = 0; k < channels; k += 1, to += 1) {
        const above = data[upper + left + k] * (STEPS - right) + data[upper + next + k] * right;
        const below = data[lower + left + k] * (STEPS - right) + data[lower + next + k] * right;
        result.data[to] = (above * (STEPS - low) + below * low + 512) >> 10;
      }
    }
  }
  return result;
}
