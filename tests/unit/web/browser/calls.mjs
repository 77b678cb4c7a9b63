// Calls functions of the page's modules for Python: a line of JSON in, a line of JSON out.
// An array of numbers travels as {"bytes": base64, "type": "Uint8Array"}.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { resolve } from "node:path";

const folder = resolve(process.argv[2]);
const TYPES = { Uint8Array, Int32Array, Float32Array, Float64Array };

function unpack(key, value) {
  if (value === null || typeof value !== "object" || !("bytes" in value)) return value;
  const bytes = Buffer.from(value.bytes, "base64");
  return new TYPES[value.type](bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length));
}

function pack(key, value) {
  if (!ArrayBuffer.isView(value)) return value;
  const bytes = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
  return { bytes: bytes.toString("base64"), type: value.constructor.name };
}

for await (const line of createInterface({ input: process.stdin })) {
  const { module, name, args } = JSON.parse(line, unpack);
  let answer;
  try {
    const found = await import(pathToFileURL(resolve(folder, module)));
    answer = { result: (await found[name](...args)) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(JSON.stringify(answer, pack) + "\n");
}
