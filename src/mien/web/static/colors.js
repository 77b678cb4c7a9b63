// The colours of the emotions, as `mien.pipeline.marks` has them, and of labels that a model brings itself.

const COLORS = {
  neutral: [160, 172, 189],
  happiness: [255, 200, 61],
  surprise: [255, 138, 61],
  sadness: [84, 148, 255],
  anger: [240, 67, 58],
  disgust: [96, 190, 78],
  fear: [172, 120, 255],
  contempt: [46, 196, 182],
  unsure: [205, 208, 212],
};

/** CSS colour of a label, with an opacity. */
export function color(label, opacity = 1) {
  const [r, g, b] = COLORS[label ?? "unsure"] ?? further(label);
  return opacity === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${opacity})`;
}

/** "93 %", with the small space between that belongs there. */
export function percent(share) {
  return `${Math.round(share * 100)}\u202f%`;
}

/** The colour of another label depends on its name alone: a hue, of saturation 0.55 and value 0.95. */
function further(label) {
  const hue = (new TextEncoder().encode(label).reduce((sum, byte) => sum + byte, 0) * 0.381966) % 1;
  return [5, 3, 1].map((n) => {
    const k = (n + hue * 6) % 6;
    return Math.round(255 * 0.95 * (1 - 0.55 * Math.max(0, Math.min(k, 4 - k, 1))));
  });
}
