/**
 * Pictures as plain arrays, and the few things that are done to their pixels.
 *
 * @typedef {{data: Uint8Array, width: number, height: number, channels: number}} Picture
 *   Rows from the top, the channels of a pixel side by side: 3 for RGB, 1 for grey.
 */

/** A black picture. @returns {Picture} */
export function blank(width, height, channels) {
  return { data: new Uint8Array(width * height * channels), width, height, channels };
}

/** What a canvas gives (RGBA) as RGB; how opaque a pixel is does not count. @returns {Picture} */
export function fromRgba(rgba, width, height) {
  const picture = blank(width, height, 3);
  const { data } = picture;
  for (let from = 0, to = 0; to < data.length; from += 4, to += 3) {
    data[to] = rgba[from];
    data[to + 1] = rgba[from + 1];
    data[to + 2] = rgba[from + 2];
  }
  return picture;
}

/** RGB to luma, ITU-R BT.601, in the whole numbers that OpenCV takes. @returns {Picture} */
export function toGrey(picture) {
  if (picture.channels === 1) return picture;
  const grey = blank(picture.width, picture.height, 1);
  const { data } = picture;
  for (let from = 0, to = 0; from < data.length; from += 3, to += 1) {
    grey.data[to] = (9798 * data[from] + 19235 * data[from + 1] + 3735 * data[from + 2] + 16384) >> 15;
  }
  return grey;
}

/** The rectangle from (left, top) to (right, bottom), whole pixels; black outside of the picture. @returns {Picture} */
export function cut(picture, left, top, right, bottom) {
  const { width, height, channels } = picture;
  const result = blank(right - left, bottom - top, channels);
  const [from, to] = [clamp(left, 0, width), clamp(right, 0, width)];
  if (from >= to) return result;
  for (let y = Math.max(top, 0); y < Math.min(bottom, height); y += 1) {
    const pixels = picture.data.subarray((y * width + from) * channels, (y * width + to) * channels);
    result.data.set(pixels, ((y - top) * result.width + from - left) * channels);
  }
  return result;
}

/** A picture with a border all around that continues its edge. @returns {Picture} */
export function framed(picture, border) {
  const { width, height, channels } = picture;
  const result = blank(width + 2 * border, height + 2 * border, channels);
  for (let y = 0, to = 0; y < result.height; y += 1) {
    const row = clamp(y - border, 0, height - 1) * width;
    for (let x = 0; x < result.width; x += 1) {
      const from = (row + clamp(x - border, 0, width - 1)) * channels;
      for (let k = 0; k < channels; k += 1, to += 1) result.data[to] = picture.data[from + k];
    }
  }
  return result;
}

/** A number brought into a range. */
export function clamp(value, low, high) {
  return Math.min(Math.max(value, low), high);
}

/** The nearest whole number, of two as near the even one: as numpy and OpenCV round. */
export function rint(value) {
  const floor = Math.floor(value);
  const rest = value - floor;
  if (rest !== 0.5) return rest < 0.5 ? floor : floor + 1;
  return floor % 2 === 0 ? floor : floor + 1;
}
