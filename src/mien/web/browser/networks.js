/** ONNX files as functions of arrays, through ONNX Runtime Web: one thread, so that a page needs no special headers. */

const DETECTOR = ["pnet", "rnet", "onet"];

/**
 * Load all networks.
 *
 * @param {object} ort the module of ONNX Runtime Web.
 * @param {(path: string) => Promise<Uint8Array>} read gives a file of the exported folder.
 * @param {object} card of the model; `file` is its weight file.
 * @returns {Promise<{detector: import("./mtcnn.js").Run, classifier: Function, close: Function}>} `classifier` takes a
 *   tensor, its shape and the names of the outputs wanted.
 */
export async function openNetworks(ort, read, card) {
  ort.env.wasm.numThreads = 1;
  ort.env.wasm.wasmBinary = await read("runtime/ort-wasm-simd-threaded.wasm");
  ort.env.logLevel = "error";
  const open = async (path) => ort.InferenceSession.create(await read(path), { executionProviders: ["wasm"] });
  const sessions = {};
  for (const name of DETECTOR) sessions[name] = await open(`models/mtcnn/${name}.onnx`);
  sessions.model = await open(`models/${card.file}`);

  const run = (name, tensor, outputs) => {
    const session = sessions[name];
    return session.run({ [session.inputNames[0]]: tensor }, outputs ?? session.outputNames);
  };
  return {
    detector: (name, pixels, shape) => run(name, new ort.Tensor("uint8", pixels, shape)),
    classifier: (values, shape, outputs) => run("model", new ort.Tensor("float32", values, shape), outputs),
    close: () => Promise.all(Object.values(sessions).map((each) => each.release())),
  };
}
