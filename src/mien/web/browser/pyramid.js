/** Crops of a picture at any size, cheap however large the picture is: mien's `faces/pyramid.py`. */

import { clamp, cut, rint } from "./picture.js";
import { resizeArea } from "./resize.js";

const FINE = 16; // a crop is taken from the smallest halving in which it still is that many times as wide as its result

/** A picture, and its halvings, made when they are first needed. */
export class Pyramid {
  #levels;

  constructor(picture) {
    this.#levels = [picture];
  }

  /** The picture itself. */
  get picture() {
    return this.#levels[0];
  }

  /** The picture halved `number` times: each pixel the mean of four. An odd last row or column falls away. */
  level(number) {
    while (this.#levels.length <= number) {
      const last = this.#levels.at(-1);
      const [width, height] = [last.width >> 1, last.height >> 1];
      this.#levels.push(resizeArea(cut(last, 0, 0, 2 * width, 2 * height), width, height));
    }
    return this.#levels[number];
  }

  /**
   * Cut boxes out and resize them to squares; black outside of the picture.
   *
   * @param {number[][]} boxes which may reach past the edge or lie outside.
   * @param {number} size side of the crops.
   * @returns {{crops: Uint8Array, cut: number[][]}} the pixels of all crops, RGB, one crop after the other, and the
   *   boxes that were really cut: at whole pixels.
   */
  crops(boxes, size) {
    const crops = new Uint8Array(boxes.length * size * size * 3);
    const taken = boxes.map((box, i) => {
      const level = this.#levelFor(box, size);
      const unit = 2 ** level;
      const [left, top] = [rint(box[0] / unit), rint(box[1] / unit)];
      const [right, bottom] = [Math.max(rint(box[2] / unit), left + 1), Math.max(rint(box[3] / unit), top + 1)];
      const { width, height } = this.level(level);
      if (left < width && top < height && right > 0 && bottom > 0) {
        const inside = cut(this.level(level), left, top, right, bottom);
        crops.set(resizeArea(inside, size, size).data, i * size * size * 3);
      }
      return [left * unit, top * unit, right * unit, bottom * unit];
    });
    return { crops, cut: taken };
  }

  #levelFor([x1, y1, x2, y2], size) {
    const longest = Math.max(x2 - x1, y2 - y1, 1);
    const highest = Math.floor(Math.log2(Math.max(Math.min(this.picture.width, this.picture.height), 1)));
    return clamp(Math.floor(Math.log2(longest / (FINE * size))), 0, highest);
  }
}
