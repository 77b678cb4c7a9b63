/**
 * Resizing as OpenCV does it, to the grey level: the networks were measured on pictures made so, and a canvas scales in
 * another way in every browser. Names and formulas follow OpenCV's `resize.cpp`.
 */

import { blank, clamp, rint } from "./picture.js";

const { fround } = Math;
const ONE = 2048; // what a weight of 1 is in OpenCV's whole numbers

/** Bilinear, `cv2.INTER_LINEAR`. */
export function resizeLinear(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  if (picture.width === 2 * width && picture.height === 2 * height) return byBlocks(picture, 2, 2);
  const across = linearTaps(picture.width, width, (i, scale) => (i + 0.5) * scale - 0.5);
  const down = linearTaps(picture.height, height, (i, scale) => (i + 0.5) * scale - 0.5);
  return linear(picture, across, down);
}

/** The mean of the area that a pixel covers, `cv2.INTER_AREA`; where it grows in width or height, near bilinear. */
export function resizeArea(picture, width, height) {
  if (picture.width === width && picture.height === height) return picture;
  if (picture.width < width || picture.height < height) return grown(picture, width, height);
  const [x, y] = [factor(picture.width, width), factor(picture.height, height)];
  if (Number.isInteger(x) && Number.isInteger(y)) return byBlocks(picture, x, y);
  return byShares(picture, areaShares(picture.width, width), areaShares(picture.height, height));
}

/** Averaging where it shrinks in width or height, bilinear where it grows: `resize` of mien's preprocess.py. */
export function resize(picture, width, height) {
  const shrinks = picture.width > width || picture.height > height;
  return shrinks ? resizeArea(picture, width, height) : resizeLinear(picture, width, height);
}

/** How many old pixels a new one covers, by the division that OpenCV makes. */
function factor(from, to) {
  return 1 / (to / from);
}

/** `INTER_AREA` where it grows: between the pixels that a new one touches. */
function grown(picture, width, height) {
  const where = (i, scale) => {
    const first = Math.floor(i * scale);
    const share = fround(i + 1 - (first + 1) / scale);
    return first + (share <= 0 ? 0 : share - Math.floor(share));
  };
  return linear(picture, linearTaps(picture.width, width, where), linearTaps(picture.height, height, where));
}

/** For each new pixel along one axis, the two old ones that it lies between, and the whole-number weights of both. */
function linearTaps(from, to, where) {
  const scale = factor(from, to);
  const [first, second, near, far] = [0, 1, 2, 3].map(() => new Int32Array(to));
  for (let i = 0; i < to; i += 1) {
    const place = fround(where(i, scale));
    const left = Math.floor(place);
    const share = fround(place - left);
    first[i] = clamp(left, 0, from - 1);
    second[i] = clamp(left + 1, 0, from - 1);
    near[i] = rint(fround(1 - share) * ONE);
    far[i] = rint(share * ONE);
  }
  return { first, second, near, far };
}

/** Both axes of a bilinear resize, rounded where OpenCV rounds. */
function linear(picture, across, down) {
  const { data, channels } = picture;
  const result = blank(across.first.length, down.first.length, channels);
  const stride = picture.width * channels;
  let upper = new Int32Array(result.width * channels);
  let lower = new Int32Array(result.width * channels);
  let [held, below] = [-1, -1]; // the rows of the picture that they hold
  for (let y = 0; y < result.height; y += 1) {
    if (below === down.first[y]) [upper, lower, held, below] = [lower, upper, below, held];
    if (held !== down.first[y]) alongRow(data, (held = down.first[y]) * stride, channels, across, upper);
    if (below !== down.second[y]) alongRow(data, (below = down.second[y]) * stride, channels, across, lower);
    const near = down.near[y];
    const far = down.far[y];
    const start = y * upper.length;
    for (let x = 0; x < upper.length; x += 1) {
      result.data[start + x] = (((near * (upper[x] >> 4)) >> 16) + ((far * (lower[x] >> 4)) >> 16) + 2) >> 2;
    }
  }
  return result;
}

function alongRow(data, start, channels, across, row) {
  for (let x = 0, to = 0; x < across.first.length; x += 1) {
    const a = start + across.first[x] * channels;
    const b = start + across.second[x] * channels;
    const near = across.near[x];
    const far = across.far[x];
    for (let k = 0; k < channels; k += 1, to += 1) row[to] = data[a + k] * near + data[b + k] * far;
  }
}

/** Blocks of whole pixels become one each. */
function byBlocks(picture, wide, high) {
  const { data, channels } = picture;
  const result = blank(picture.width / wide, picture.height / high, channels);
  const stride = picture.width * channels;
  const share = fround(1 / (wide * high));
  const quarter = wide === 2 && high === 2;
  for (let y = 0, to = 0; y < result.height; y += 1) {
    for (let x = 0; x < result.width; x += 1) {
      for (let k = 0; k < channels; k += 1, to += 1) {
        let sum = 0;
        for (let j = 0; j < high; j += 1) {
          const start = (y * high + j) * stride + x * wide * channels + k;
          for (let i = 0; i < wide; i += 1) sum += data[start + i * channels];
        }
        result.data[to] = quarter ? (sum + 2) >> 2 : rint(fround(sum * share));
      }
    }
  }
  return result;
}

/** For each new pixel along one axis, which old ones it covers, and how much of it each of them is. */
function areaShares(from, to) {
  const scale = factor(from, to);
  const [targets, sources, shares] = [[], [], []];
  const add = (i, j, value) => (targets.push(i), sources.push(j), shares.push(value));
  for (let i = 0; i < to; i += 1) {
    const [start, end] = [i * scale, i * scale + scale];
    const covered = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    if (first - start > 1e-3) add(i, first - 1, (first - start) / covered);
    for (let j = first; j < last; j += 1) add(i, j, 1 / covered);
    if (end - last > 1e-3) add(i, last, Math.min(end - last, 1, covered) / covered);
  }
  const [target, source, share] = [Int32Array.from(targets), Int32Array.from(sources), Float32Array.from(shares)];
  return { target, source, share, size: to };
}

/** Both axes of an `INTER_AREA` resize by a factor that is not whole, in float32 as OpenCV has it. */
function byShares(picture, across, down) {
  const { data, channels } = picture;
  const result = blank(across.size, down.size, channels);
  const stride = picture.width * channels;
  const row = new Float32Array(across.size * channels);
  const sum = new Float32Array(across.size * channels);
  for (let n = 0; n < down.source.length; n += 1) {
    const y = down.target[n];
    shareRow(data, down.source[n] * stride, channels, across, row);
    const share = down.share[n];
    if (n === 0 || down.target[n - 1] !== y) sum.fill(0);
    for (let x = 0; x < sum.length; x += 1) sum[x] += fround(row[x] * share);
    if (n + 1 < down.source.length && down.target[n + 1] === y) continue;
    for (let x = 0; x < sum.length; x += 1) result.data[y * sum.length + x] = rint(sum[x]);
  }
  return result;
}

function shareRow(data, start, channels, { source, target, share }, row) {
  row.fill(0);
  for (let m = 0; m < source.length; m += 1) {
    const from = start + source[m] * channels;
    const to = target[m] * channels;
    for (let k = 0; k < channels; k += 1) row[to + k] += fround(data[from + k] * share[m]);
  }
}
