"""Put a finished run into the package as a shipped model, with the crop of its preset and the figures on photographs.

    python scripts/ship.py RUN --preset mien-s --wild FOLDER

Writes `<name>.onnx`, `<name>.int8.onnx` and `<name>.toml` into `src/mien/zoo/weights`. FOLDER is that of
`scripts/choose_crop.py`; its half b, on which nothing was chosen, gives the card's figure for whole photographs.
"""

import argparse
import shutil
from dataclasses import replace
from pathlib import Path

from choose_crop import interval_by_person, read_photographs, right

from mien.runtime.card import Card, Figure
from mien.training.config import load_config
from mien.zoo.store import WEIGHTS, load_classifier, verify

SUFFIXES = {"float16": ".onnx", "int8": ".int8.onnx"}


def main() -> None:
    """Copy the weights, complete the card, measure on photographs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--preset", required=True)
    parser.add_argument("--wild", type=Path, required=True)
    args = parser.parse_args()
    verify(args.run)
    card = Card.load(args.run / "model.toml")
    settings = load_config(preset=args.preset)
    files = {name: replace(each, file=settings.name + SUFFIXES[name]) for name, each in card.files.items()}
    WEIGHTS.mkdir(exist_ok=True)
    for name, each in files.items():
        shutil.copyfile(args.run / card.files[name].file, WEIGHTS / each.file)
    card = replace(
        card,
        name=settings.name,
        **settings.about,
        crop=settings.crop,
        files=files,
        figures=tuple(each for each in card.figures if each.data != "wild"),
    )
    path = WEIGHTS / f"{settings.name}.toml"
    path.write_text(card.dump(), "utf-8")
    photographs = [each for each in read_photographs(args.wild, "mtcnn") if each.half == "b"]
    measured = []
    for head in card.heads:
        hits = right(photographs, load_classifier(settings.name), head, settings.crop)
        low, high = interval_by_person(photographs, hits)
        measured.append(
            Figure(
                data="wild",
                split="half b",
                head=head,
                n=len(hits),
                metric="accuracy",
                value=round(float(hits.mean()), 5),
                low=round(low, 5),
                high=round(high, 5),
                rule="largest face that MTCNN finds, all labels of the head; none found counts as wrong; "
                "interval over persons",
                file=card.default_file,
            )
        )
    card = replace(card, figures=(*card.figures, *measured))
    path.write_text(card.dump(), "utf-8")
    print("\n".join(f"{key}: {value}" for key, value in card.describe()))


if __name__ == "__main__":
    main()
