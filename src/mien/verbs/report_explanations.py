"""The sections of a report that show what models look at, and whether to believe it."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mien.core.errors import DataError, MienError
from mien.core.types import Floats
from mien.datasets import Table
from mien.explanation.explainer import Explainer, ModelExplainer
from mien.explanation.faithfulness import Curves, against_random
from mien.explanation.gallery import ClassGallery, galleries
from mien.pipeline.heat import heated_large, mean_faces
from mien.reporting.figures_explanation import deletion_and_insertion, forgetting
from mien.reporting.page import TableView
from mien.reporting.parts import Extra, Plan, Reported
from mien.reporting.pictures import Tile, gallery
from mien.reporting.style import is_narrow
from mien.runtime.classifier import Classifier
from mien.runtime.preprocess import fit_crops
from mien.verbs.errors import rows_of
from mien.verbs.explainers import has_net, open_net
from mien.zoo.store import load_classifier, weights_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from mien.explanation.net_explainer import NetExplainer
    from mien.explanation.randomisation import Randomised

_EXPLAINED, _SHOWN = 100, 12  # faces of a class: looked at, and in the gallery
_JUDGED = 3  # faces of a class whose maps are judged: a few dozen in all
_RANDOM_MAPS = 2  # beside each of them


@dataclass(frozen=True, eq=False)
class _Looks:
    """What a model looks at.

    Attributes:
        explainer: that made the maps, by `method`. net: the net of a run, where torch can open it.
        head: whose classes these are. found: faces class by class.
    """

    explainer: Explainer
    net: "NetExplainer | None"
    method: str
    head: str | None
    found: tuple[ClassGallery, ...]


def explanations(
    each: Reported, number: int, source: str | os.PathLike[str], faces: Table
) -> tuple[Extra, tuple[str, ...]]:
    """The section of one model, and what of it could not be made, and why.

    Args:
        each: the model.
        number: of it in the report.
        source: what `load_classifier` takes.
        faces: that its predictions are of.

    Raises:
        DataError: a model of clips, or faces that are not there.
    """
    classifier = load_classifier(source)
    if classifier.takes_clips:
        raise DataError("it sees clips, not single faces: mien explain shows what it sees in them")
    net, why = _net(source, classifier)
    looks = _look(each, source, classifier, net, faces)
    plans, numbers = [_means(looks, number), _singles(looks, number)], {}
    plan, table = _faithful(looks, classifier, number)
    plans.append(plan)
    numbers[f"faithfulness-{number}.csv"] = table
    if net is not None:
        plan, table = _randomised(looks, net, number)
        plans.append(plan)
        numbers[f"randomised-{number}.csv"] = table
    left_out = () if net else (f"maps of {each.name} with its weights randomised: {why}",)
    return Extra(f"Explanations of {each.name}", (), {}, tuple(plans), numbers), left_out


def _net(source: str | os.PathLike[str], classifier: Classifier) -> tuple["NetExplainer | None", str]:
    """The net of a run, or why there is none."""
    if not has_net(source):
        return None, "expected a run folder with its checkpoint, got a model file alone"
    if not find_spec("torch"):
        return None, "expected torch to open the net, got none installed: add the extra explain"
    try:
        return open_net(Path(source), classifier), ""
    except MienError as error:
        return None, str(error)


def _look(
    each: Reported,
    source: str | os.PathLike[str],
    classifier: Classifier,
    net: "NetExplainer | None",
    faces: Table,
) -> _Looks:
    predictions = each.evaluation.predictions.labelled()
    head = predictions.meta.get("head") or None
    of_file = ModelExplainer(classifier, weights_of(source))
    quickest = of_file.quickest(head)
    # Occlusion asks a model a hundred times of each face: where there is a net, its gradients tell the same in one go.
    explainer: Explainer = of_file if quickest == "gradcam" or net is None else net
    method = quickest if explainer is of_file else "gradcam"
    places = predictions.label_set.columns_in(explainer.label_set(head))
    classes = np.asarray(places)[predictions.label_ids]
    images = faces.images[rows_of(predictions, faces)]
    few = _SHOWN if method == "occlusion" else _EXPLAINED
    found = galleries(explainer, images, classes, method=method, head=head, most=few, show=_SHOWN)
    if not found:
        raise DataError(f"expected faces labelled {', '.join(explainer.label_set(head))}, got none of these")
    return _Looks(explainer, net, method, head, found)


def _means(looks: _Looks, number: int) -> Plan:
    how = "occlusion" if looks.method == "occlusion" else "Grad-CAM"
    return Plan(
        f"mean-maps-{number}",
        "Where the model looks, on average",
        "The mean face of each class, and under it the same with the mean of the heat maps of its faces "
        f"({how}): bright is what speaks for the class. Heat on mouth, eyes and brows is as it should be; heat on a "
        "corner is a warning.",
        partial(_mean_maps, looks.found),
    )


def _singles(looks: _Looks, number: int) -> Plan:
    return Plan(
        f"maps-{number}",
        "Where the model looks in single faces",
        "A row a class; each face with the heat that speaks for its own label, and the probability of that label.",
        partial(_maps, looks.found),
    )


def _faithful(looks: _Looks, classifier: Classifier, number: int) -> tuple[Plan, TableView]:
    """Deletion and insertion curves of some of the faces shown."""
    labels = looks.explainer.label_set(looks.head)
    some = [(each, row) for each in looks.found for row in range(min(_JUDGED, len(each.crops)))]
    own, random = against_random(
        lambda crops: looks.explainer.predict(crops, head=looks.head),
        fit_crops(np.stack([each.crops[row] for each, row in some]), classifier.card.input),
        np.stack([each.shown.maps[row] for each, row in some]),
        [labels.index(each.label) for each, _ in some],
        others=_RANDOM_MAPS,
    )
    plan = Plan(
        f"faithfulness-{number}",
        "Whether the maps show what the model goes by",
        f"Pixels of {len(some)} faces become grey (deletion) or come into the blurred face (insertion), the hottest "
        "first. Maps that are right fall early at the left and rise early at the right; dashed, in the order of maps "
        "that know nothing. The bands hold the mean in 95 % of samples.",
        partial(deletion_and_insertion, own, random),
        _judgement(own, random),
    )
    names = ("deletion", "insertion")
    columns = [own.shares, *(getattr(curves, name).mean(0) for name in names for curves in (own, random))]
    rows = tuple(tuple(f"{float(each):.4f}" for each in row) for row in zip(*columns, strict=True))
    return plan, TableView(("share", *(f"{name}{of}" for name in names for of in ("", "_random"))), rows)


def _judgement(own: Curves, random: Curves) -> str:
    n = len(own.deletion)
    lower = int((own.deletion_area < random.deletion_area).sum())
    higher = int((own.insertion_area > random.insertion_area).sum())
    return (
        f"Area under deletion {own.deletion_area.mean():.2f}, of random maps {random.deletion_area.mean():.2f}: lower, "
        f"as it should be, in {lower} of {n} faces. Under insertion {own.insertion_area.mean():.2f}, of random maps "
        f"{random.insertion_area.mean():.2f}: higher, as it should be, in {higher} of {n}."
    )


def _randomised(looks: _Looks, net: "NetExplainer", number: int) -> tuple[Plan, TableView]:
    """How much of the maps is left of the same faces when the net forgets what it has learnt."""
    labels = looks.explainer.label_set(looks.head)
    crops = np.concatenate([each.crops[:_JUDGED] for each in looks.found])
    classes = [labels.index(each.label) for each in looks.found for _ in each.crops[:_JUDGED]]
    found = net.randomise(crops, classes, method="gradcam", head=looks.head)
    plan = Plan(
        f"randomised-{number}",
        "Whether the maps depend on what was learnt",
        f"Grad-CAM of the same {len(crops)} faces while the net forgets its layers one after another, from the heads "
        "down to the one named (Adebayo et al. 2018): a stroke a face, a dot their median. Maps that stay near 1 would "
        "show the face, not the model.",
        partial(forgetting, found.layers, found.similarity),
        _left_of_it(found),
    )
    pairs = zip(found.layers, found.similarity, strict=True)
    rows = tuple((layer, *_summary(values[np.isfinite(values)])) for layer, values in pairs)
    return plan, TableView(("forgotten_down_to", "median", "least", "most", "faces"), rows)


def _summary(values: Floats) -> tuple[str, ...]:
    if not len(values):
        return "", "", "", "0"
    return (*(f"{float(make(values)):.4f}" for make in (np.median, np.min, np.max)), str(len(values)))


def _left_of_it(found: "Randomised") -> str:
    last = found.similarity[-1][np.isfinite(found.similarity[-1])]
    if not len(last):
        return "With all layers forgotten no map has any heat."
    return f"With all layers forgotten the median similarity is {float(np.median(last)):.2f}."


def _mean_maps(found: Sequence[ClassGallery], width: float) -> "Figure":
    columns = 4 if is_narrow(width) else 8
    rows = []
    for start in range(0, len(found), columns):
        some = found[start : start + columns]
        bare, heat = zip(*map(mean_faces, some), strict=True)
        rows.append([Tile(tile, (each.label, f"n = {each.n}")) for tile, each in zip(bare, some, strict=True)])
        rows.append([Tile(tile) for tile in heat])
    return gallery(rows, width, columns=columns)[0]


def _maps(found: Sequence[ClassGallery], width: float) -> "Figure":
    columns = 4 if is_narrow(width) else _SHOWN
    rows = [
        [
            Tile(heated_large(face, heat), (f"{share:.0%}",))
            for face, heat, share in zip(
                each.crops[:columns], each.shown.maps[:columns], each.probabilities[:columns].tolist(), strict=True
            )
        ]
        for each in found
    ]
    return gallery(rows, width, columns=columns, labels=[each.label for each in found])[0]
