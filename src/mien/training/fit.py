"""A training from its settings and data to a run folder."""

import contextlib
import logging
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from lightning import pytorch as lightning
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.plugins.environments.torchelastic import TorchElasticEnvironment
from lightning.pytorch.callbacks import Callback, ModelCheckpoint
from lightning.pytorch.strategies import DDPStrategy
from torch import Tensor, nn

from mien.core.epochs import read_epochs
from mien.core.errors import TrainingError
from mien.core.labels import LabelSet
from mien.core.toml import to_toml
from mien.datasets.clips import clips_of
from mien.datasets.table import Table, digest
from mien.nets import build_trunk
from mien.nets.heads import MultiHead
from mien.runtime.card import AFFECT, VALENCE_AROUSAL
from mien.training.callbacks import EpochLog, StopAfter, WholeCheckpoints
from mien.training.config import TrainConfig, as_settings, load_config
from mien.training.data import Faces, Targets, choose_heads, expect_labels, faces_of, resolve_input, size_notes
from mien.training.diagnosis import diagnose
from mien.training.distill import Teacher, distilled, read_teachers, taught
from mien.training.logs import open_logs, require_logs
from mien.training.meeting import Meeting, met
from mien.training.memory import naming_what_fits, one_step
from mien.training.module import ExpressionModule, ended_early
from mien.training.norms import WholeBatchNorms
from mien.training.processes import Processes, expect_validation, interruptible, started
from mien.training.processes import expect as expect_processes
from mien.training.provenance import check_run, close_run, decisive, open_run, read_finished, read_versions
from mien.training.sampling import notes_on_data
from mien.training.streamed import notes_on_place, placed
from mien.training.teaching import Teaching, TeachingNet
from mien.training.transfer import freezes, prepare

LAST = Path("checkpoints") / "last.ckpt"
BEST = Path("checkpoints") / "best.ckpt"
AVERAGE = "average.module."  # stands before the names of the averaged weights in a checkpoint


@dataclass(frozen=True)
class Run:
    """A run folder and how far it has come.

    Attributes:
        folder: where it is. epochs: trained so far. finished: whether it needs no more.
        diagnosis: what its curves say, in words; empty while unfinished.
        notes: what of the pretrained weights was left out, and whether the faces are too small.
    """

    folder: Path
    epochs: int
    finished: bool
    diagnosis: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def fit(
    config: TrainConfig,
    table: Table,
    *,
    out: Path,
    lists: Mapping[str, str] | None = None,
    resume: bool = False,
    max_minutes: float | None = None,
    tell: Callable[[dict[str, Any]], None] = lambda row: None,
    note: Callable[[str], None] = lambda line: None,
    meeting: Meeting | None = None,
) -> Run:
    """Train on the table's `train` split, select the best epoch on its `valid` split.

    Under torchrun all processes call it; the first one alone reads and writes the run folder.

    Args:
        config: the settings; a resumed run must have those that it began with.
        table: faces and labels.
        out: run folder; new, or with `resume` the one to go on with.
        lists: name -> sha256 of the lists that the table was changed by, to be remembered.
        resume: go on after the last finished epoch.
        max_minutes: stop at the last epoch boundary before this time; resume later.
        tell: called with each epoch's row of `metrics.csv`.
        note: called with each of the notes before the first epoch, which may take its time.
        meeting: of the processes, where they have met already.

    Raises:
        OutputError: `out` holds a run already (and not `resume`), or cannot be written, or the disk is full.
        TrainingError: the loss is not finite, or the run to resume is not there, had other settings or data, or its
            checkpoint is damaged or of another net; or another process has failed.
        DataError: a split or label source is not there.
        UsageError: other processes run than the settings say. MissingExtraError: a log's package is not installed.
        KeyboardInterrupt: Ctrl-C or SIGTERM; what was trained up to the last epoch is kept.
    """
    expect_processes(config, started())
    with contextlib.nullcontext(meeting) if meeting else met(started(), timeout_s=config.timeout_s) as together:
        return _fit(config, table, out, lists or {}, resume, max_minutes, tell, note, together)


