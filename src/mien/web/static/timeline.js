// Emotions over time as bands: at each moment the height of a band is its share. Gaps are moments without a face.

import { color } from "./colors.js";

const GAP_MS = 1500; // between two points further apart there is nothing to draw
const FOOT = 18; // CSS pixels for the times below

/**
 * A timeline on a canvas, which may run (the last `seconds`) or hold a whole clip (`seconds` null).
 *
 * @param {HTMLCanvasElement} canvas
 * @param {string[]} labels from the lowest band to the highest
 * @param {{seconds?: number | null}} [options]
 */
export function createTimeline(canvas, labels, { seconds = 30 } = {}) {
  let points = []; // {timeMs, p: {label: share} | null}, in order
  let cursor = null;
  let wanted = false;

  function add(timeMs, p) {
    points.push({ timeMs, p });
    if (seconds !== null) {
      const oldest = timeMs - seconds * 1000 - GAP_MS;
      let first = 0;
      while (first < points.length && points[first].timeMs < oldest) first++;
      if (first > 64) points = points.slice(first); // now and then, not for each point
    }
    redraw();
  }

  function set(all) {
    points = all;
    cursor = null;
    redraw();
  }

  function point(timeMs) {
    cursor = timeMs;
    redraw();
  }

  function redraw() {
    if (wanted) return;
    wanted = true;
    requestAnimationFrame(() => {
      wanted = false;
      draw(canvas, labels, points, span(), cursor, seconds !== null);
    });
  }

  /** First and last moment shown, in ms. */
  function span() {
    const end = points.length ? points[points.length - 1].timeMs : 0;
    return seconds === null ? [points.length ? points[0].timeMs : 0, Math.max(end, 1)] : [end - seconds * 1000, end];
  }

  /** The moment at a place of the canvas, from the left in CSS pixels. */
  function timeAt(x) {
    const [from, to] = span();
    return from + (x / canvas.clientWidth) * (to - from);
  }

  new ResizeObserver(redraw).observe(canvas);
  return { add, set, point, timeAt, clear: () => set([]) };
}

function draw(canvas, labels, points, [from, to], cursor, running) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const ratio = window.devicePixelRatio || 1;
  [canvas.width, canvas.height] = [Math.round(width * ratio), Math.round(height * ratio)];
  const context = canvas.getContext("2d");
  context.scale(ratio, ratio);
  const style = getComputedStyle(canvas);
  const bottom = height - FOOT;
  const x = (timeMs) => ((timeMs - from) / (to - from)) * width;
  context.fillStyle = style.getPropertyValue("--groove");
  context.beginPath();
  context.roundRect(0, 0, width, bottom, 8);
  context.fill();
  context.save();
  context.clip();
  for (const stretch of stretches(thinned(points, from, to, width))) drawStretch(context, labels, stretch, x, bottom);
  context.restore();
  drawTimes(context, from, to, x, height, width, style, running);
  if (cursor !== null) {
    context.fillStyle = style.getPropertyValue("--ink");
    context.fillRect(x(cursor) - 1, 0, 2, bottom);
  }
}

/** Points in sight, at most two a pixel: of a long clip each stands for its neighbours, too. */
function thinned(points, from, to, width) {
  const seen = points.filter(({ timeMs }) => timeMs >= from - GAP_MS && timeMs <= to);
  const step = Math.ceil(seen.length / (2 * width));
  return step > 1 ? seen.filter((_, i) => i % step === 0) : seen;
}

function stretches(points) {
  const found = [];
  let last = null;
  for (const each of points) {
    if (!each.p) last = null;
    else if (last && each.timeMs - last.timeMs <= GAP_MS) found[found.length - 1].push(each);
    else found.push([each]);
    if (each.p) last = each;
  }
  return found;
}

function drawStretch(context, labels, stretch, x, bottom) {
  const edge = (k) => stretch.map(({ p }) => bottom * (1 - labels.slice(0, k).reduce((sum, label) => sum + (p[label] ?? 0), 0)));
  const times = stretch.map(({ timeMs }) => x(timeMs));
  if (times.length === 1) times[0] -= 1;
  let below = edge(0);
  labels.forEach((label, k) => {
    const above = edge(k + 1);
    context.beginPath();
    times.forEach((at, i) => context.lineTo(at, below[i]));
    if (times.length === 1) context.lineTo(times[0] + 2, below[0]), context.lineTo(times[0] + 2, above[0]);
    for (let i = times.length - 1; i >= 0; i--) context.lineTo(times[i], above[i]);
    context.closePath();
    context.fillStyle = color(label);
    context.fill();
    below = above;
  });
}

function drawTimes(context, from, to, x, height, width, style, running) {
  context.font = "11.5px system-ui, sans-serif";
  context.fillStyle = style.getPropertyValue("--muted");
  context.textBaseline = "alphabetic";
  const step = [1, 2, 5, 10, 30, 60, 120, 300, 600, 1800].find((each) => (each * 1000 * width) / (to - from) > 64) ?? 3600;
  for (let s = running ? 0 : Math.ceil(from / 1000 / step) * step; ; s += step) {
    const timeMs = running ? to - s * 1000 : s * 1000;
    if (running ? timeMs < from : timeMs > to) return;
    const text = running ? (s ? `−${s} s` : "now") : clock(s);
    const w = context.measureText(text).width;
    context.fillText(text, Math.max(0, Math.min(width - w, x(timeMs) - w / 2)), height - 3);
  }
}

/** "1:05" */
export function clock(seconds) {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}
