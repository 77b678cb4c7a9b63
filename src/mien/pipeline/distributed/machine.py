"""A machine of a cluster has to be as the first one, or say what it lacks."""

import os
import socket

from mien import __version__
from mien.core.errors import MienError


def arrive(version: str, here: str) -> None:
    """Go to the working directory of the first process, so that relative paths mean the same.

    Args:
        version: of mien, on the first machine.
        here: the directory; "" where no path begins at it.

    Raises:
        MienError: this machine has another version, or does not see the directory.
    """
    if version != __version__:
        raise MienError(
            f"expected mien {version} on every machine of the cluster, got {__version__} on {socket.gethostname()}"
        )
    if not here:
        return
    try:
        os.chdir(here)
    except OSError as error:
        raise MienError(
            f"expected the folder {here} on every machine of the cluster, got none on {socket.gethostname()} "
            f"({error.strerror}): use a file system that all of them see, or addresses in an object store"
        ) from error
