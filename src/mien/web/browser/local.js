/**
 * A recogniser that works in the visitor's own browser. It fetches its files once, when it is made; pictures go to a
 * worker of the page and nowhere else.
 *
 *     import { create } from "./browser/local.js";
 *     const recogniser = await create();
 *     const { faces } = await recogniser.recognise(document.querySelector("img"));
 */

const FOLDER = new URL("..", import.meta.url).href; // holds browser/, models/ and runtime/
const LANES = 2; // frames under way: one is looked at while the next is copied
const CLOSED = "expected an open recogniser, got one that was closed";

/**
 * @param {{head?: string, minFace?: number, detectEvery?: number}} [options] which of the model's label sets answers;
 *   the smallest face in pixels; in how many-th frame of a camera faces are looked for anew, being followed between.
 * @returns {Promise<object>} see `recogniser.js`.
 */
export async function create({ head, minFace = 40, detectEvery = 5 } = {}) {
  const worker = startWorker();
  const opened = worker.ask("open", { folder: FOLDER, head, minFace, detectEvery });
  const about = await opened.catch((error) => {
    worker.close();
    throw Object.assign(error, { short: "not working" });
  });
  let waiting = 0;

  /** Faces of a picture, or of the next frame of a camera; null where two frames before it still wait. */
  async function recognise(source, { timeMs = performance.now(), live = false, file = null } = {}) {
    if (live && waiting >= LANES) return null;
    waiting += 1;
    try {
      const start = performance.now();
      const bitmap = await grab(source ?? file);
      const { width, height } = bitmap;
      const faces = await worker.ask(live ? "frame" : "picture", { bitmap, timeMs }, [bitmap]);
      return { faces, width, height, ms: performance.now() - start };
    } finally {
      waiting -= 1;
    }
  }

  return { ...about, heat: false, videos: undefined, recognise, close: worker.close };
}

/** A copy of the picture that can be handed over. */
async function grab(source) {
  try {
    return await createImageBitmap(source);
  } catch {
    const name = source instanceof File ? source.name : "what was given";
    throw new Error(`expected a picture in ${name}, got what this browser cannot read: give a JPEG, PNG or WebP`);
  }
}

/** A worker as a function that asks and waits. */
function startWorker() {
  const worker = new Worker(new URL("worker.js", import.meta.url), { type: "module" });
  const waiting = new Map();
  let [count, closed] = [0, false];
  worker.onmessage = ({ data: { number, result, error } }) => {
    const asked = waiting.get(number); // none where it was given up
    waiting.delete(number);
    if (error) asked?.reject(new Error(error));
    else asked?.resolve(result);
  };
  const giveUp = (message) => {
    for (const { reject } of waiting.values()) reject(new Error(message));
    waiting.clear();
  };
  worker.onerror = (event) => {
    giveUp(`expected browser/worker.js to start, got: ${event.message ?? "no such file, or not sent as JavaScript"}`);
  };
  return {
    ask: (kind, args, transfer = []) =>
      new Promise((resolve, reject) => {
        if (closed) throw new Error(CLOSED);
        const number = count++;
        waiting.set(number, { resolve, reject });
        worker.postMessage({ number, kind, args }, transfer);
      }),
    close: () => {
      closed = true;
      worker.terminate();
      giveUp(CLOSED);
    },
  };
}
