"""The part of `mien explain` that explains the faces of photographs."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mien.core.errors import InputError
from mien.core.files import expect_free, printable
from mien.core.images import write_image
from mien.core.types import Attribution, Floats, Image, Predictions
from mien.explanation.explainer import Explainer, explain_faces
from mien.explanation.faithfulness import against_random
from mien.explanation.maps import peak_of
from mien.pipeline import heat as drawing
from mien.pipeline import predict_table
from mien.pipeline.annotate import Annotations
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import BLOCKS, EXPLAINED
from mien.runtime.preprocess import Crops, fit_crops

if TYPE_CHECKING:
    from mien.explanation.net_explainer import NetExplainer
    from mien.verbs.explain import ExplainConfig

Row = dict[str, Any]

COLUMNS = ("source", "face_id", "x1", "y1", "x2", "y2", "label", "explained", "p", "peak_x", "peak_y")
AREAS = ("deletion", "insertion", "deletion_random", "insertion_random")

_RANDOM_MAPS = 8  # whose mean areas a map's own are compared with


class PictureWork:
    """Explains picture after picture, and keeps what was found and written."""

    def __init__(self, recognizer: Recognizer, explainer: Explainer, config: "ExplainConfig", out: Path) -> None:
        self._recognizer, self._explainer, self._config = recognizer, explainer, config
        self._sheets, self._blocks = Annotations(out, EXPLAINED), Annotations(out, BLOCKS)
        self.rows: list[Row] = []
        self.blocks: list[Row] = []
        self.failed: dict[str, str] = {}
        self.files: list[Path] = []

    def picture(self, found: predict_table.Recognized, *, alone: bool) -> None:
        """Explain the faces of one picture."""
        sheet, blocks = self._sheets.path(found.source), self._blocks.path(found.source)
        error = found.error
        if error is None and not len(found.predictions or ()):
            error = (
                f"expected a face in {found.source}, got none that {self._config.detector} finds: try another "
                "--detector, a lower --min-face, or --detector none for a face that is cut out already"
            )
        if error is not None or found.image is None or found.predictions is None:
            if alone:
                raise InputError(str(error))
            self.failed[found.source] = str(error)
            return
        for path in (sheet, blocks):
            expect_free(path, overwrite=self._config.overwrite)
        crops = self._recognizer.crops(found.image, found.predictions.faces)
        rows, attribution = self._explain(found.source, found.predictions, crops)
        self.rows += rows
        self._write(sheet, _sheet(found.image, found.predictions, crops, attribution, rows, self._recognizer))
        self._attention(found.source, crops, blocks)

    def _explain(self, source: str, predictions: Predictions, crops: Crops) -> tuple[list[Row], Attribution]:
        config, labels = self._config, self._explainer.label_set(self._config.head)
        attribution = explain_faces(self._explainer, crops, method=config.method, head=config.head, label=config.label)
        probabilities = self._explainer.predict(crops, head=config.head)
        top = probabilities.argmax(1).tolist()
        # A method that knows no class is judged by what the model says, or was asked for.
        asked = top if config.label is None else [labels.index(config.label)] * len(crops)
        rows: list[Row] = []
        for i, heat in enumerate(attribution.maps):
            rows.append(
                {
                    "source": printable(source),
                    "face_id": i,
                    **{name: round(float(v), 2) for name, v in zip(COLUMNS[2:6], predictions.boxes[i], strict=True)},
                    "label": labels.labels[top[i]],
                    "explained": attribution.label[i],
                    "p": round(float(probabilities[i, asked[i]]), 6),
                    **peak_of(heat),
                }
            )
        if config.faithfulness:
            for row, measured in zip(rows, self._faithfulness(crops, attribution.maps, asked), strict=True):
                row |= measured
        return rows, attribution

    def _faithfulness(self, crops: Crops, maps: Floats, classes: list[int]) -> Iterator[Row]:
        """The areas of each face, its own and those of maps that know nothing, and how far its map forgets."""
        config, spec = self._config, self._recognizer.classifier.card.input
        fitted = fit_crops(crops, spec)

        def predict(some: Crops) -> Floats:
            return self._explainer.predict(some, head=config.head)

        own, random = against_random(predict, fitted, maps, classes, others=_RANDOM_MAPS, seed=config.seed)
        areas = (own.deletion_area, own.insertion_area, random.deletion_area, random.insertion_area)
        forgotten = None
        if hasattr(self._explainer, "randomise"):
            net = cast("NetExplainer", self._explainer)
            forgotten = net.randomise(crops, classes, method=config.method, head=config.head, seed=config.seed)
        for i in range(len(crops)):
            row: Row = {name: round(float(each[i]), 4) for name, each in zip(AREAS, areas, strict=True)}
            if forgotten is not None:
                like = zip(forgotten.layers, forgotten.similarity[:, i].tolist(), strict=True)
                row["randomised"] = {name: round(each, 4) if each == each else None for name, each in like}
            yield row

    def _attention(self, source: str, crops: Crops, path: Path) -> None:
        """The weights of each attention layer, as a picture and as numbers."""
        if self._config.method != "attention" or not hasattr(self._explainer, "attention"):
            return
        net = cast("NetExplainer", self._explainer)
        layers = net.attention(crops)
        if not layers:
            return
        sheets = []
        for i, crop in enumerate(crops):
            with_places = [(each.block, each.places[i]) for each in layers if each.places is not None]
            sheets.append(drawing.block_sheet(crop, with_places))
            self.blocks += [
                {
                    "source": printable(source),
                    "face_id": i,
                    "block": each.block,
                    "channels": None if each.channels is None else each.channels[i].round(4).tolist(),
                    "places": None if each.places is None else each.places[i].round(4).tolist(),
                }
                for each in layers
            ]
        self._write(path, np.concatenate(sheets))

    def _write(self, path: Path, image: Image) -> None:
        write_image(path, image)
        self.files.append(path)


def _sheet(
    image: Image, found: Predictions, crops: Crops, attribution: Attribution, rows: list[Row], recognizer: Recognizer
) -> Image:
    captions = []
    for row in rows:
        first = f"{row['explained'] or row['label']} {row['p']:.0%}"
        areas = f"\ndel. {row['deletion']:.2f}, ins. {row['insertion']:.2f}" if "deletion" in row else ""
        captions.append(f"{first}, {attribution.method}{areas}")
    return drawing.explained(
        image,
        found.faces,
        crops,
        attribution.maps,
        captions,
        recognizer.classifier.card.crop,
        cuts=recognizer.cuts,
    )
