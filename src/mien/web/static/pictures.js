// Pictures: dropped, pasted or chosen; one on the stage, all in a strip below, and a table of them.

import { drawOverlay, faceAt } from "./overlay.js";
import { columns, download, rowsOf, toCsv } from "./table.js";

const THUMB = 96; // pixels
const LONGEST = 2048; // of a picture on the stage

export function createPictures({ recogniser, reading, toast }) {
  const element = (name) => document.getElementById(`pictures-${name}`);
  const [stage, canvas, empty, tools, strip, busy, caption, input] = ["stage", "canvas", "empty", "tools", "strip", "busy", "caption", "file"].map(element);
  const overlay = stage.querySelector(".overlay");
  const heat = () => element("heat").checked;
  let entries = []; // {file, name, drawn, result, error, button}; no decoded picture: one of 12 megapixels takes 48 MB
  let current = null;
  let painted = null; // the entry that is on the stage
  let working = false;

  async function add(files) {
    const pictures = [...files];
    if (!pictures.length) return;
    const first = entries.length;
    for (const file of pictures) {
      const entry = { file, name: file.name || "pasted.png", drawn: null, result: null, error: null };
      entry.button = tile(entry);
      entries.push(entry);
    }
    layout();
    select(entries[first]);
    if (!working) await work();
  }

  /** One picture after the other: the server has others to serve, too. */
  async function work() {
    working = true;
    for (let entry = next(); entry; entry = next()) {
      await recognise(entry);
      mark(entry);
      if (entry === current) draw();
    }
    working = false;
  }

  function next() {
    const open = (entry) => !entry.result && !entry.error;
    return current && entries.includes(current) && open(current) ? current : entries.find(open);
  }

  async function recognise(entry) {
    const bitmap = await opened(entry.file);
    if (bitmap) thumbnail(entry, bitmap);
    try {
      entry.result = await patiently(() => recogniser.recognise(bitmap, { file: entry.file, heat: recogniser.heat, timeMs: 0 }));
      if (!bitmap && recogniser.annotated) {
        // A format that this browser cannot show: the server draws it.
        entry.drawn = await recogniser.annotated(entry.file, { heat: false });
        await paint(entry);
      }
    } catch (error) {
      entry.error = error.message;
    } finally {
      bitmap?.close();
    }
  }

  function select(entry) {
    current = entry;
    entries.forEach((each) => each.button.setAttribute("aria-pressed", String(each === entry)));
    reading.prefer(null);
    [canvas.width, canvas.height, painted] = [1, 1, null];
    draw();
    paint(entry);
  }

  /** Put a picture on the stage, if it is still the chosen one; one that the server drew into the strip, too. */
  async function paint(entry) {
    const bitmap = await opened(entry.drawn ?? entry.file);
    if (bitmap && entry.drawn) thumbnail(entry, bitmap);
    if (entry === current) {
      const scale = bitmap ? Math.min(1, LONGEST / Math.max(bitmap.width, bitmap.height)) : 1;
      [canvas.width, canvas.height] = bitmap ? [bitmap.width * scale, bitmap.height * scale] : [1, 1];
      if (bitmap) canvas.getContext("2d").drawImage(bitmap, 0, 0, canvas.width, canvas.height);
      painted = entry;
      draw();
    }
    bitmap?.close();
  }

  function draw() {
    if (!current) return reading.show(null, { instead: "No picture yet" });
    const { result, error, name } = current;
    canvas.setAttribute("aria-label", name);
    busy.hidden = Boolean(result || error);
    caption.hidden = !(error || result?.note || (result && !result.faces.length));
    caption.textContent = error ?? [result?.faces.length === 0 ? "No face found." : "", result?.note ?? ""].join(" ").trim();
    caption.classList.toggle("wrong", Boolean(error));
    if (result) reading.show(result, { remark: `${name} · ${result.width} × ${result.height} pixels` });
    else reading.show(null, { instead: error ? "Not readable" : "Looking for faces", remark: name });
    drawOverlay(overlay, current.drawn || current !== painted ? null : result, { heat: heat(), chosen: reading.index() });
  }

  function layout() {
    empty.hidden = entries.length > 0;
    tools.hidden = entries.length === 0;
    strip.hidden = entries.length < 2;
    canvas.hidden = entries.length === 0;
    strip.replaceChildren(...entries.map((entry) => entry.button.parentElement));
  }

  function clear() {
    [entries, current] = [[], null];
    busy.hidden = caption.hidden = true;
    drawOverlay(overlay, null);
    layout();
    draw();
    element("choose").focus();
  }

  function tile(entry) {
    const button = document.createElement("button");
    button.type = "button";
    button.setAttribute("aria-label", `${entry.name}: waiting`);
    button.append(document.createElement("canvas"));
    button.onclick = () => select(entry);
    document.createElement("li").append(button);
    return button;
  }

  function thumbnail({ button }, bitmap) {
    const small = button.firstElementChild;
    [small.width, small.height] = [2 * THUMB, 2 * THUMB];
    const scale = Math.max(small.width / bitmap.width, small.height / bitmap.height);
    const [w, h] = [bitmap.width * scale, bitmap.height * scale];
    small.getContext("2d").drawImage(bitmap, (small.width - w) / 2, (small.height - h) / 2, w, h);
  }

  function mark({ button, name, result, error }) {
    const says = error ? "not readable" : result.faces.length ? result.faces.map((face) => face.label).join(", ") : "no face found";
    button.setAttribute("aria-label", `${name}: ${says}`);
    button.dataset.state = error ? "wrong" : result.faces.length ? "done" : "none";
    const text = document.createElement("span");
    text.className = "tile-text";
    text.textContent = error ? "not readable" : result.faces.length > 1 ? `${result.faces.length} faces` : says;
    button.append(text);
  }

  function table() {
    const rows = entries.filter((entry) => entry.result || entry.error).flatMap((entry) => rowsOf(entry.name, entry.result, { error: entry.error }));
    download("faces.csv", toCsv(rows, columns(recogniser.labels)), "text/csv");
  }

  /** The picture with what is drawn over it, in its own size. */
  async function save() {
    const { name, file, drawn, result } = current;
    const options = { heat: heat(), chosen: reading.index() };
    const bitmap = await opened(drawn ?? file);
    if (!bitmap) return toast("There is no picture to save.");
    const sheet = document.createElement("canvas");
    [sheet.width, sheet.height] = [bitmap.width, bitmap.height];
    const context = sheet.getContext("2d");
    context.drawImage(bitmap, 0, 0);
    if (result && !drawn) {
      const layer = document.createElement("canvas");
      const size = { clientWidth: { value: canvas.clientWidth }, clientHeight: { value: (canvas.clientWidth * bitmap.height) / bitmap.width } };
      Object.defineProperties(layer, size); // as large as on the stage, then enlarged with the picture
      drawOverlay(layer, result, options);
      context.drawImage(layer, 0, 0, sheet.width, sheet.height);
    }
    bitmap.close();
    const blob = await new Promise((resolve) => sheet.toBlob(resolve, "image/jpeg", 0.92));
    download(`${name.replace(/\.[^.]*$/, "")}.annotated.jpg`, blob, "image/jpeg");
  }

  async function sample() {
    const answer = await fetch("sample.jpg");
    await add([new File([await answer.blob()], "sample.jpg", { type: "image/jpeg" })]);
  }

  element("choose").onclick = element("more").onclick = () => input.click();
  input.onchange = () => {
    add(input.files);
    input.value = "";
  };
  element("sample").onclick = sample;
  element("table").onclick = table;
  element("save").onclick = save;
  element("clear").onclick = clear;
  element("heat").onchange = draw;
  overlay.onclick = ({ offsetX, offsetY }) => {
    const at = current && faceAt(overlay, current.result, offsetX, offsetY);
    if (at >= 0) reading.choose(at);
  };
  reading.chips.addEventListener("choose", () => !stage.closest("section").hidden && draw());
  new ResizeObserver(draw).observe(overlay);
  layout();
  return { enter: draw, leave: () => {}, add };
}

/** The picture, upright; null where this browser cannot read it. */
async function opened(file) {
  try {
    return await createImageBitmap(file);
  } catch {
    return null;
  }
}

/** Ask again where the server has too much to do (503) or was asked too often (429). */
async function patiently(ask) {
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask();
    } catch (error) {
      if (![429, 503].includes(error.status) || attempt >= 20) throw error;
      await new Promise((resolve) => setTimeout(resolve, 500 + 250 * attempt));
    }
  }
}
