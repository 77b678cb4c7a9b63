// The camera: frames to the recogniser, two under way at most, and what comes back over the live picture.

import { drawOverlay, faceAt } from "./overlay.js";
import { columns, download, rowsOf, toCsv } from "./table.js";
import { createTimeline } from "./timeline.js";

const LANES = 2; // frames under way: one is looked at while the next travels
const RATE_MS = 2000; // over which frames a second are counted
const RETRY_MS = 1500; // after a lost server or camera

const PROBLEMS = {
  insecure: ["The camera needs a safe address", "Browsers give the camera only to pages from localhost or by HTTPS. Open this page as http://localhost on the machine that serves it, or have it served by HTTPS: for that, start mien serve with --tls-cert and --tls-key."],
  NotAllowedError: ["The camera is not allowed here", "Allow it for this page: the sign beside the address opens the settings. Then start again."],
  NotFoundError: ["There is no camera", "Plug one in and start again. Pictures and videos work without."],
  OverconstrainedError: ["That camera is gone", "Start again to use another one."],
  NotReadableError: ["Another program holds the camera", "Close it there and start again."],
  unplugged: ["The camera was unplugged", "Plug it in: this goes on by itself."],
};

export function createCamera({ recogniser, reading, toast }) {
  const element = (name) => document.getElementById(`camera-${name}`);
  const [stage, video, empty, tools, time, gauge, choice] = ["stage", "video", "empty", "tools", "time", "gauge", "choice"].map(element);
  const overlay = stage.querySelector(".overlay");
  const timeline = createTimeline(time.querySelector("canvas"), recogniser.labels);
  const state = { running: 0, result: null, answers: [], recording: null, sent: -1, shown: -1, lost: false };
  let others = null; // where the camera was unplugged: ids of those that stayed
  const mirror = () => element("mirror").checked;
  const heat = () => element("heat").checked;

  async function start() {
    if (!navigator.mediaDevices?.getUserMedia) return refuse("insecure");
    const run = ++state.running;
    element("start").disabled = true;
    try {
      const wanted = { width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } };
      const which = choice.value ? { deviceId: { exact: choice.value } } : { facingMode: "user" };
      const stream = await navigator.mediaDevices.getUserMedia({ video: { ...wanted, ...which }, audio: false });
      if (run !== state.running) return release(stream); // stopped while the browser asked whether it may
      video.srcObject = stream;
      await video.play();
      await listCameras(stream);
    } catch (error) {
      if (run !== state.running) return;
      stop();
      if (error.name === "OverconstrainedError") choice.replaceChildren(); // the next start takes any
      return refuse(error.name, error.message);
    }
    if (run !== state.running) return;
    video.srcObject.getVideoTracks()[0].onended = unplugged;
    others = null;
    element("start").disabled = false;
    show(true);
    reading.show(null, { instead: "Looking for a face" });
    for (let lane = 0; lane < LANES; lane++) pump(run);
  }

  /** Stop the camera, or a start of it that is under way. */
  function stop() {
    state.running++;
    release(video.srcObject);
    video.srcObject = null;
    state.result = null;
    element("start").disabled = false;
    finishRecording();
    show(false);
    drawOverlay(overlay, null);
    reading.show(null, { instead: "The camera is off" });
  }

  /** One lane: send a frame, wait for its answer, show it, and so on. */
  async function pump(run) {
    while (run === state.running) {
      const frame = await nextFrame(video);
      if (run !== state.running) return;
      if (frame === state.sent) continue; // the other lane has it
      state.sent = frame;
      const timeMs = performance.now();
      try {
        const result = await recogniser.recognise(video, { timeMs, live: true, heat: heat() });
        if (run !== state.running) return;
        if (result && timeMs > state.shown) answered(result, timeMs);
        state.lost = false;
      } catch (error) {
        if (run !== state.running) return;
        if (!state.lost) reading.show(null, { instead: "No answer", remark: error.message });
        state.lost = true;
        state.result = null;
        drawOverlay(overlay, null);
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  function answered(result, timeMs) {
    state.shown = timeMs;
    state.result = result;
    state.answers = [...state.answers.filter((each) => each > timeMs - RATE_MS), timeMs];
    reading.show(result);
    redraw();
    const face = result.faces[reading.index()];
    timeline.add(timeMs, face ? face.p : null);
    state.recording?.rows.push(...rowsOf("camera", result, { frame: state.recording.frames, timeS: seconds(timeMs) }));
    if (state.recording) state.recording.frames++;
    const span = timeMs - state.answers[0];
    if (span < RATE_MS / 4) return; // too short to count
    gauge.textContent = `${(((state.answers.length - 1) / span) * 1000).toFixed(0)} frames/s · ${result.ms.toFixed(0)} ms`;
    gauge.hidden = false;
  }

  function seconds(timeMs) {
    return Number(((timeMs - state.recording.began) / 1000).toFixed(3));
  }

  function redraw() {
    drawOverlay(overlay, state.result, { mirror: mirror(), heat: heat(), chosen: reading.index() });
  }

  function record() {
    if (state.recording) return finishRecording();
    state.recording = { rows: [], frames: 0, began: performance.now() };
    element("record").setAttribute("aria-pressed", "true");
    element("record-text").textContent = "Stop and save the table";
  }

  function finishRecording() {
    if (!state.recording) return;
    const { rows } = state.recording;
    state.recording = null;
    element("record").setAttribute("aria-pressed", "false");
    element("record-text").textContent = "Record a table";
    if (rows.length) download("camera.csv", toCsv(rows, columns(recogniser.labels)), "text/csv");
    else toast("Nothing was recorded yet.");
  }

  function show(on) {
    empty.hidden = on;
    video.hidden = !on;
    tools.hidden = time.hidden = !on;
    gauge.hidden = true;
    stage.classList.toggle("mirrored", mirror());
    if (on) timeline.clear();
  }

  function refuse(name, detail) {
    others = null;
    const [title, text] = PROBLEMS[name] ?? ["The camera does not start", detail];
    element("title").textContent = title;
    element("text").textContent = text;
    element("start").textContent = "Start again";
    document.getElementById("live").textContent = `${title}. ${text}`;
  }

  function unplugged() {
    stop();
    refuse("unplugged");
    others = [...choice.options].filter((each) => !each.selected).map((each) => each.value);
  }

  /** Start where one was unplugged, and now there is one that is none of the others, and someone looks. */
  async function goOn() {
    if (!others) return;
    const again = (await cameras()).find(({ deviceId }) => !others?.includes(deviceId));
    if (!again || !others || element("start").disabled || stage.closest("section").hidden) return;
    choice.replaceChildren(new Option(again.label, again.deviceId)); // in another socket it may have another id
    start();
  }

  async function cameras() {
    return (await navigator.mediaDevices.enumerateDevices()).filter((each) => each.kind === "videoinput");
  }

  async function listCameras(stream) {
    const found = await cameras();
    element("which").hidden = found.length < 2;
    const now = stream.getVideoTracks()[0].getSettings().deviceId;
    choice.replaceChildren(...found.map((each, i) => new Option(each.label || `Camera ${i + 1}`, each.deviceId, false, each.deviceId === now)));
  }

  element("start").onclick = start;
  element("stop").onclick = stop;
  element("record").onclick = record;
  element("heat").onchange = redraw;
  element("mirror").onchange = () => {
    stage.classList.toggle("mirrored", mirror());
    redraw();
  };
  choice.onchange = () => {
    stop();
    start();
  };
  overlay.onclick = ({ offsetX, offsetY }) => {
    const at = faceAt(overlay, state.result, offsetX, offsetY, { mirror: mirror() });
    if (at >= 0) reading.choose(at);
  };
  navigator.mediaDevices?.addEventListener("devicechange", goOn);
  new ResizeObserver(redraw).observe(overlay);
  show(false);
  return {
    enter: () => {
      reading.show(state.result, { instead: "The camera is off" });
      goOn();
    },
    leave: stop,
  };
}

function release(stream) {
  stream?.getTracks().forEach((track) => track.stop());
}

/** The camera's next frame, by its number; browsers that cannot say so get a moment of the screen's. */
function nextFrame(video) {
  return new Promise((resolve) => {
    if (document.hidden) setTimeout(() => resolve(performance.now()), 250); // a page in the background draws nothing
    else if (video.requestVideoFrameCallback) video.requestVideoFrameCallback((_, { presentedFrames }) => resolve(presentedFrames));
    else requestAnimationFrame(resolve);
  });
}
