// Heat maps over faces. A map is {size, values, x, y, side, angle}: size x size values in 0..255, row by row, over a
// square of the source whose centre is (x, y), whose sides are `side` pixels, turned by `angle` radians.

// The colour map inferno at steps of 1/8: from black over red to yellow, equal steps look equal.
const INFERNO = [[0, 0, 4], [31, 12, 72], [85, 15, 109], [136, 34, 106], [186, 54, 85], [227, 89, 51], [249, 140, 10], [249, 201, 50], [252, 255, 164]];
const OPACITY = 0.65; // where the map is 1; it falls with the heat, so that a face stays a face where there is none

/** Lay a map over its face; see `drawOverlay` for result, view and mirror. */
export function drawHeat(context, heat, result, view, mirror) {
  const x = view.left + (mirror ? result.width - heat.x : heat.x) * view.scale;
  const side = heat.side * view.scale;
  context.save();
  context.translate(x, view.top + heat.y * view.scale);
  if (mirror) context.scale(-1, 1);
  context.rotate(heat.angle);
  context.beginPath();
  context.roundRect(-side / 2, -side / 2, side, side, side / 14);
  context.clip();
  context.imageSmoothingQuality = "high";
  context.drawImage(painted(heat), -side / 2, -side / 2, side, side);
  context.restore();
}

function painted({ size, values }) {
  const canvas = new OffscreenCanvas(size, size);
  const context = canvas.getContext("2d");
  const pixels = context.createImageData(size, size);
  for (let i = 0; i < size * size; i++) {
    const heat = values[i] / 255;
    const at = Math.min(7, Math.floor(heat * 8));
    const share = heat * 8 - at;
    for (let c = 0; c < 3; c++) pixels.data[4 * i + c] = INFERNO[at][c] * (1 - share) + INFERNO[at + 1][c] * share;
    pixels.data[4 * i + 3] = 255 * OPACITY * Math.sqrt(heat);
  }
  context.putImageData(pixels, 0, 0);
  return canvas;
}
