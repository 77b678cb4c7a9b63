"""Which faces a search may see, and which it may not."""

from collections.abc import Mapping
from dataclasses import dataclass

from mien.core.errors import DataError
from mien.datasets.table import Table
from mien.training.config import TrainConfig
from mien.training.data import choose_heads
from mien.training.folds import Deal, group_of, with_valid


@dataclass(frozen=True, eq=False)
class Faces:
    """Who sees what.

    Attributes:
        whole: all faces. searched: the train split, a part of which is `valid` and selects epochs and settings.
        split: the part of the whole that is reported on in the end; "" if none is.
        lists: by which images were left out or labelled anew.
    """

    whole: Table
    searched: Table
    split: str
    lists: Mapping[str, str]


def part_faces(
    table: Table,
    config: TrainConfig,
    lists: Mapping[str, str],
    *,
    group: str | None,
    split: str | None,
    reported: bool,
) -> Faces:
    """Set a part of `train` apart for the search; nothing else of the data is shown to it.

    Raises:
        DataError: there is no train split, none to report on, or train cannot be parted.
    """
    there = set(table.splits)
    shown = split or ("valid" if "valid" in there else "test")
    if reported and shown not in there:
        raise DataError(
            f"expected a split {shown} that the search does not see, got {', '.join(sorted(there)) or 'none'}: part it "
            "with mien data subset, or give --seeds 0 to report on none"
        )
    source = next(iter(choose_heads(table, config.heads)), None)
    how = Deal(None, group_of(table, group), source, config.seed, config.valid_share)
    train_split = table.of_split("train")
    searched = with_valid(train_split, how)
    if searched is None:
        raise DataError(
            f"expected train faces of two {how.group or 'image'}s or more, to set some apart that settings are "
            "selected by, got one"
        )
    return Faces(table, searched, shown if reported else "", lists)
