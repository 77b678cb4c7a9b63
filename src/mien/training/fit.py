"""A training from its settings and data to a run folder."""

import contextlib
import json
import logging
import os
import platform
import signal
import subprocess
import tomllib
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning import pytorch as lightning
from lightning.pytorch.callbacks import ModelCheckpoint

from mien.core.errors import OutputError, TrainingError
from mien.core.files import make_folder, replacing
from mien.core.labels import LabelSet
from mien.core.toml import to_toml
from mien.datasets.table import Table
from mien.nets import build_trunk
from mien.nets.heads import MultiHead
from mien.training.callbacks import EpochLog, StopAfter, read_log
from mien.training.config import TrainConfig, as_settings, build, load_config
from mien.training.data import choose_heads, resident
from mien.training.module import ExpressionModule

LAST = Path("checkpoints") / "last.ckpt"
BEST = Path("checkpoints") / "best.ckpt"


@dataclass(frozen=True)
class Run:
    """A run folder and how far it has come.

    Attributes:
        folder: where it is. epochs: trained so far. finished: whether those are all that were asked for.
    """

    folder: Path
    epochs: int
    finished: bool


def fit(
    config: TrainConfig,
    table: Table,
    *,
    out: Path,
    lists: Mapping[str, str] | None = None,
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
) -> Run:
    """Train on the table's `train` split, select the best epoch on its `valid` split.

    Args:
        config: the settings; a resumed run must have those that it began with.
        table: faces and labels.
        out: run folder; new, or with `resume` the one to go on with.
        lists: name -> sha256 of the lists that the table was changed by, to be remembered.
        resume: go on after the last finished epoch.
        max_minutes: stop at the last epoch boundary before this time; resume later.
        tell: called with each epoch's row of `metrics.csv`.

    Raises:
        OutputError: `out` holds a run already (and not `resume`), or cannot be written.
        TrainingError: the loss is not finite, or the run to resume is not there, or had other settings or data.
        DataError: a split or label source is not there.
    """
    heads = choose_heads(table, config.heads)
    train = resident(table.of_split("train"), config, heads)
    valid = resident(table.of_split("valid"), config, heads)
    labels = {head: list(labels) for head, labels in train.label_sets.items()}
    identity = {
        "config": to_toml(as_settings(config)),
        "data": table.digest(),
        "labels": labels,
        "lists": dict(lists or {}),
    }
    device = choose_device(config.device)
    if config.threads and device == "cpu":
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    module = ExpressionModule(build_net(config, train.label_sets), config, train, valid)
    _open_run(out, identity, resume=resume)  # last, so that wrong settings leave no folder behind
    callbacks: list[Any] = [
        EpochLog(out / "metrics.csv", tell),
        _checkpoint(out / BEST, monitor="selection", mode="max"),
        _checkpoint(out / LAST),
    ]
    if max_minutes is not None:
        callbacks.append(StopAfter(max_minutes))
    with _quiet():
        trainer = _trainer(config, device, callbacks, out)
        checkpoint = str(out / LAST) if resume and (out / LAST).exists() else None
        ctrl_c = signal.getsignal(signal.SIGINT)
        try:
            trainer.fit(module, ckpt_path=checkpoint, weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C, which it ignores from then on
            with contextlib.suppress(ValueError):  # not the main thread: it ignores nothing there
                signal.signal(signal.SIGINT, ctrl_c)
            raise KeyboardInterrupt from None
    if trainer.interrupted:
        raise KeyboardInterrupt
    done = len(read_log(out / "metrics.csv"))
    return Run(out, done, done >= config.epochs)


def _checkpoint(path: Path, **options: Any) -> ModelCheckpoint:
    """Keeps one file: that of the best epoch by the monitored figure, or of the last."""
    return ModelCheckpoint(
        dirpath=path.parent, filename=path.stem, enable_version_counter=False, save_on_train_epoch_end=True, **options
    )


def _trainer(config: TrainConfig, device: str, callbacks: list[Any], out: Path) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator=device,
        devices=1,
        max_epochs=config.epochs,
        precision="bf16-mixed" if uses_bf16(config, device) else "32-true",
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
        default_root_dir=out,
    )


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's notes and tips stay out of the way while it runs; its errors do not."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def build_net(config: TrainConfig, label_sets: Mapping[str, LabelSet]) -> MultiHead:
    """The net that the settings name, with a head for each label source."""
    trunk = build_trunk(
        config.net, in_channels=config.input.channels, size=config.input.size, options=config.net_options
    )
    return MultiHead(trunk, {head: len(each) for head, each in label_sets.items()}, dropout=config.dropout)


