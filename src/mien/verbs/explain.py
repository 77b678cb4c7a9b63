"""`mien explain`: a model and faces in, heat maps of what the model goes by out."""

import functools
import json
import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.files import expect_free, make_folder, printable, replacing, write_csv
from mien.datasets import Table
from mien.datasets.looking import FEW
from mien.datasets.table import SPLITS, expect_splits
from mien.explanation.explainer import expect_method
from mien.pipeline import predict_table
from mien.pipeline.decoding import Decoders
from mien.pipeline.picture_workers import open_data
from mien.pipeline.reading import read_found
from mien.pipeline.recognizer import Recognizer
from mien.pipeline.sources import check, expand
from mien.runtime.session import check_options
from mien.verbs.explain_classes import explain_classes
from mien.verbs.explain_clips import CLIP_COLUMNS, explain_clips
from mien.verbs.explain_pictures import AREAS, COLUMNS, PictureWork
from mien.verbs.explainers import open_explainer
from mien.zoo.store import load_classifier

Row = dict[str, Any]

NUMBERS, TABLE = "explanations.json", "explanations.csv"


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """What decides an explanation.

    Attributes:
        method: gradcam, gradcam++, eigencam, occlusion or attention. Of an ONNX model the second and the last are not
            to be had, of one that sees clips occlusion alone: the others need the run folder, and torch.
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
        out: the folder. pictures: how many, or clips, were looked at. faces: how many were explained in them.
        failed: source -> why it could not be explained.
        rows: one a face: `COLUMNS`, with `faithfulness` also `AREAS`, of a run ``randomised``. Of a model that sees
            clips one a frame: `CLIP_COLUMNS`.
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
    class and ``mean-maps.png`` its mean map on its mean face. Of a model that sees clips ``NAME.explained.png`` holds
    the face in each frame that it sees, bare and with its map.

    Args:
        model: a name out of `mien models list`, an ONNX file with its card, or a run folder.
        sources: photographs, and folders of them; none is needed with `data`. For a model that sees clips: videos, and
            folders each of which holds the frames of one clip, or further folders.
        config: the settings; the defaults if None.
        tell: called with how many pictures, or faces of `data`, are done, and their total.
        **changes: fields of `ExplainConfig` to set, such as ``method="occlusion"``.

    Raises:
        UsageError: an unknown method, label, head or detector; one that the model does not allow.
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
    classifier = load_classifier(model, threads=config.threads, device=config.device, variant=config.variant)
    recognizer = Recognizer(
        classifier, detector=config.detector, head=config.head, min_face=config.min_face, threads=config.threads
    )
    if classifier.takes_clips:
        return _explain_clips(model, recognizer, named, config, tell)
    total = check(named).total if named else 0
    faces = _faces(config)
    explainer = open_explainer(model, classifier, method=config.method, variant=config.variant)
    if config.label is not None:
        explainer.label_set(config.head).index(config.label)  # says at once that there is none
    make_folder(out)
    work = PictureWork(recognizer, explainer, config, out)
    with closing(Decoders(1)) as decoders:  # one picture is decoded while another is looked at
        read = read_found if total < FEW else functools.partial(read_found, decode=decoders.decode)
        recognized = predict_table.recognize(recognizer, expand(named), keep_images=True, read=read)
        for done, found in enumerate(recognized, 1):
            work.picture(found, alone=total == 1)
            tell(done, total)
    classes = () if faces is None else explain_classes(explainer, faces, config, out, work.files, tell)
    about = {"model": explainer.name, "method": config.method, "head": recognizer.head, "faces": work.rows}
    about |= {"classes": list(classes), "blocks": work.blocks, "failed": _failed(work.failed)}
    work.files += _write_numbers(about, work.rows, (*COLUMNS, *(AREAS if config.faithfulness else ())), out)
    return ExplainResult(out, total, len(work.rows), work.failed, tuple(work.rows), classes, tuple(work.files))


def _explain_clips(
    model: str | os.PathLike[str],
    recognizer: Recognizer,
    named: Sequence[str | os.PathLike[str]],
    config: ExplainConfig,
    tell: Callable[[int, int], None],
) -> ExplainResult:
    found = explain_clips(model, recognizer, named, config, tell)
    name, out = recognizer.classifier.card.name, Path(config.out)
    about = {"model": name, "method": config.method, "head": recognizer.head, "frames": found.rows}
    about |= {"failed": _failed(found.failed)}
    files = (*found.files, *_write_numbers(about, found.rows, CLIP_COLUMNS, out))
    return ExplainResult(out, found.clips, found.explained, found.failed, tuple(found.rows), (), files)


def _faces(config: ExplainConfig) -> Table | None:
    """The labelled faces to explain by class."""
    if config.data is None:
        return None
    whole = config.data if isinstance(config.data, Table) else open_data(str(config.data))
    return whole.of_split(config.split)


def _failed(failed: dict[str, str]) -> list[Row]:
    return [{"source": printable(source), "error": printable(why)} for source, why in failed.items()]


def _write_numbers(about: Row, rows: Sequence[Row], columns: Sequence[str], out: Path) -> list[Path]:
    with replacing(out / NUMBERS) as partial:
        partial.write_text(json.dumps(about, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
    write_csv(out / TABLE, [columns, *([row[name] for name in columns] for row in rows)])
    return [out / NUMBERS, out / TABLE]
