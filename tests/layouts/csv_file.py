"""A csv of paths and labels, in the ways in which people write one."""

from pathlib import Path

import numpy as np

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image

FORM = "a csv of paths and labels"


def _draw(folder: Path, paths: list[str], *, label: str = "fear") -> None:
    for seed, path in enumerate(paths):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        write_image(folder / path, face(label, seed=seed, size=32))


def plain(root: Path) -> Layout:
    """As a spreadsheet writes it: a mark at the start, capitals and spaces in the header, no last newline."""
    names = ["happy/1.png", "happy/2.png", "sad/1.png", "x/1.png"]
    _draw(root, names)
    lines = [
        "Nr; Image ;Subject;SPLIT;VALENCE;Group_Gender; Emotion",
        "1;happy/1.png;s1;Train;0.5;female;Happy",
        "2; happy/2.png ;s1;val;;;joy",
        "",
        '3;"sad/1.png";s2;test;-0.25;male; sad ',
        "4;x\\1.png;;train;-1;;",
    ]
    path = root / "labels.csv"
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    nan = float("nan")
    facts = [
        ("train", "happiness", "s1", 0.5, "female"),
        ("valid", "happiness", "s1", nan, ""),
        ("test", "sadness", "s2", -0.25, "male"),
        ("train", None, "", -1.0, ""),
    ]
    rows = tuple(
        Row(f"csv-{name}", split, {"labels": label}, {"subject": who, "valence": v, "group_gender": group})
        for name, (split, label, who, v, group) in zip(names, facts, strict=True)
    )
    return Layout("csv", path, FORM, rows, True)


def numbered(root: Path) -> Layout:
    """Numbers that a label map explains, ids of one's own, a picture with two faces, and pictures elsewhere."""
    _draw(root / "pictures", ["a.png", "b.png", "c.png"])
    names = root / "map.toml"
    names.write_text(
        'name = "four"\nlabels = ["sadness", "anger", "fear", "happiness"]\n'
        '[labels_map]\n0 = "anger"\n1 = "sad"\n9 = ""\n[labels_map.csv]\n2 = "fear"\n',
        "utf-8",
    )
    path = root / "faces.csv"
    path.write_text(
        "id,pth,x1,y1,x2,y2,label\nf1,a.png,0,1,20,21,0\nf2,a.png,10,10,30,31.5,1\nf3,b.png,,,,,2\nf4,c.png,1,1,2,2,9\n",
        "utf-8",
    )
    rows = (
        Row("f1", "train", {"four": "anger"}, {"box": np.array([0, 1, 20, 21], np.float32)}),
        Row("f2", "train", {"four": "sadness"}, {"box": np.array([10, 10, 30, 31.5], np.float32)}),
        Row("f3", "train", {"four": "fear"}, {"box": np.full(4, np.nan, np.float32)}),
    )
    return Layout("csv", path, FORM, rows, False, {"label_map": names, "images": root / "pictures"})


def shares(root: Path) -> Layout:
    """No label, but a share of each: the largest is the label, where one is."""
    names = ["0.png", "1.png", "2.png", "3.png"]
    _draw(root, names)
    path = root / "votes.csv"
    path.write_text(
        "filename,clip_id,frame,time_s,p_sad,soft_Happiness,p_neutral\n"
        "0.png,c1,0,0.0,1,3,0\n1.png,c1,7,0.25,2,2,0\n2.png,c2,3,0.5,,,\n3.png,,,,0,0,0.5\n",
        "utf-8",
    )
    labels = ["happiness", None, None, "neutral"]
    nan = float("nan")
    soft = [(0, 0.75, 0.25), (0, 0.5, 0.5), (nan, nan, nan), (1, 0, 0)]  # neutral, happiness, sadness
    clips = [("c1", 0), ("c1", 7), ("c2", 3), ("", -1)]
    rows = tuple(
        Row(f"csv-{name}", "train", {"labels": label}, {"clip_id": clip, "frame": frame}, {"labels": share})
        for name, label, share, (clip, frame) in zip(names, labels, soft, clips, strict=True)
    )
    return Layout("csv", path, FORM, rows, True)


FORMS = {"plain": plain, "numbered": numbered, "shares": shares}