def choose_device(device: str) -> str:
    """``auto`` -> ``cuda`` where there is a GPU, else ``cpu``.

    Raises:
        TrainingError: ``cuda`` was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError("expected a CUDA GPU for device cuda, got none: use --device cpu or auto")
    return "cuda" if available and device != "cpu" else "cpu"


def uses_bf16(config: TrainConfig, device: str) -> bool:
    """Whether to train in bfloat16: as asked, or where the processor computes in it."""
    if config.precision != "auto":
        return config.precision == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return any(supported() for supported in (torch.cpu._is_avx512_bf16_supported, torch.cpu._is_amx_tile_supported))


def load_run(run: Path, *, which: Path = BEST) -> tuple[TrainConfig, MultiHead]:
    """The settings and the averaged weights of a run, the net in evaluation mode.

    Raises:
        TrainingError: the folder holds no run, or no checkpoint yet.
    """
    checkpoint = run / which
    if not (run / "config.toml").exists() or not checkpoint.exists():
        raise TrainingError(f"expected a run with {which.as_posix()} in {run}, got none: train first")
    config = load_config(file=run / "config.toml")
    net = build_net(config, label_sets_of(run))
    state = torch.load(checkpoint, map_location="cpu", weights_only=True)["state_dict"]
    prefix = "average.module."
    net.load_state_dict({key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)})
    return config, net.eval()


def label_sets_of(run: Path) -> dict[str, LabelSet]:
    """The labels of each head of a run, in the order of its outputs."""
    heads: dict[str, list[str]] = json.loads((run / "versions.json").read_text("utf-8"))["labels"]
    return {head: LabelSet(head, tuple(labels)) for head, labels in heads.items()}


def _open_run(out: Path, identity: dict[str, Any], *, resume: bool) -> None:
    """Make the run folder and write what the run is, or check that it is the run that was begun."""
    versions = out / "versions.json"
    if versions.exists():
        if not resume:
            raise OutputError(f"expected a new run folder, got {out} that holds a run: use --resume or another --out")
        begun = json.loads(versions.read_text("utf-8"))
        if begun["data"] != identity["data"]:
            raise TrainingError(
                f"expected the data that the run in {out} began with, got others: give the same --data, --drop and "
                "--relabel"
            )
        before, now = (_decisive(each["config"]) for each in (begun, identity))
        changed = sorted(key for key in before | now if before.get(key) != now.get(key))
        if changed:
            raise TrainingError(
                f"expected the settings that the run in {out} began with, got others: {', '.join(changed)}"
            )
        return
    if resume and not (out / "config.toml").exists():
        raise TrainingError(f"expected a run to resume in {out}, got none: check --out, or leave out --resume")
    make_folder(out)
    with replacing(out / "config.toml") as partial:
        partial.write_text(identity["config"], "utf-8", newline="\n")
    with replacing(versions) as partial:  # last: where it stands, a run was begun
        partial.write_text(json.dumps(identity | _versions(), indent=2) + "\n", "utf-8", newline="\n")


def _decisive(text: str) -> dict[str, Any]:
    """The settings that decide what is learnt: not the name, nor the crop at use, nor what it runs on.

    Settings that a run of an earlier version lacks have their defaults, which change nothing.
    """
    settings = as_settings(build(TrainConfig, tomllib.loads(text)))
    free = ("name", "about", "crop", "device", "threads")
    return {key: value for key, value in settings.items() if key not in free}


def _versions() -> dict[str, Any]:
    packages = ("mien", "torch", "torchvision", "timm", "lightning", "torchmetrics", "numpy", "opencv-python-headless")
    installed = {each.metadata["Name"]: each.version for each in metadata.distributions()}
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "processors": os.cpu_count(),
        "packages": {name: installed[name] for name in packages if name in installed},
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
