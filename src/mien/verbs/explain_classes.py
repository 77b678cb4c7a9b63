"""The part of `mien explain` that explains labelled faces class by class."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mien.core.errors import DataError
from mien.core.files import expect_free, file_name
from mien.core.images import write_image
from mien.datasets import Table
from mien.explanation.explainer import Explainer
from mien.explanation.gallery import galleries
from mien.explanation.maps import peak_of
from mien.pipeline import heat as drawing

if TYPE_CHECKING:
    from mien.verbs.explain import ExplainConfig

Row = dict[str, Any]

MEANS = "mean-maps.png"


def explain_classes(
    explainer: Explainer,
    table: Table,
    config: "ExplainConfig",
    out: Path,
    files: list[Path],
    tell: Callable[[int, int], None],
) -> tuple[Row, ...]:
    """Draw galleries and mean maps of the classes of labelled faces.

    Args:
        explainer: the model.
        table: the faces, of one split.
        config: the settings.
        out: the folder.
        files: takes what is written there.
        tell: called with how many faces are done, and their total.

    Returns:
        A row a class: label, n, and where its mean map is highest.
    """
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
    sheets = {f"class-{file_name(each.label)}.png": drawing.gallery_sheet(each) for each in found}
    for name, sheet in (sheets | {MEANS: drawing.mean_sheet(found)}).items():
        expect_free(out / name, overwrite=config.overwrite)
        write_image(out / name, sheet)
        files.append(out / name)
    return tuple({"label": each.label, "n": each.n, **peak_of(each.mean_map)} for each in found)
