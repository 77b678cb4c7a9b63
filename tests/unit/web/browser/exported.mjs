// An exported folder at work, as in the page's worker, but in node.
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

let opened;

export async function open(folder) {
  const load = (path) => import(pathToFileURL(join(folder, path)));
  const read = async (path) => new Uint8Array(await readFile(join(folder, path)));
  const ort = await load("runtime/ort.js");
  const { openNetworks } = await load("browser/networks.js");
  const card = JSON.parse(await readFile(join(folder, "models/card.json"), "utf8"));
  const networks = await openNetworks(ort, read, card);
  opened = { card, networks, options: { head: card.default_head, minFace: 40, detectEvery: 3 } };
  opened.recognise = (await load("browser/recognise.js")).recognise;
  opened.LiveFaces = (await load("browser/live.js")).LiveFaces;
}

export function picture(pixels) {
  const { recognise, networks, card, options } = opened;
  return recognise(pixels, networks, card, options);
}

export async function clip(frames, stepMs) {
  const live = new opened.LiveFaces(opened.networks, opened.card, opened.options);
  const found = [];
  for (const [i, frame] of frames.entries()) found.push(await live.step(frame, i * stepMs));
  return found;
}
