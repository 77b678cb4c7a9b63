// Calls functions of the page's modules for Python: a line of JSON in, a line of JSON out.
// An array of numbers travels as {"bytes": base64, "type": "Uint8Array"}. A name "Pyramid.crops" is a method: the first of
// the arguments are those of the constructor.
import { createInterface } from "node:readline";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

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

async function call({ module, name, args }) {
  const found = await import(pathToFileURL(resolve(folder, module)));
  const [first, method] = name.split(".");
  return method ? new found[first](args[0])[method](...args.slice(1)) : found[first](...args);
}

for await (const line of createInterface({ input: process.stdin })) {
  let answer;
  try {
    answer = { result: (await call(JSON.parse(line, unpack))) ?? null };
  } catch (error) {
    answer = { error: String(error.stack ?? error) };
  }
  process.stdout.write(`${JSON.stringify(answer, pack)}\n`);
}
