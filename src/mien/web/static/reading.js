// The panel beside the stage, and what a screen reader hears: one face's reading, chosen out of several.

import { createBars, showVerdict } from "./bars.js";
import { percent } from "./colors.js";

const QUIET_MS = 3000; // between two sentences for the screen reader

export function createReading(labels) {
  const element = (id) => document.getElementById(id);
  const [verdict, chips, note, live] = ["verdict", "chips", "reading-note", "live"].map(element);
  const bars = createBars(element("bars"), labels);
  let chosenId = null; // the face_id that was chosen by hand
  let faces = [];
  let said = "";
  let saidAt = -Infinity;

  /** Show a result; without one, `instead` says why. */
  function show(result, { instead = "No face found", remark = "" } = {}) {
    faces = result?.faces ?? [];
    const at = index();
    showVerdict(verdict, faces[at] ?? null, result ? "No face found" : instead);
    bars.show(faces[at] ?? null);
    showChips(at);
    note.textContent = remark;
    if (result) say(sentence(faces));
  }

  /** Which face is shown: the one chosen by hand while it is there, else the largest. */
  function index() {
    const byHand = faces.findIndex((face) => face.face_id === chosenId);
    if (byHand >= 0) return byHand;
    const area = (face) => (face.x2 - face.x1) * (face.y2 - face.y1);
    return faces.reduce((best, face, i) => (best < 0 || area(face) > area(faces[best]) ? i : best), -1);
  }

  function choose(i) {
    prefer(faces[i]?.face_id ?? null);
    chips.dispatchEvent(new CustomEvent("choose", { detail: chosenId }));
    showVerdict(verdict, faces[index()] ?? null);
    bars.show(faces[index()] ?? null);
    showChips(index());
  }

  /** Show the face of this number where it is in sight; null: the largest. */
  function prefer(faceId) {
    chosenId = faceId;
  }

  function showChips(at) {
    chips.hidden = faces.length < 2;
    if (chips.children.length !== faces.length) chips.replaceChildren(...faces.map((_, i) => chip(i)));
    [...chips.children].forEach((button, i) => {
      button.textContent = faces[i].face_id ?? i; // as in the table
      button.setAttribute("aria-label", `Face ${faces[i].face_id ?? i}: ${faces[i].label}`);
      button.setAttribute("aria-pressed", String(i === at));
    });
  }

  function chip(i) {
    const button = document.createElement("button");
    button.type = "button";
    button.onclick = () => choose(i);
    return button;
  }

  function say(text) {
    const now = performance.now();
    if (text === said || now - saidAt < QUIET_MS) return;
    [said, saidAt] = [text, now];
    live.textContent = text;
  }

  return { show, choose, prefer, index, chips };
}

/** "2 faces: happiness 93 %, neutral 71 %." */
export function sentence(faces) {
  if (!faces.length) return "No face found.";
  const each = faces.slice(0, 4).map((face) => `${face.label ?? "unsure"} ${percent(Math.max(...Object.values(face.p)))}`);
  const count = faces.length === 1 ? "One face" : `${faces.length} faces`;
  return `${count}: ${each.join(", ")}${faces.length > 4 ? " and more" : ""}.`;
}
