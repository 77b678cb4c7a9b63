"""`mien explain`: a model and faces in, heat maps of what the model goes by out."""

import csv
import json
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from mien.core.errors import DataError, InputError, UsageError
from mien.core.files import expect_free, make_folder, printable, replacing
from mien.core.images import write_image
from mien.core.optional import require
from mien.core.types import Attribution, Floats, Image, Predictions
from mien.datasets import Table, open_data
from mien.datasets.table import SPLITS, expect_splits
from mien.explanation.explainer import Explainer, ModelExplainer, expect_method, explain_faces
from mien.explanation.faithfulness import deletion_and_insertion, random_maps
from mien.explanation.gallery import galleries
from mien.pipeline import heat as drawing
from mien.pipeline import predict_table
from mien.pipeline.annotate import Annotations
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import BLOCKS, EXPLAINED, check, expand
from mien.runtime.preprocess import Crops, fit_crops
from mien.runtime.session import check_options
from mien.zoo.store import find_card, load_classifier, weights_of

if TYPE_CHECKING:
    from mien.explanation.net_explainer import NetExplainer

Row = dict[str, Any]

NUMBERS, TABLE, MEANS = "explanations.json", "explanations.csv", "mean-maps.png"
COLUMNS = ("source", "face_id", "x1", "y1", "x2", "y2", "label", "explained", "p", "peak_x", "peak_y")
AREAS = ("deletion", "insertion", "deletion_random", "insertion_random")

_CHECKPOINT = Path("checkpoints") / "best.ckpt"
_RANDOM_MAPS = 8  # whose mean areas a map's own are compared with


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """What decides an explanation.

    Attributes:
        method: gradcam, gradcam++, eigencam, occlusion or attention. Of an ONNX model the second and the last are not
            to be had: they need the run folder, and torch.
        label: the emotion that the maps speak for; of each face the most probable one if None.
        head: which of the model's label sets; its default if None.
        detector: mtcnn, haar, dlib, or none (each picture is a face crop already). min_face: in pixels.
        faithfulness: measure each map by deletion and insertion and, of a run, by randomising its weights.
        data: labelled faces (a table or ``"NAME=ROOT"``) for a gallery of each class and its mean map. split: of them.
        most: faces of a class that the mean is of. seed: of whatever is drawn by lot.
        device, threads, variant: as in `load_classifier`.
        out: the folder for pictures and numbers. overwrite: replace those of an earlier explanation.
    """

    method: str = "gradcam"
    label: str | None = None
    head: str | None = None
    detector: str = "mtcnn"
    min_face: int = 40
    faithfulness: bool = False
    data: str | os.PathLike[str] | Table | None = None
    split: str = "valid"
    most: int = 200
    seed: int = 0
    device: str = "auto"
    threads: int | None = None
    variant: str | None = None
    out: str | os.PathLike[str] = "explained"
    overwrite: bool = False

    def __post_init__(self) -> None:
        expect_method(self.method)
        expect_splits([self.split], there=SPLITS)
        check_options(threads=self.threads, device=self.device)
        if self.most < 1:
            raise UsageError(f"expected 1 face a class or more, got {self.most}")


@dataclass(frozen=True)
class ExplainResult:
    """What was explained.

    Attributes:
        out: the folder. pictures: how many were looked at. faces: how many were explained in them.
        failed: source -> why it could not be explained.
        rows: one a face: `COLUMNS`, with `faithfulness` also `AREAS`, of a run ``randomised``.
        classes: one a class of `data`: label, n, and where the mean map is highest, in shares of the face's side.
        files: pictures, and the numbers as JSON and csv.
    """

    out: Path
    pictures: int
    faces: int
    failed: dict[str, str] = field(default_factory=dict)
    rows: tuple[Row, ...] = ()
    classes: tuple[Row, ...] = ()
    files: tuple[Path, ...] = ()