def _fit(
    config: TrainConfig,
    table: Table,
    out: Path,
    lists: Mapping[str, str],
    resume: bool,
    max_minutes: float | None,
    tell: Callable[[dict[str, Any]], None],
    note: Callable[[str], None],
    meeting: Meeting,
) -> Run:
    """See `fit`."""
    processes = meeting.processes
    expect_validation(processes, valid=int((table.split == "valid").sum()))
    require_logs(config)
    table = placed(table, config)
    config = resolve_input(config, table)
    if config.input.frames:
        clips_of(table, config.input.frames)  # of the whole, to see a clip that lies in two splits
    heads = choose_heads(table, config.heads)
    train = faces_of(table.of_split("train"), config, heads)
    valid = faces_of(table.of_split("valid"), config, heads)
    teachers = read_teachers(config, train.label_sets)
    teaching = _teaching(config, train.label_sets)
    expect_labels(train, "train", besides={head for each in teachers for head in each.heads})
    expect_labels(valid, "valid")
    _expect_alike(meeting, config, table)
    identity = {
        "config": to_toml(as_settings(config)),
        "data": meeting.of_first(table.digest),
        "labels": {head: list(labels) for head, labels in train.label_sets.items()},
        "lists": dict(lists),
    }
    begun = meeting.of_first(lambda: check_run(out, identity, resume=resume))
    if resume and (said := meeting.of_first(lambda: read_finished(out))) is not None:
        return Run(out, said["epochs"], True, tuple(said["diagnosis"]))
    device = choose_device(config.device)
    if config.threads and device == "cpu":
        torch.set_num_threads(config.threads)
    torch.manual_seed(config.seed)
    checkpoint = out / LAST if resume and meeting.of_first((out / LAST).exists) else None
    net = build_net(config, train.label_sets)
    notes = (
        *size_notes(table, config),
        *notes_on_place(table),
        *notes_on_data(train, batch=config.batch),
        *prepare(net, config, anew=checkpoint is None),
    )
    module = ExpressionModule(net, config, train, valid, teaching)
    done = 0 if checkpoint is None else meeting.of_first(lambda: _check_checkpoint(checkpoint, module))
    if processes.first and not begun:  # last, so that wrong settings leave no folder behind
        open_run(out, identity, _machine(config, device, net, processes))
    for line in notes if processes.first else ():
        note(line)
    module.faces["train"] = _distilled(module.faces["train"], table, teachers, config, out, meeting)
    meeting.gather(None)  # what is wrong so far is said before anybody waits for gradients
    with _open_logs(config, out, done, processes) as write:

        def on_epoch(row: dict[str, Any]) -> None:
            write(row)
            tell(row)

        with quiet():
            callbacks = _callbacks(out, on_epoch, max_minutes)
            trainer = _trainer(config, device, meeting, bf16=uses_bf16(config, device, net), callbacks=callbacks)
        _train(trainer, module, checkpoint)
    finished = len(module.history) >= config.epochs or ended_early(module.history, config)
    epochs, diagnosis = meeting.of_first(lambda: _close(out, finished=finished))
    return Run(out, epochs, finished, tuple(diagnosis), notes)


def _teaching(config: TrainConfig, label_sets: Mapping[str, LabelSet]) -> Teaching | None:
    """The nets of the runs that answer beside each step, if any do."""
    if not taught(config, "batches"):
        return None
    nets = []
    for each in map(Path, config.teachers):
        settings, net = load_run(each)
        theirs = label_sets_of(each)
        nets.append(TeachingNet.of(net, settings.input, theirs, student=config.input, wanted=label_sets))
    return Teaching(nets, weight=config.distill_weight, temperature=config.distill_temperature)


def _expect_alike(meeting: Meeting, config: TrainConfig, table: Table) -> None:
    """Check that all processes train one net on the same faces; pixels, which would take long, are not compared."""
    if meeting.processes.world > 1:
        packages = {f"version of {name}": metadata.version(name) for name in ("mien", "torch")}
        faces = digest(table, [], shape=table.images.shape)
        meeting.agree({**decisive(to_toml(as_settings(config))), "data": faces, **packages})


def _close(out: Path, *, finished: bool) -> tuple[int, tuple[str, ...]]:
    """How many epochs a run has, and what its curves say where it is through, which is written down then."""
    rows = read_epochs(out / "metrics.csv")
    if not finished:
        return len(rows), ()
    diagnosis = diagnose(rows)
    close_run(out, epochs=len(rows), diagnosis=diagnosis)
    return len(rows), diagnosis


