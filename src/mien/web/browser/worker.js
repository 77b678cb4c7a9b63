/** The recogniser at work, beside the page, so that the page stays fluid. `local.js` talks to it. */

import { LiveFaces } from "./live.js";
import { openNetworks } from "./networks.js";
import { fromRgba } from "./picture.js";
import { recognise } from "./recognise.js";

const MOST_PIXELS = 50e6; // of a picture: four bytes a pixel, and twice

let card, networks, live, options;
let canvas = null;

const ANSWERS = { open, picture, frame };

let last = Promise.resolve();
self.onmessage = ({ data }) => {
  last = last.then(() => answer(data)); // one after the other
};

async function answer({ number, kind, args }) {
  try {
    self.postMessage({ number, result: await ANSWERS[kind](args) });
  } catch (error) {
    self.postMessage({ number, error: error.message ?? String(error) });
  }
}

/** Load all that is needed; from then on nothing is fetched. */
async function open({ folder, head, minFace, detectEvery }) {
  const read = (path) => fetched(folder, path);
  card = JSON.parse(new TextDecoder().decode(await read("models/card.json")));
  options = { head: head ?? card.default_head, minFace, detectEvery };
  if (!(options.head in card.heads)) {
    throw new Error(`expected a head out of ${Object.keys(card.heads).join(", ")}, got ${options.head}`);
  }
  networks = await openNetworks(await runtime(folder), read, card);
  live = new LiveFaces(networks, card, options);
  return { name: card.name, labels: card.heads[options.head].labels, card };
}

async function picture({ bitmap }) {
  const pixels = taken(bitmap);
  const faces = await recognise(pixels, networks, card, options);
  return faces.map((face, i) => ({ ...plain(face), face_id: i }));
}

async function frame({ bitmap, timeMs }) {
  const faces = await live.step(taken(bitmap), timeMs);
  return faces.map((face) => ({ ...plain(face), face_id: face.id }));
}

/** A face as the page draws it. */
function plain({ box: [x1, y1, x2, y2], score, probabilities }) {
  const { labels } = card.heads[options.head];
  const p = Object.fromEntries(labels.map((label, k) => [label, probabilities[k]]));
  const label = labels[probabilities.indexOf(Math.max(...probabilities))];
  return { x1, y1, x2, y2, score, p, label };
}

/** The pixels of a picture that the page has handed over. */
function taken(bitmap) {
  const { width, height } = bitmap;
  if (width * height > MOST_PIXELS) {
    bitmap.close();
    const most = MOST_PIXELS / 1e6;
    throw new Error(`expected at most ${most} megapixels, got ${width} x ${height}: make it smaller first`);
  }
  if (canvas?.width !== width || canvas?.height !== height) canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext("2d", { willReadFrequently: true });
  context.globalCompositeOperation = "copy"; // nothing of the last picture shines through
  context.drawImage(bitmap, 0, 0);
  bitmap.close();
  return fromRgba(context.getImageData(0, 0, width, height).data, width, height);
}

async function runtime(folder) {
  try {
    return await import(new URL("runtime/ort.js", folder));
  } catch (error) {
    throw new Error(`expected ONNX Runtime Web in runtime/ort.js, got: ${error.message}: ${REPAIR}`);
  }
}

async function fetched(folder, path) {
  const answer = await fetch(new URL(path, folder)).catch((error) => ({ ok: false, status: error.message }));
  if (!answer.ok) throw new Error(`expected the file ${path} beside the page, got ${answer.status}: ${REPAIR}`);
  return new Uint8Array(await answer.arrayBuffer());
}

const REPAIR = "copy the whole folder that `mien export --format web` wrote";