def explain(
    model: str | os.PathLike[str],
    sources: str | os.PathLike[str] | Sequence[str | os.PathLike[str]] = (),
    config: ExplainConfig | None = None,
    *,
    tell: Callable[[int, int], None] = lambda done, total: None,
    **changes: Any,
) -> ExplainResult:
    """Show where in a face a model sees what it says of it.

    For each picture ``NAME.explained.png`` holds the heat maps in their places, and each face beside; by attention of a
    net with such layers, ``NAME.blocks.png`` the weights of each. With `data`, ``class-LABEL.png`` holds faces of each
    class and ``mean-maps.png`` its mean map on its mean face.

    Args:
        model: a name out of `mien models list`, an ONNX file with its card, or a run folder.
        sources: photographs, and folders of them; none is needed with `data`.
        config: the settings; the defaults if None.
        tell: called with how many pictures, or faces of `data`, are done, and their total.
        **changes: fields of `ExplainConfig` to set, such as ``method="occlusion"``.

    Raises:
        UsageError: an unknown method, label, head or detector; one that the model does not allow; a model of clips.
        InputError: the only picture cannot be read, or has no face.
        OutputError: files are there already, or cannot be written.
        MissingExtraError: the method needs torch, which is not installed.

    Example:
        >>> import tempfile, mien
        >>> found = mien.explain("mien-s", mien.sample("astronaut"), out=tempfile.mkdtemp())
        >>> found.rows[0]["explained"]
        'happiness'
    """
    config = replace(config or ExplainConfig(), **changes)
    named = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    if not named and config.data is None:
        raise UsageError("expected a picture or --data to explain a model on, got none")
    out = Path(config.out)
    for name in (NUMBERS, TABLE):
        expect_free(out / name, overwrite=config.overwrite)
    total = check(named) if named else 0
    recognizer = _recognizer(model, config)
    explainer = _explainer(model, recognizer, config)
    if config.label is not None:
        explainer.label_set(config.head).index(config.label)  # says at once that there is none
    make_folder(out)
    work = _Work(recognizer, explainer, config, out)
    for done, found in enumerate(predict_table.recognize(recognizer, expand(named), keep_images=True), 1):
        work.picture(found, alone=total == 1)
        tell(done, total)
    classes = _explain_data(explainer, config, out, work.files, tell) if config.data is not None else ()
    _write_numbers(work, classes, config)
    return ExplainResult(out, total, len(work.rows), work.failed, tuple(work.rows), classes, tuple(work.files))


def _recognizer(model: str | os.PathLike[str], config: ExplainConfig) -> Recognizer:
    classifier = load_classifier(model, threads=config.threads, device=config.device, variant=config.variant)
    if classifier.takes_clips:
        raise UsageError(
            f"expected a model of single faces to explain pictures, got {classifier.card.name}, which sees clips of "
            f"{classifier.card.input.frames} frames: choose another model"
        )
    return Recognizer(
        classifier, detector=config.detector, head=config.head, min_face=config.min_face, threads=config.threads
    )


def _explainer(model: str | os.PathLike[str], recognizer: Recognizer, config: ExplainConfig) -> Explainer:
    """The net of a run where torch can open it, else its ONNX file."""
    run = Path(model)
    is_run = find_card(model).parent == run and (run / _CHECKPOINT).exists()  # and no model at hand of that name
    if is_run and (find_spec("torch") or config.method in ("gradcam++", "attention")):
        return _net_of(run, recognizer)
    return ModelExplainer(recognizer.classifier, weights_of(model, variant=config.variant))


def _net_of(run: Path, recognizer: Recognizer) -> "NetExplainer":
    require("torch", extra="explain")
    from mien.explanation.net_explainer import NetExplainer
    from mien.training.fit import load_run

    config, net = load_run(run)
    card = recognizer.classifier.card
    order = sorted(card.heads, key=lambda head: head != card.default_head)  # the default one first
    labels = {head: card.heads[head].label_set for head in order}
    temperatures = {head: each.temperature for head, each in card.heads.items()}
    return NetExplainer(net, config.input, labels, name=card.name, temperatures=temperatures)


