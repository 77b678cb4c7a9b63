"""`mien data check`: is a data set complete, and as its authors hand it out?"""

from collections.abc import Mapping
from typing import Any

from mien.datasets import open_dataset
from mien.datasets.check import CheckReport, Tell
from mien.datasets.check import check as check_dataset
from mien.pipeline.picture_workers import PictureWorkers


def check(
    data: str,
    *,
    options: Mapping[str, Any] | None = None,
    decode: bool = True,
    tell: Tell = lambda done, total: None,
) -> CheckReport:
    """Compare a data set with what its authors publish, and open every picture.

    Args:
        data: ``"rafdb=DIR"``.
        options: of the reader, such as ``{"form": "original"}``.
        decode: open every picture; else see only whether its file is there.
        tell: called with the number of pictures done and their total.

    Raises:
        UsageError, DataError: the data set is not known, or cannot be read at all.
        WorkerError: no process can be started.

    Example:
        >>> mien.check("rafdb=data/rafdb").verdict  # doctest: +SKIP
        'complete and as distributed: 15,339 pictures, each opened'
    """
    with PictureWorkers() as workers:
        dataset = open_dataset(data, options=options, each=workers.each)
        return check_dataset(dataset, decode=decode, tell=tell, each=workers.each)
