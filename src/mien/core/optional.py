"""Packages that belong to an extra: imported where they are used, named where they are missing."""

import importlib
from types import ModuleType

from mien.core.errors import MissingExtraError


def require(module: str, *, extra: str) -> ModuleType:
    """Import `module`, or say which extra brings it.

    Args:
        module: dotted name, such as ``"pyarrow.parquet"``.
        extra: the extra of mien that installs it, such as ``"data"``.

    Raises:
        MissingExtraError: the package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if error.name is not None and error.name.partition(".")[0] != package:
            raise  # the package is there, but something it needs is not: its own message says more
        raise MissingExtraError(
            f"expected the package {package!r}, got none installed: run `pip install 'mien[{extra}]'`"
        ) from error