class _Work:
    """Explains picture after picture, and keeps what was found and written."""

    def __init__(self, recognizer: Recognizer, explainer: Explainer, config: ExplainConfig, out: Path) -> None:
        self._recognizer, self._explainer, self._config = recognizer, explainer, config
        self.model, self.head = explainer.name, recognizer.head
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
            y, x = np.unravel_index(int(heat.argmax()), heat.shape)
            rows.append(
                {
                    "source": printable(source),
                    "face_id": i,
                    **{name: round(float(v), 2) for name, v in zip(COLUMNS[2:6], predictions.boxes[i], strict=True)},
                    "label": labels.labels[top[i]],
                    "explained": attribution.label[i],
                    "p": round(float(probabilities[i, asked[i]]), 6),
                    "peak_x": round((float(x) + 0.5) / heat.shape[1], 4),
                    "peak_y": round((float(y) + 0.5) / heat.shape[0], 4),
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

        curves = deletion_and_insertion(predict, fitted, maps, classes)
        others = [
            deletion_and_insertion(predict, fitted, random_maps(maps.shape, seed=config.seed + k), classes)
            for k in range(_RANDOM_MAPS)
        ]
        areas = (
            curves.deletion_area,
            curves.insertion_area,
            np.mean([each.deletion_area for each in others], 0),
            np.mean([each.insertion_area for each in others], 0),
        )
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


def _explain_data(
    explainer: Explainer,
    config: ExplainConfig,
    out: Path,
    files: list[Path],
    tell: Callable[[int, int], None],
) -> tuple[Row, ...]:
    """Galleries and mean maps of the classes of labelled faces; writes them, and gives a row a class."""
    whole = config.data if isinstance(config.data, Table) else open_data(str(config.data))
    table = whole.of_split(config.split)
    labels = explainer.label_set(config.head)
    if not table.sources:
        raise DataError("expected labels in the data to explain it by class, got none: choose another data set")
    known = {name: column.label_set.columns_in(labels) for name, column in table.sources.items()}
    same = config.head or labels.name
    source = same if same in known else max(known, key=lambda name: int((known[name] >= 0).sum()))
    classes = np.append(known[source], -1)[table.sources[source].ids]  # id -1 is the last
    if not (classes >= 0).any():
        raise DataError(f"expected faces labelled {', '.join(labels)} in the split {config.split}, got none of these")
    found = galleries(
        explainer,
        table.images,
        classes,
        method=config.method,
        head=config.head,
        most=config.most,
        seed=config.seed,
        tell=tell,
    )
    sheets = {f"class-{_file_name(each.label)}.png": drawing.gallery_sheet(each) for each in found}
    for name, sheet in (sheets | {MEANS: drawing.mean_sheet(found)}).items():
        expect_free(out / name, overwrite=config.overwrite)
        write_image(out / name, sheet)
        files.append(out / name)
    rows = []
    for each in found:
        y, x = np.unravel_index(int(each.mean_map.argmax()), each.mean_map.shape)
        sides = each.mean_map.shape
        peak = {"peak_x": round((float(x) + 0.5) / sides[1], 4), "peak_y": round((float(y) + 0.5) / sides[0], 4)}
        rows.append({"label": each.label, "n": each.n, **peak})
    return tuple(rows)


def _file_name(label: str) -> str:
    """A label as part of a file's name, on any system."""
    return "".join(each if each.isalnum() or each in "-_" else "_" for each in label)


def _write_numbers(work: _Work, classes: tuple[Row, ...], config: ExplainConfig) -> None:
    out = Path(config.out)
    about = {
        "model": work.model,
        "method": config.method,
        "head": work.head,
        "faces": work.rows,
        "classes": list(classes),
        "blocks": work.blocks,
        "failed": [{"source": printable(source), "error": printable(why)} for source, why in work.failed.items()],
    }
    with replacing(out / NUMBERS) as partial:
        partial.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    columns = (*COLUMNS, *(AREAS if config.faithfulness else ()))
    with replacing(out / TABLE) as partial, open(partial, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, columns, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(work.rows)
    work.files += [out / NUMBERS, out / TABLE]
