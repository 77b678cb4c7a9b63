// The colours of the emotions, as `mien.pipeline.annotate` draws them, and of labels that a model brings itself.

const COLORS = {
  neutral: [160, 172, 189],
  happiness: [255, 200, 61],
  surprise: [255, 138, 61],
  sadness: [84, 148, 255],
  anger: [240, 67, 58],
  disgust: [96, 190, 78],
  fear: [172, 120, 255],
  contempt: [46, 196, 182],
};
const FURTHER = [[255, 200, 61], [84, 148, 255], [240, 67, 58], [96, 190, 78], [172, 120, 255], [255, 138, 61], [46, 196, 182]];

/** CSS colour of a label, with an opacity. */
export function color(label, opacity = 1) {
  const [r, g, b] = COLORS[label] ?? FURTHER[hash(label) % FURTHER.length];
  return opacity === 1 ? `rgb(${r} ${g} ${b})` : `rgb(${r} ${g} ${b} / ${opacity})`;
}

/** "93 %", with the small space between that belongs there. */
export function percent(share) {
  return `${Math.round(share * 100)}\u202f%`;
}

function hash(text) {
  let sum = 0;
  for (const letter of String(text)) sum = (sum * 31 + letter.codePointAt(0)) >>> 0;
  return sum;
}