def _distilled(
    faces: Faces, table: Table, teachers: Sequence[Teacher], config: TrainConfig, out: Path, meeting: Meeting
) -> Faces:
    """`distilled`, where the first process asks the teachers; the others get what it was told."""
    if not teachers or meeting.processes.world == 1:
        return distilled(faces, table.of_split("train"), teachers, config, out=out)
    told = None
    if meeting.processes.first:
        told = distilled(faces, table.of_split("train"), teachers, config, out=out).targets
    answers = meeting.hand_out(told and {head: vars(each) for head, each in told.items()})
    return replace(faces, targets={head: Targets(**each) for head, each in answers.items()})


def _machine(config: TrainConfig, device: str, net: nn.Module, processes: Processes) -> dict[str, Any]:
    """What decides the last digits of a result, beside versions."""
    return {
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "processes": processes.world,
        "threads": torch.get_num_threads(),
        "precision": "bf16" if uses_bf16(config, device, net) else "float32",
        "seed": config.seed,
    }


def _open_logs(
    config: TrainConfig, out: Path, done: int, processes: Processes
) -> contextlib.AbstractContextManager[Callable[[Mapping[str, Any]], None]]:
    return open_logs(config, out, epochs=done) if processes.first else contextlib.nullcontext(lambda row: None)


def _train(trainer: lightning.Trainer, module: ExpressionModule, checkpoint: Path | None) -> None:
    """Let Lightning train; Ctrl-C and SIGTERM end it with a KeyboardInterrupt, and leave the handlers as they were."""
    bf16 = trainer.precision == "bf16-mixed"
    fits = naming_what_fits(module.config.batch, one_step(module, trainer.strategy.root_device, bf16=bf16))
    with quiet(), interruptible(), fits:
        try:
            trainer.fit(module, ckpt_path=None if checkpoint is None else str(checkpoint), weights_only=True)
        except SystemExit:  # Lightning's answer to Ctrl-C
            raise KeyboardInterrupt from None
    if trainer.interrupted:
        raise KeyboardInterrupt


def _check_checkpoint(path: Path, module: ExpressionModule) -> int:
    """Whether a checkpoint is whole and of this net; returns how many epochs it has seen."""
    saved = _read_checkpoint(path)
    _expect_weights(path, saved["state_dict"], module.state_dict())
    return int(saved["epoch"]) + 1


def _read_checkpoint(path: Path) -> dict[str, Any]:
    try:
        saved: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        if not {"state_dict", "epoch"} <= saved.keys():
            raise ValueError("neither weights nor epoch in it")
    except Exception as error:  # torch raises what it likes for a damaged file
        reason = " ".join(str(error).split())[:120]
        raise TrainingError(
            f"expected a checkpoint at {path}, got a damaged file ({reason}): remove it, or train anew"
        ) from error
    return saved


