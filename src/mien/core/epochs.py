"""The log of a training, `metrics.csv` of a run folder: a row an epoch, a number in each column."""

import csv
from pathlib import Path

from mien.core.errors import DataError


def read_epochs(path: Path) -> list[dict[str, str]]:
    """The rows of a `metrics.csv`, in order of the epochs; none where there is no such file.

    Raises:
        DataError: it cannot be read, a value is no number, or the columns `epoch` and `selection` are not there.
    """
    if not path.exists():
        return []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"expected the log of a training in {path}, got: {error}") from error
    for line, row in enumerate(rows, 2):
        try:
            int(row["epoch"]), float(row["selection"])
            for value in row.values():
                float(value)
        except (KeyError, TypeError, ValueError):
            said = ",".join(map(str, row.values()))
            raise DataError(
                f"expected a number in each column of {path}, epoch and selection among them, got in line {line}: "
                f"{said}: copy the file again, or remove it"
            ) from None
    return rows
