"""What a run folder says of its training: settings, versions, data, machine."""

import functools
import json
import os
import platform
import subprocess
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from mien.core.errors import MALFORMED, OutputError, TrainingError, UsageError, one_line
from mien.core.files import make_folder, replacing
from mien.core.toml import parse_toml
from mien.training.config import TrainConfig, as_settings, build

SETTINGS = "config.toml"
VERSIONS = "versions.json"
FINISHED = "finished.json"

# What may differ when a run goes on: names, the crop at use, what it runs on and where it is logged.
_FREE = ("name", "about", "crop", "device", "threads", "devices", "nodes", "timeout_s", "log", "valid_share")
_PACKAGES = ("mien", "torch", "torchvision", "timm", "lightning", "torchmetrics", "numpy", "opencv-python-headless")


def check_run(out: Path, identity: Mapping[str, Any], *, resume: bool) -> bool:
    """Whether a run was begun in a folder; if so, it has to be this one, and be resumed.

    Args:
        out: the run folder.
        identity: `config` as TOML, `data` as a hash, and what else `open_run` writes.
        resume: whether a run that was begun may go on.

    Raises:
        OutputError: a run is there, and not to be resumed.
        TrainingError: it has other settings or data, is of another version, or is not there.
    """
    if not (out / VERSIONS).exists():
        if resume and not (out / SETTINGS).exists():
            raise TrainingError(f"expected a run to resume in {out}, got none: check --out, or leave out --resume")
        return False
    if not resume:
        raise OutputError(f"expected a new run folder, got {out} that holds a run: use --resume or another --out")
    begun = read_versions(out)
    if begun["data"] != identity["data"]:
        raise TrainingError(
            f"expected the data that the run in {out} began with, got others: give the same --data, --drop and "
            "--relabel"
        )
    try:
        before, now = (decisive(each["config"]) for each in (begun, identity))
    except (UsageError, *MALFORMED) as error:
        packages = begun.get("packages")
        version = packages.get("mien") if isinstance(packages, dict) else "of another version"
        raise TrainingError(
            f"expected settings that this mien knows in {out}, got those of mien {version}: {one_line(error)}"
        ) from error
    changed = sorted(key for key in before | now if before.get(key) != now.get(key))
    if changed:
        raise TrainingError(f"expected the settings that the run in {out} began with, got others: {', '.join(changed)}")
    return True


def open_run(out: Path, identity: Mapping[str, Any], machine: Mapping[str, Any]) -> None:
    """Make a run folder, and write into it what the run is.

    Args:
        out: the folder.
        identity: `config` as TOML, `data` as a hash, and so on.
        machine: what it runs on, to be written beside.
    """
    make_folder(out)
    with replacing(out / SETTINGS) as partial:
        partial.write_text(identity["config"], "utf-8", newline="\n")
    with replacing(out / VERSIONS) as partial:  # last: where it stands, a run was begun
        said = {**identity, **_versions(), **machine}
        partial.write_text(json.dumps(said, indent=2) + "\n", "utf-8", newline="\n")


def read_versions(run: Path) -> dict[str, Any]:
    """What `open_run` wrote.

    Raises:
        TrainingError: it is damaged, or of a version that wrote other things.
    """
    try:
        said: dict[str, Any] = json.loads((run / VERSIONS).read_text("utf-8"))
        if not {"config", "data", "labels"} <= said.keys():
            raise ValueError("without config, data or labels")
    except (OSError, *MALFORMED) as error:
        raise TrainingError(
            f"expected {VERSIONS} of a run in {run}, got a damaged one ({one_line(error)}): train anew in another "
            "folder"
        ) from error
    return said


def close_run(out: Path, **said: Any) -> None:
    """Write that a training is through, and how it went."""
    with replacing(out / FINISHED) as partial:
        partial.write_text(json.dumps(said, indent=2, ensure_ascii=False) + "\n", "utf-8", newline="\n")


def read_finished(run: Path) -> dict[str, Any] | None:
    """What `close_run` wrote; None while the training is not through."""
    path = run / FINISHED
    if not path.exists():
        return None
    try:
        said: dict[str, Any] = json.loads(path.read_text("utf-8"))
        if not isinstance(said, dict):
            raise ValueError("no names and values")
    except (OSError, *MALFORMED) as error:
        raise TrainingError(
            f"expected {FINISHED} of a run in {run}, got a damaged one ({one_line(error)}): remove it, and go on with "
            "--resume"
        ) from error
    return said


def decisive(text: str) -> dict[str, Any]:
    """The settings that decide what is learnt.

    Settings that a run of an earlier version lacks have their defaults, which change nothing.
    """
    settings = as_settings(build(TrainConfig, parse_toml(text)))
    return {key: value for key, value in settings.items() if key not in _FREE}


@functools.cache
def _installed() -> dict[str, str]:
    """Every package that is installed, and its version."""
    return {each.metadata["Name"]: each.version for each in metadata.distributions()}


def _versions() -> dict[str, Any]:
    installed = _installed()
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: installed[name] for name in _PACKAGES if name in installed},
        "commit": _commit(),
    }


def _commit() -> str | None:
    """The commit of the source tree this runs from, if it is one."""
    folder = Path(__file__).parent
    try:
        done = subprocess.run(["git", "rev-parse", "HEAD"], cwd=folder, capture_output=True, text=True, timeout=10)
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
