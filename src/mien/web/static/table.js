// Tables of what was found, with the columns of `mien predict`.

/** The columns of a table for labels, in their order. */
export function columns(labels) {
  return ["source", "frame", "time_s", "face_id", "x1", "y1", "x2", "y2", "score", ...labels.map((label) => `p_${label}`), "label", "error"];
}

/** Rows of one picture or frame: one a face; one without a face_id where there is none, or an error. */
export function rowsOf(source, result, { frame = null, timeS = null, error = null } = {}) {
  const blank = { source, frame, time_s: timeS, error };
  if (!result || !result.faces.length) return [blank];
  return result.faces.map((face, i) => ({
    ...blank,
    face_id: face.face_id ?? i,
    ...Object.fromEntries(["x1", "y1", "x2", "y2"].map((side) => [side, round(face[side], 2)])),
    score: round(face.score, 6),
    ...Object.fromEntries(Object.entries(face.p).map(([label, share]) => [`p_${label}`, round(share, 6)])),
    label: face.label,
  }));
}

/** Rows as CSV (RFC 4180, but lines end in a line feed, as those of `mien predict` do). */
export function toCsv(rows, names) {
  return [names, ...rows.map((row) => names.map((name) => row[name]))].map((cells) => `${cells.map(quoted).join(",")}\n`).join("");
}

/** Hand a file to the person at the page. */
export function download(name, content, type) {
  const url = URL.createObjectURL(content instanceof Blob ? content : new Blob([content], { type }));
  const link = document.createElement("a");
  [link.href, link.download] = [url, name];
  link.click();
  setTimeout(() => URL.revokeObjectURL(url), 10_000);
}

function quoted(cell) {
  const text = cell === null || cell === undefined ? "" : String(cell);
  return /[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function round(value, digits) {
  return Number(value.toFixed(digits));
}