def _expect_weights(path: Path, found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> None:
    """Check that a checkpoint holds the weights of this net, by name and shape."""
    shapes, others = ({name: tuple(each.shape) for name, each in part.items()} for part in (wanted, found))
    strange = [name for name in shapes | others if shapes.get(name) != others.get(name)]
    if strange:
        wants, has = (part.get(strange[0], "none") for part in (shapes, others))
        raise TrainingError(
            f"expected the weights of this net in {path}, got those of another: {len(strange)} differ, such as "
            f"{strange[0]}, {wants} here and {has} there"
        )


def _callbacks(out: Path, tell: Callable[[dict[str, Any]], None], max_minutes: float | None) -> list[Callback]:
    callbacks: list[Callback] = [
        EpochLog(out / "metrics.csv", tell),
        _checkpoint(out / BEST, monitor="selection", mode="max"),
        _checkpoint(out / LAST),
    ]
    return callbacks if max_minutes is None else [*callbacks, StopAfter(max_minutes)]


def _checkpoint(path: Path, **options: Any) -> ModelCheckpoint:
    """Keeps one file: that of the best epoch by the monitored figure, or of the last."""
    return ModelCheckpoint(
        dirpath=path.parent, filename=path.stem, enable_version_counter=False, save_on_train_epoch_end=True, **options
    )


def _trainer(
    config: TrainConfig,
    device: str,
    meeting: Meeting,
    *,
    bf16: bool,
    callbacks: list[Callback],
) -> lightning.Trainer:
    processes = meeting.processes
    several = processes.world > 1
    return lightning.Trainer(
        accelerator=device,
        devices=processes.local,
        num_nodes=processes.world // processes.local,
        strategy=_several(config, device, meeting) if several else "auto",
        # Said, not guessed: Lightning would take any cluster's variables for an order to start processes.
        plugins=[
            WholeCheckpoints(),
            TorchElasticEnvironment() if several else LightningEnvironment(),
            *([WholeBatchNorms(device)] if several and config.sync_batchnorm else []),
        ],
        max_epochs=config.epochs,
        accumulate_grad_batches=config.accumulate,
        precision="bf16-mixed" if bf16 else "32-true",
        benchmark=device == "cuda",  # sides of faces and of batches hardly change
        callbacks=callbacks,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        reload_dataloaders_every_n_epochs=1,
    )


class _MetDDP(DDPStrategy):
    """Lightning's DDP over the meeting of the processes."""

    meeting: Meeting

    def setup_distributed(self) -> None:
        """Open the way for gradients; Lightning takes the one that is open."""
        self.meeting.open_group(self._get_process_group_backend(), self.root_device)
        super().setup_distributed()


def _several(config: TrainConfig, device: str, meeting: Meeting) -> DDPStrategy:
    backend = "nccl" if device == "cuda" else "gloo"
    # What is frozen at first gets its gradients later: each step must see which parameters have any.
    strategy = _MetDDP(process_group_backend=backend, find_unused_parameters=freezes(config))
    strategy.meeting = meeting
    return strategy


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Lightning's notes and tips stay out of the way while it runs; its errors do not."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [each.level for each in loggers]
    for each in loggers:
        each.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        for each, level in zip(loggers, levels, strict=True):
            each.setLevel(level)


def build_net(config: TrainConfig, label_sets: Mapping[str, LabelSet]) -> MultiHead:
    """The net that the settings name, with a head for each label source."""
    trunk = build_trunk(
        config.net, in_channels=config.input.channels, size=config.input.size, options=config.net_options
    )
    outputs = {head: len(each) for head, each in label_sets.items()}
    if config.regress:
        outputs[VALENCE_AROUSAL] = len(AFFECT)
    return MultiHead(trunk, outputs, dropout=config.dropout)


def choose_device(device: str) -> str:
    """``auto`` -> ``cuda`` where there is a GPU, else ``cpu``.

    Raises:
        TrainingError: ``cuda`` was asked for and is not there.
    """
    available = torch.cuda.is_available()
    if device == "cuda" and not available:
        raise TrainingError("expected a CUDA GPU for device cuda, got none: use --device cpu or auto")
    return "cuda" if available and device != "cpu" else "cpu"


def uses_bf16(config: TrainConfig, device: str, net: nn.Module) -> bool:
    """Whether to train in bfloat16: as asked, or where the machine computes in it and it is faster.

    On processors without AMX the gradient of a convolution that sees one channel at a time is slow in bfloat16:
    EfficientNet-B0 of 96 px trains on 67 pictures a second in float32 and on 37 in bfloat16 (one thread of an AMD EPYC,
    Zen 4), plain nets on half as many in float32.
    """
    if config.precision != "auto":
        return config.precision == "bf16"
    if device == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    if torch.cpu._is_amx_tile_supported():
        return True
    return torch.cpu._is_avx512_bf16_supported() and not _is_depthwise(net)


def _is_depthwise(net: nn.Module) -> bool:
    return any(isinstance(each, nn.Conv2d) and 1 < each.groups == each.in_channels for each in net.modules())


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
    state = _read_checkpoint(checkpoint)["state_dict"]
    state = {key.removeprefix(AVERAGE): value for key, value in state.items() if key.startswith(AVERAGE)}
    _expect_weights(checkpoint, state, net.state_dict())
    net.load_state_dict(state)
    return config, net.eval()


def label_sets_of(run: Path) -> dict[str, LabelSet]:
    """The labels of each head of a run, in the order of its outputs."""
    heads: dict[str, list[str]] = read_versions(run)["labels"]
    return {head: LabelSet(head, tuple(labels)) for head, labels in heads.items()}
