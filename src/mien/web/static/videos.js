// Whole videos: uploaded as a job, followed while it runs, then shown with what was found, moment by moment.

import { drawOverlay } from "./overlay.js";
import { download } from "./table.js";
import { clock, createTimeline } from "./timeline.js";
import { percent } from "./colors.js";

const ASK_MS = 500; // between two questions how far the job is
const RETRY_MS = 1500; // after a question without an answer
const PATIENCE_MS = 60_000; // with a server that does not answer

export function createVideos({ recogniser, reading, toast }) {
  const element = (name) => document.getElementById(`videos-${name}`);
  const [stage, player, empty, working, tools, time, input, progress] = ["stage", "player", "empty", "working", "tools", "time", "file", "progress"].map(element);
  const { videos, labels } = recogniser;
  const overlay = stage.querySelector(".overlay");
  const timeline = createTimeline(time.querySelector("canvas"), labels, { seconds: null });
  let job = null; // {id, file, abort}
  let frames = []; // {timeMs, faces}, in order
  let shown = null;

  async function submit(file) {
    if (job) remove({ quiet: true });
    if (file.size > videos.mostBytes) return toast(`This video has ${megabytes(file.size)}; the server takes at most ${megabytes(videos.mostBytes)}.`);
    const mine = (job = { id: null, file, abort: new AbortController() });
    view("working");
    step("Uploading", 0, `${file.name} · ${megabytes(file.size)}`);
    reading.show(null, { instead: "Working" });
    try {
      const onUpload = (share) => job === mine && step("Uploading", share, `${percent(share)} of ${megabytes(file.size)}`);
      mine.id = (await videos.submit(file, { signal: mine.abort.signal, onUpload })).id;
      if (job !== mine) return await discard(mine.id); // cancelled when the upload was almost there
      const done = await follow(mine);
      if (done) await finish(mine, done);
    } catch (error) {
      if (job !== mine) return;
      job = null;
      if (mine.id) discard(mine.id);
      view("empty");
      reading.show(null, { instead: "No video yet" });
      if (error.message !== "cancelled") toast(error.message);
    }
  }

  async function follow(mine) {
    const began = performance.now();
    for (;;) {
      const now = await insist(() => videos.state(mine.id), () => silent(mine));
      if (job !== mine) return null;
      if (now.state === "done") return now;
      if (["failed", "cancelled"].includes(now.state)) throw new Error(now.error ?? "cancelled");
      if (now.state === "queued") step("Waiting", null, now.ahead ? `${now.ahead} before it` : "It starts in a moment.");
      else step("Reading the frames", now.total ? now.frames / now.total : null, details(now, performance.now() - began));
      await new Promise((resolve) => setTimeout(resolve, ASK_MS));
    }
  }

  function silent(mine) {
    if (job === mine) element("detail").textContent = "No answer: asking again";
  }

  function details({ frames: count, total }, elapsedMs) {
    if (!count) return "Opening the video";
    const rate = (count / elapsedMs) * 1000;
    const left = total > count ? ` · ${clock((total - count) / rate)} left` : "";
    return `${count.toLocaleString("en")}${total ? ` of ${total.toLocaleString("en")}` : ""} frames · ${rate.toFixed(0)} a second${left}`;
  }

  async function finish(mine, { error }) {
    const rows = await insist(() => videos.rows(mine.id), () => silent(mine));
    if (job !== mine) return;
    frames = framesOf(rows, labels);
    player.src = URL.createObjectURL(mine.file);
    view("done");
    listFaces();
    showFace();
    if (error) toast(error);
    document.getElementById("live").textContent = `The video is read. ${element("summary").textContent}`;
  }

  function listFaces() {
    const counts = new Map();
    for (const { faces } of frames) for (const { face_id } of faces) counts.set(face_id, (counts.get(face_id) ?? 0) + 1);
    const ids = [...counts].sort((a, b) => b[1] - a[1]).map(([id]) => id);
    element("faces").hidden = ids.length < 2;
    element("face").replaceChildren(...ids.map((id) => new Option(id, id)));
  }

  /** The timeline and the shares of the chosen face. */
  function showFace() {
    const id = Number(element("face").value);
    reading.prefer(id);
    const points = frames.map(({ timeMs, faces }) => ({ timeMs, p: faces.find((face) => face.face_id === id)?.p ?? null }));
    timeline.set(points);
    const seen = points.filter(({ p }) => p);
    const means = labels.map((label) => [label, seen.reduce((sum, { p }) => sum + p[label], 0) / seen.length]);
    const most = means.sort((a, b) => b[1] - a[1]).slice(0, 3).filter(([, share]) => share >= 0.01);
    element("summary").textContent = seen.length ? `On average ${most.map(([label, share]) => `${label} ${percent(share)}`).join(", ")}` : "No face found in this video";
    moment();
  }

  /** What was found at the player's moment. */
  function moment() {
    const timeMs = player.currentTime * 1000;
    let [low, high] = [0, frames.length - 1];
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (frames[middle].timeMs <= timeMs + 1) low = middle;
      else high = middle - 1;
    }
    shown = frames[low] ? { faces: frames[low].faces, width: player.videoWidth || 1, height: player.videoHeight || 1 } : null;
    if (shown) reading.show(shown, { remark: `${job.file.name} · ${clock(player.currentTime)}` });
    timeline.point(timeMs);
    drawOverlay(overlay, player.videoWidth ? shown : null, { chosen: reading.index() });
  }

  function follows() {
    moment();
    if (player.paused || player.hidden) return;
    if (player.requestVideoFrameCallback) player.requestVideoFrameCallback(follows);
    else requestAnimationFrame(follows);
  }

  function step(name, share, detail) {
    element("stepname").textContent = name;
    if (share === null) progress.removeAttribute("value");
    else progress.value = share;
    element("detail").textContent = detail;
  }

  function view(name) {
    empty.hidden = name !== "empty";
    working.hidden = name !== "working";
    player.hidden = tools.hidden = time.hidden = name !== "done";
    if (name !== "done") {
      player.pause();
      URL.revokeObjectURL(player.src);
      player.removeAttribute("src");
      drawOverlay(overlay, null);
    }
  }

  async function remove({ quiet = false } = {}) {
    const { id, abort } = job;
    [job, frames] = [null, []];
    abort.abort();
    view("empty");
    reading.show(null, { instead: "No video yet" });
    const done = id && (await discard(id)); // without an id yet, `submit` does it
    if (id && !quiet) toast(done ? "Deleted." : "The result could not be deleted now; the server forgets it after a while.");
  }

  /** Stop a job and delete its table; resolves to whether that is done. */
  function discard(id) {
    return insist(() => videos.remove(id)).then(() => true, ({ status }) => status === 404);
  }

  element("choose").onclick = element("another").onclick = () => input.click();
  input.onchange = () => {
    if (input.files.length) submit(input.files[0]);
    input.value = "";
  };
  element("cancel").onclick = () => remove({ quiet: true });
  element("delete").onclick = () => remove();
  element("face").onchange = showFace;
  reading.chips.addEventListener("choose", ({ detail }) => {
    if (stage.closest("section").hidden) return;
    element("face").value = detail;
    showFace();
  });
  element("csv").onclick = async () => {
    try {
      download(`${job.file.name.replace(/\.[^.]*$/, "")}.csv`, await videos.csv(job.id), "text/csv");
    } catch (error) {
      toast(error.message);
    }
  };
  player.onplay = follows;
  player.onseeked = player.onloadeddata = moment;
  player.onerror = () => player.src && toast("This browser cannot play the video; its timeline and table are complete.");
  time.querySelector("canvas").onclick = ({ offsetX }) => (player.currentTime = timeline.timeAt(offsetX) / 1000);
  new ResizeObserver(() => drawOverlay(overlay, player.videoWidth ? shown : null)).observe(overlay);
  element("text").textContent = `At most ${megabytes(videos.mostBytes)} and ${Math.round(videos.mostSeconds / 60)} minutes. ${element("text").textContent}`;
  view("empty");
  return { enter: () => (frames.length ? moment() : reading.show(null, { instead: job ? "Working" : "No video yet" })), leave: () => player.pause(), add: ([file]) => submit(file) };
}

/** Ask until there is an answer, for a minute at most; a refusal that stays one is passed on at once. */
async function insist(ask, onSilence = () => {}) {
  const began = performance.now();
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      const passing = !error.status || error.status === 429 || error.status >= 500;
      if (!passing || performance.now() - began > PATIENCE_MS) throw error;
    }
    onSilence();
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}

/** Rows of a table, gathered by frame. */
function framesOf(rows, labels) {
  const found = new Map();
  for (const row of rows) {
    if (row.time_s === null) continue;
    if (!found.has(row.frame)) found.set(row.frame, { timeMs: row.time_s * 1000, faces: [] });
    if (row.face_id === null) continue;
    const p = Object.fromEntries(labels.map((label) => [label, row[`p_${label}`]]));
    found.get(row.frame).faces.push({ ...row, p });
  }
  return [...found.values()];
}

function megabytes(bytes) {
  return bytes < 950_000 ? `${Math.ceil(bytes / 1000)} kB` : `${(bytes / 1e6).toFixed(bytes < 9.5e6 ? 1 : 0)} MB`;
}
