// The panel that says what one face expresses: the likeliest emotion in large type, and a bar for each.

import { color, percent } from "./colors.js";

/**
 * Bars for labels in a fixed order: a bar that stays in its place can be watched.
 *
 * @param {HTMLOListElement} list is filled with a row a label
 * @param {string[]} labels in the model's order
 * @returns {{show: (face: {p: Object<string, number>, label: string | null} | null) => void}}
 */
export function createBars(list, labels) {
  const rows = new Map(labels.map((label) => [label, barRow(label)]));
  list.replaceChildren(...[...rows.values()].map(({ row }) => row));

  function show(face) {
    list.classList.toggle("idle", !face);
    for (const [label, { row, fill, value }] of rows) {
      const share = face ? (face.p[label] ?? 0) : 0;
      fill.style.transform = `scaleX(${share})`;
      value.textContent = face ? percent(share) : "";
      row.classList.toggle("likeliest", Boolean(face) && face.label === label);
    }
  }

  show(null);
  return { show };
}

function barRow(label) {
  const row = document.createElement("li");
  const [name, groove, fill, value] = ["name", "groove", "fill", "value"].map((kind) => {
    const part = document.createElement("span");
    part.className = kind;
    return part;
  });
  name.textContent = label;
  fill.style.backgroundColor = color(label);
  groove.append(fill);
  row.append(name, groove, value);
  return { row, fill, value };
}

/** The likeliest emotion in large type; without a face, what there is to say instead. */
export function showVerdict(element, face, instead = "No face found") {
  element.replaceChildren();
  const name = document.createElement("span");
  name.className = "verdict-name";
  name.textContent = face ? (face.label ?? "unsure") : instead;
  element.classList.toggle("idle", !face);
  if (face) {
    const dot = document.createElement("span");
    dot.className = "verdict-dot";
    dot.style.backgroundColor = color(face.label);
    const share = document.createElement("span");
    share.className = "verdict-share";
    share.textContent = percent(face.p[face.label] ?? Math.max(...Object.values(face.p)));
    element.append(dot, name, share);
  } else {
    element.append(name);
  }
}
