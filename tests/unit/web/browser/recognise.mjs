// Opens an exported folder and recognises pictures, as the page does, in node.
import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

let opened;

export async function open(folder) {
  const load = (path) => import(pathToFileURL(join(folder, path)));
  const read = async (path) => new Uint8Array(await readFile(join(folder, path)));
  const [ort, { openNetworks }, { recognise }] = [await load("runtime/ort.js"), await load("browser/networks.js"), await load("browser/recognise.js")];
  const card = JSON.parse(await readFile(join(folder, "models/card.json"), "utf8"));
  opened = { card, recognise, networks: await openNetworks(ort, read, card) };
}

export async function recogniseIn(picture, minFace) {
  const { card, recognise, networks } = opened;
  const faces = await recognise(picture, networks, card, { head: card.default_head, minFace });
  return faces;
}
