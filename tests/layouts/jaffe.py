"""JAFFE: one folder of TIFFs, some of them with alpha, names with odd dots, and ratings in the README."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

# Name without the suffix -> label; the same in the order of ids.
_PICTURES = {
    "KA.AN1.39": "anger",
    "KA.DI3.44": "disgust",
    "KA.FE1.45": "fear",
    "KL.HA2.159": "happiness",
    "KM.NE1.1": "neutral",
    "KM.SA5.13": "sadness",
    "YM.SU3.60": "surprise",
}

# The second table leaves fear out, and says other things of the same pictures.
_README = """The Japanese Female Facial Expression (JAFFE) Database

213 pictures, rated by
60 Japanese viewers.

# HAP SAD SUR ANG DIS FEA PIC
------------------------------------------------------------------
1 2.87 2.52 2.10 1.97 1.97 2.06 KM-NE1
2 1.00 1.50 1.00 4.00 2.50 1.00 KA-AN1
3 1.00 1.00 2.00 1.00 1.00 5.00 KA-FE1
4 5.00 1.00 1.00 1.00 1.00 1.00 KL-HA2
5 1.00 1.00 1.00 1.00 1.00 1.00 KA-DI3
6 1.00 1.00 4.00 1.00 1.00 2.00 XX-SU1

Semantic ratings, fear left out

# HAP SAD SUR ANG DIS PIC
------------------------------------------------------------------
1 1.00 1.00 1.00 5.00 1.00 YM-SU3
2 5.00 1.00 1.00 1.00 1.00 KA-AN1
"""
_RATINGS = {
    "KM.NE1.1": (2.87, 2.52, 2.10, 1.97, 1.97, 2.06),
    "KA.AN1.39": (1.0, 1.5, 1.0, 4.0, 2.5, 1.0),
    "KA.FE1.45": (1.0, 1.0, 2.0, 1.0, 1.0, 5.0),
    "KL.HA2.159": (5.0, 1.0, 1.0, 1.0, 1.0, 1.0),
    "KA.DI3.44": (1.0, 1.0, 1.0, 1.0, 1.0, 1.0),
}
# Anger, disgust, fear, happiness, neutral, sadness, surprise.
_SOFT = {
    "KA.AN1.39": (0.6, 0.3, 0, 0, 0, 0.1, 0),
    "KA.FE1.45": (0, 0, 0.8, 0, 0, 0, 0.2),
    "KL.HA2.159": (0, 0, 0, 1, 0, 0, 0),
}


def _draw(folder: Path, suffix: str) -> tuple[Row, ...]:
    rows = []
    for seed, (name, label) in enumerate(_PICTURES.items()):
        folder.mkdir(parents=True, exist_ok=True)
        write_image(folder / f"{name}{suffix}", face(label, seed=seed, size=64))
        rows.append(Row(f"jaffe-{name}", "train", {"jaffe": label}, {"subject": name[:2]}))
    (folder / ".DS_Store").write_bytes(b"litter")
    return tuple(rows)


def tiff(root: Path) -> Layout:
    """TIFFs and the README in one folder."""
    folder = root / "jaffedbase"
    rows = _draw(folder, ".tiff")
    (folder / "README_FIRST.txt").write_text(_README)
    (folder / "KL.HA2.159.tiff").rename(folder / "KL.HA2.159..tiff")  # odd dots
    (folder / "YM.SU3.60.tiff").rename(folder / "YM-SU3.60.tiff")
    for name in ("KA.AN1.39.tiff", "KM.NE1.1.tiff"):  # some copies have four channels
        Image.open(folder / name).convert("RGBA").save(folder / name)
    none = {"ratings": [np.nan] * 6}
    rated = [
        replace(
            row,
            extra={**row.extra, **({"ratings": _RATINGS[name]} if name in _RATINGS else none)},
            soft={"jaffe": _SOFT.get(name, [np.nan] * 7)},
        )
        for name, row in zip(_PICTURES, rows, strict=True)
    ]
    return Layout("jaffe", root, "pictures with ratings", tuple(rated), False)


def bmp(root: Path) -> Layout:
    """Converted by others, and without the README."""
    return Layout("jaffe", root, "pictures", _draw(root, ".tiff.bmp"), False)


FORMS = {"tiff": tiff, "bmp": bmp}
