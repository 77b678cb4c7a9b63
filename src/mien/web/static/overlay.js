// Draws what was found over a picture or a video: a box, a tag and the likeliest emotions of each face.

import { color, percent } from "./colors.js";
import { drawHeat } from "./heat.js";

const INK = "#161a20";
const LINES = 3; // bars beside a face
const ROW = 17; // CSS pixels

/**
 * Draw over a stage. The canvas lies over the picture, which is shown as large as fits ("contain").
 *
 * @param {HTMLCanvasElement} canvas over the picture, as large as its stage
 * @param {{faces: object[], width: number, height: number} | null} result in pixels of the source; null clears
 * @param {{mirror?: boolean, heat?: boolean, chosen?: number}} [options] chosen: the index of the face to stress
 */
export function drawOverlay(canvas, result, { mirror = false, heat = false, chosen = -1 } = {}) {
  const view = fitted(canvas, result);
  const context = canvas.getContext("2d");
  context.setTransform(view.ratio, 0, 0, view.ratio, 0, 0);
  context.clearRect(0, 0, view.width, view.height);
  if (!result) return;
  const faces = result.faces.map((face) => ({ face, box: shown(face, result, view, mirror) }));
  if (heat) for (const { face } of faces) if (face.heat) drawHeat(context, face.heat, result, view, mirror);
  const taken = faces.map(({ box }) => box);
  faces.forEach(({ face, box }, i) => drawBox(context, box, color(face.label), faces.length > 1 && i === chosen));
  for (const { face, box } of faces) taken.push(drawTag(context, box, face, view));
  for (const { face, box } of faces) drawPanel(context, box, face, view, taken);
}

/** The index of the face at a point of the canvas (CSS pixels), the smallest where several lie there; -1 if none. */
export function faceAt(canvas, result, x, y, { mirror = false } = {}) {
  if (!result) return -1;
  const view = fitted(canvas, result, false);
  let best = -1;
  let least = Infinity;
  result.faces.forEach((face, i) => {
    const box = shown(face, result, view, mirror);
    const inside = x >= box.x && x <= box.x + box.w && y >= box.y && y <= box.y + box.h;
    if (inside && box.w * box.h < least) [best, least] = [i, box.w * box.h];
  });
  return best;
}

/** How the source lies on the canvas; its pixels follow the screen's, so that lines are sharp. */
function fitted(canvas, result, resize = true) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.round(width * ratio), Math.round(height * ratio)];
  if (resize && (canvas.width !== w || canvas.height !== h)) [canvas.width, canvas.height] = [w, h];
  const scale = result ? Math.min(width / result.width, height / result.height) : 1;
  const left = result ? (width - result.width * scale) / 2 : 0;
  const top = result ? (height - result.height * scale) / 2 : 0;
  return { width, height, ratio, scale, left, top };
}

function shown(face, result, view, mirror) {
  const x1 = mirror ? result.width - face.x2 : face.x1;
  return {
    x: view.left + x1 * view.scale,
    y: view.top + face.y1 * view.scale,
    w: (face.x2 - face.x1) * view.scale,
    h: (face.y2 - face.y1) * view.scale,
  };
}

function drawBox(context, { x, y, w, h }, paint, stressed) {
  const radius = Math.min(14, w / 6);
  context.lineJoin = "round";
  for (const [style, width] of [["rgb(0 0 0 / 0.28)", stressed ? 6.5 : 5], [paint, stressed ? 4 : 2.5]]) {
    context.beginPath();
    context.roundRect(x, y, w, h, radius);
    context.strokeStyle = style;
    context.lineWidth = width;
    context.stroke();
  }
}

/** A pill that names the emotion: above its box, else inside at its top. Returns where it lies. */
function drawTag(context, box, face, view) {
  const share = face.p[face.label] ?? Math.max(...Object.values(face.p));
  const text = `${face.label ?? "unsure"} ${percent(share)}`;
  context.font = "600 14px system-ui, sans-serif";
  const w = context.measureText(text).width + 20;
  const h = 26;
  const x = clamp(box.x - 1, 4, view.width - w - 4);
  const y = clamp(box.y - h - 6, 4, view.height - h - 4);
  context.beginPath();
  context.roundRect(x, y, w, h, 13);
  context.fillStyle = color(face.label);
  context.fill();
  context.fillStyle = INK;
  context.textBaseline = "middle";
  context.fillText(text, x + 10, y + h / 2 + 0.5);
  return { x, y, w, h };
}

/** The likeliest emotions as bars, beside the box, where they fit and hide nothing. */
function drawPanel(context, box, face, view, taken) {
  const w = 148;
  const h = LINES * ROW + 12;
  const spots = [
    [box.x + box.w + 8, box.y],
    [box.x - w - 8, box.y],
    [box.x, box.y + box.h + 8],
  ];
  const spot = spots.map(([x, y]) => ({ x, y: clamp(y, 4, view.height - h - 4), w, h })).find(
    (each) => each.x >= 4 && each.x + w <= view.width - 4 && !taken.some((other) => overlap(each, other)),
  );
  if (!spot || box.h < h) return;
  taken.push(spot);
  context.beginPath();
  context.roundRect(spot.x, spot.y, w, h, 9);
  context.fillStyle = "rgb(18 22 28 / 0.72)";
  context.fill();
  context.font = "12px system-ui, sans-serif";
  context.textBaseline = "middle";
  likeliest(face.p, LINES).forEach(([label, share], i) => {
    const y = spot.y + 6 + i * ROW + ROW / 2;
    context.fillStyle = "rgb(240 243 247)";
    context.fillText(label, spot.x + 9, y + 0.5);
    const [left, length] = [spot.x + 80, w - 90];
    pill(context, left, y - 3, length, "rgb(255 255 255 / 0.18)");
    if (share >= 0.01) pill(context, left, y - 3, Math.max(6, length * share), color(label));
  });
}

function pill(context, x, y, w, style) {
  context.beginPath();
  context.roundRect(x, y, w, 6, 3);
  context.fillStyle = style;
  context.fill();
}

function likeliest(p, most) {
  return Object.entries(p).sort((a, b) => b[1] - a[1]).slice(0, most);
}

function overlap(a, b) {
  return a.x < b.x + b.w && b.x < a.x + a.w && a.y < b.y + b.h && b.y < a.y + a.h;
}

function clamp(value, low, high) {
  return Math.max(low, Math.min(high, value));
}
