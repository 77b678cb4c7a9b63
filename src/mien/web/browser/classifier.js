/** Faces in, calibrated probabilities out: mien's `runtime/classifier.py`. */

const { fround } = Math;
const SMALLEST = 1.1754943508222875e-38; // below it a float32 probability is no number any more

/**
 * Crops as the network takes them: (x / 255 - mean) / std, one channel after the other.
 *
 * Rounded to float32 at every step, as numpy does: an int8 network rounds its input again, where the last bit may
 * decide.
 *
 * @returns {Float32Array}
 */
export function toTensor(crops, input) {
  const area = input.size * input.size;
  const channels = input.mean.length;
  const tensor = new Float32Array(crops.length * area * channels);
  for (const [n, { data }] of crops.entries()) {
    for (let k = 0; k < channels; k += 1) {
      const [mean, std] = [fround(input.mean[k]), fround(input.std[k])];
      const [factor, shift] = [fround(1 / fround(255 * std)), fround(mean / std)];
      const start = (n * channels + k) * area;
      for (let i = 0; i < area; i += 1) tensor[start + i] = fround(data[i * channels + k] * factor) - shift;
    }
  }
  return tensor;
}

/** Probabilities to the power of 1 / T, to sum 1: temperature scaling, Guo et al. 2017. */
export function applyTemperature(probabilities, temperature) {
  const powers = Array.from(probabilities, (p) => Math.log(Math.max(p, SMALLEST)) / temperature);
  const most = Math.max(...powers);
  const scaled = powers.map((each) => Math.exp(each - most));
  const sum = scaled.reduce((a, b) => a + b, 0);
  return scaled.map((each) => each / sum);
}

/**
 * What a head of the model says of faces.
 *
 * @param {import("./picture.js").Picture[]} crops as `cropFace` makes them.
 * @param {Function} run the network, see `openNetworks`.
 * @param {object} card of the model.
 * @param {string} head which of its heads.
 * @returns {Promise<number[][]>} for each face a probability for each label of the head.
 */
export async function classify(crops, run, card, head) {
  if (!crops.length) return [];
  const { labels, output, temperature } = card.heads[head];
  const { input } = card;
  const shape = [crops.length, input.mean.length, input.size, input.size];
  const answer = await run(toTensor(crops, input), shape, [output]);
  const rows = crops.map((_, i) => answer[output].data.subarray(i * labels.length, (i + 1) * labels.length));
  return rows.map((row) => applyTemperature(row, temperature));
}
