"""A folder a class, with what people and their computers leave in such folders."""

from pathlib import Path

from layouts import Layout, Row
from layouts.faces import face
from mien.core.images import write_image


def _draw(root: Path, path: str, label: str, seed: int) -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    write_image(root / path, face(label, seed=seed, size=32))


def _layout(root: Path, form: str, pictures: dict[str, tuple[str, str]], **options: object) -> Layout:
    """Of path -> (split, label), in the order of the paths."""
    rows = []
    for seed, (path, (split, label)) in enumerate(pictures.items()):
        _draw(root, path, label if label in ("neutral", "happiness", "anger", "sadness") else "fear", seed)
        source = "mood" if options else "labels"
        rows.append(Row(f"folder-{path}", split, {source: label}))
    return Layout("folder", root, form, tuple(rows), True, options)


def classes(root: Path) -> Layout:
    """Names in any spelling, one name twice, a folder a person, suffixes in capitals, and litter."""
    layout = _layout(
        root,
        "a folder a class",
        {
            "Angry/1.png": ("train", "anger"),
            "Angry/10.PNG": ("train", "anger"),
            "Angry/2.png": ("train", "anger"),
            "NEUTRAL/1.png": ("train", "neutral"),
            "happy/Ann/1.jpg": ("train", "happiness"),
            "happy/Bob/1.jpg": ("train", "happiness"),
            "joy/1.bmp": ("train", "happiness"),
            "sad/ä b.png": ("train", "sadness"),
        },
    )
    for litter in (".DS_Store", "Angry/Thumbs.db", "Angry/._1.png", "happy/Ann/notes.txt", "README"):
        (root / litter).write_bytes(b"litter")
    (root / "no pictures").mkdir()
    (root / ".hidden").mkdir()
    _draw(root, ".hidden/1.png", "anger", 0)
    return layout


def splits(root: Path) -> Layout:
    """Folders a split above them, one class missing in one of them."""
    return _layout(
        root,
        "a folder a class below a folder a split",
        {
            "TEST/angry/1.png": ("test", "anger"),
            "TEST/sad/1.png": ("test", "sadness"),
            "Train/angry/1.png": ("train", "anger"),
            "Train/angry/2.png": ("train", "anger"),
            "Train/happy/1.png": ("train", "happiness"),
            "Train/sad/1.png": ("train", "sadness"),
            "val/happy/1.png": ("valid", "happiness"),
            "validation/happy/1.png": ("valid", "happiness"),
        },
    )


def mapped(root: Path) -> Layout:
    """Numbers and words of one's own, which a label map explains; one folder is dropped."""
    root.mkdir(parents=True, exist_ok=True)
    names = root.parent / f"{root.name}-map.toml"
    names.write_text('name = "mood"\n[labels_map]\n1 = "angry"\n2 = "bored"\nunsure = ""\n', "utf-8")
    pictures = {
        "1/a.png": ("train", "anger"),
        "2/a.png": ("train", "bored"),
        "2/b.png": ("train", "bored"),
        "happy/a.png": ("train", "happiness"),
    }
    layout = _layout(root / "own", "a folder a class", pictures, label_map=names)
    _draw(layout.root, "unsure/a.png", "fear", 9)
    return layout


FORMS = {"classes": classes, "splits": splits, "mapped": mapped}
