"""How counts by split are shown."""

from collections.abc import Mapping

from mien.cli.console import table


def counts_table(title: str, counts: Mapping[str, Mapping[str, int]]) -> str:
    """Name -> split -> images as lines, and their sum where there are several; "" stands for images without a label."""
    splits = list(dict.fromkeys(split for each in counts.values() for split in each))
    rows = [(name or "(none)", *(f"{each.get(split, 0):,}" for split in splits)) for name, each in counts.items()]
    if len(counts) > 1:
        rows.append(("(all)", *(f"{sum(each.get(split, 0) for each in counts.values()):,}" for split in splits)))
    return table((title, *splits), rows, right=range(1, len(splits) + 1))
