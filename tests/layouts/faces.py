"""Generated faces: ellipses with eyes, brows and a mouth whose shape follows the label."""

import cv2
import numpy as np
import numpy.typing as npt

# label -> how far the corners of the mouth are above its middle, how open it is, how far the inner brows go up
_SHAPES = {
    "neutral": (0.0, 0.0, 0.0),
    "happiness": (0.09, 0.03, 0.0),
    "surprise": (0.0, 0.12, 0.06),
    "sadness": (-0.07, 0.0, 0.05),
    "anger": (-0.03, 0.0, -0.06),
    "disgust": (-0.05, 0.04, -0.03),
    "fear": (-0.02, 0.08, 0.06),
    "contempt": (0.04, 0.0, -0.02),
}


def face(label: str, *, seed: int, size: int = 48, color: bool = False) -> npt.NDArray[np.uint8]:
    """A drawn face: (size, size) grey or (size, size, 3) RGB uint8. Each `seed` is another person and light."""
    generator = np.random.default_rng(seed)
    corners, opening, brows = _SHAPES[label]
    big = 4 * size
    back, skin, dark = generator.integers(20, 90), generator.integers(150, 230), generator.integers(0, 60)
    image = np.full((big, big), back, np.uint8)
    dx, dy = generator.uniform(-0.04, 0.04, 2)

    def at(x: float, y: float) -> tuple[int, int]:
        return int((x + dx) * big), int((y + dy) * big)

    cv2.ellipse(image, at(0.5, 0.5), (int(0.36 * big), int(0.46 * big)), 0, 0, 360, int(skin), -1)
    line = max(2, big // 40)
    for side in (-1, 1):
        cv2.circle(image, at(0.5 + side * 0.16, 0.42), big // 22, int(dark), -1)
        outer, inner = at(0.5 + side * 0.25, 0.32), at(0.5 + side * 0.08, 0.32 - brows)
        cv2.line(image, outer, inner, int(dark), line)
    curve = [at(0.5 + t * 0.17, 0.74 - corners * t * t) for t in np.linspace(-1, 1, 15)]
    lower = [at(0.5 + t * 0.17, 0.74 - corners * t * t + opening * (1 - t * t)) for t in np.linspace(1, -1, 15)]
    cv2.polylines(image, [np.array(curve + lower, np.int32)], True, int(dark), line)
    if opening:
        cv2.fillPoly(image, [np.array(curve + lower, np.int32)], int(dark))
    noise = generator.normal(0, 6, (size, size))
    small = cv2.resize(image, (size, size), interpolation=cv2.INTER_AREA)
    gray = np.clip(small + noise, 0, 255).astype(np.uint8)
    if not color:
        return gray
    return np.clip(gray[:, :, None] * np.array([1.0, 0.85, 0.75]), 0, 255).astype(np.uint8)
