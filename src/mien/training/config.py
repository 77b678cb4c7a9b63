"""The settings of a training: validated when made, resolved from preset, file and `--set`, saved beside the run."""

import dataclasses
import functools
import math
import tomllib
import types
import typing
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.core.toml import parse_setting, parse_toml
from mien.runtime.card import AFFECT, CropGeometry, InputSpec
from mien.runtime.session import DEVICES
from mien.training.augment import Augmentation
from mien.training.losses import CLASS_WEIGHTS, LOSSES
from mien.training.optimizers import LEARNING_RATES, OPTIMIZERS
from mien.training.sampling import SAMPLINGS
from mien.training.schedules import SCHEDULES
from mien.training.transfer import FREEZE

PRECISIONS = ("auto", "bf16", "float32")
LOGS = ("tensorboard", "mlflow")
NORMALISATIONS = ("", "unit", "symmetric", "dataset", "imagenet")
DISTILL_ON = ("faces", "batches")
SELECTIONS = ("accuracy", "macro_f1", "loss")
SEEDS = 1 << 32  # times what else chance depends on, they must fit into 64 bits
# Settings that count with some choices only: key -> (the choice, with which of its values).
ONLY_WITH = {
    "momentum": ("optimizer", ("sgd", "rmsprop", "muon")),
    "betas": ("optimizer", ("adam", "adamw", "muon")),
    "focal_gamma": ("loss", ("focal",)),
    "effective_beta": ("class_weights", ("effective",)),
    "decay_by": ("schedule", ("step", "plateau")),
    "decay_every": ("schedule", ("step",)),
    "plateau_patience": ("schedule", ("plateau",)),
}
FER2013_INPUT = InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,))
PRESETS = resources.files("mien.training") / "presets"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training.

    Attributes:
        name: what the exported model is called. about: its `title`, `license` and `data`, as the card states them.
        net: a name in `mien.nets.NETS`. net_options: its arguments.
        input: what the model sees. crop: how a detected face is cut for it. Both go into the card.
        normalise: unit (0..1), symmetric (-1..1), dataset (mean and deviation of the training faces) or imagenet (those
            of ImageNet): decides `input.mean` and `input.std` when a training begins; "" leaves them as they are.
        heads: label sources to learn; all that the data have if empty.
        soft: learn vote distributions where the data have them.

        epochs, batch, seed: of the run.
        accumulate: batches whose gradients make one step.
        sampling: which faces an epoch draws: each once (as-is), or, by the labels of the first head, each class as
            often as any other (balanced) or by the root of its count (sqrt).

        loss: cross-entropy, focal or kl. focal_gamma: how little faces that are sure already count.
        label_smoothing, dropout: 0 to switch off.
        class_weights: none; balanced or effective: rare classes weigh more. effective_beta: how much so.
        head_weights: of the heads' losses in their sum; 1 where none is given.
        regress: ["valence", "arousal"]: learn these columns, too, as the head `valence_arousal`.
        teachers: finished runs or exported models whose mean answer is learnt, too; see `distill`. distill_weight: its
            share of the targets. distill_temperature: above 1 their answers are softer. distill_on: they answer once
            for each of the faces, or beside each step for its batches, as the student sees them.

        optimizer: sgd (with Nesterov's step), adam, adamw, rmsprop or muon. momentum: of sgd, rmsprop and muon. betas:
            of adam, adamw and muon's norms and biases. weight_decay: L2 on weights, not on norms and biases.
        sam: how far sharpness-aware steps look around, 0 to switch off. clip: largest length of the gradient, 0: any.
        learning_rate: the peak of the schedule; 0: what suits the optimiser.
        schedule: one-cycle, cosine, step, plateau or constant. warmup: share of all steps in which the rate rises.
        decay_by: factor of a cut; decay_every: epochs from cut to cut (step); plateau_patience: epochs without a
            better figure before a cut (plateau).

        weights: pretrained weights that the net begins with: imagenet (timm's own), a file, a folder, or a run.
        freeze: what of the net, heads apart, stays as it is at first: none of it, the whole trunk, or all but its last
            stages (their number). unfreeze_every: epochs after which one more stage learns, from the last on; 0: never.
        layer_decay: factor of the learning rate from each stage of the net to the one before it.

        ema: decay a step of the averaged weights, which are what is validated and exported; 0: the weights themselves.
        select: what makes an epoch the best one on the valid split: accuracy or macro_f1 (mean over the heads), loss.
        patience: epochs without a better one after which the training ends; 0: none.
        compile: let torch.compile make the net faster.

        start_size: side in pixels at which the first epochs train; it grows to the input's over `grow` of the run.
        augment: see `Augmentation`.

        precision: auto is bf16 where the machine computes in it and that is faster for the net.
        device: auto, cpu or cuda. threads: of torch on the CPU; 0: as many as torch takes.
        resident: whether faces are in memory, true or false; auto: where they are few enough, see `training.streamed`.
        devices: processes a machine, nodes: machines, that torchrun has to start; 0: as many as it starts.
        timeout_s: how long several processes wait for one that does not answer. sync_batchnorm: batch norms see the
            whole batch, and not each the share of its own process.

        valid_share: of the faces a fold trains on, how many select its epoch.
        log: where epochs are written beside `metrics.csv`: tensorboard, mlflow.
    """

    # The model
    name: str = "model"
    about: Mapping[str, str] = field(default_factory=dict)
    net: str = "resnet"
    net_options: Mapping[str, Any] = field(default_factory=dict)
    input: InputSpec = FER2013_INPUT
    normalise: str = ""
    crop: CropGeometry = field(default_factory=CropGeometry)
    heads: Sequence[str] = ()
    soft: bool = True

    # Length, and the faces of each step
    epochs: int = 30
    batch: int = 128
    seed: int = 0
    accumulate: int = 1
    sampling: str = "as-is"

    # What is minimised
    loss: str = "cross-entropy"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.1
    dropout: float = 0.2
    class_weights: str = "none"
    effective_beta: float = 0.999
    head_weights: Mapping[str, float] = field(default_factory=dict)
    regress: Sequence[str] = ()
    teachers: Sequence[str] = ()
    distill_weight: float = 0.7
    distill_temperature: float = 1.0
    distill_on: str = "faces"

    # How
    optimizer: str = "sgd"
    momentum: float = 0.9
    betas: Sequence[float] = (0.9, 0.999)
    weight_decay: float = 5e-4
    sam: float = 0.0
    clip: float = 0.0
    learning_rate: float = 0.0
    schedule: str = "one-cycle"
    warmup: float = 0.2
    decay_by: float = 0.1
    decay_every: int = 10
    plateau_patience: int = 5

    # What was learnt before
    weights: str = ""
    freeze: int | str = "none"
    unfreeze_every: int = 0
    layer_decay: float = 1.0

    # What is kept of it
    ema: float = 0.999
    select: str = "accuracy"
    patience: int = 0
    compile: bool = False

    # How faces are changed
    start_size: int = 48
    grow: float = 0.65
    augment: Augmentation = field(default_factory=Augmentation)

    # What it runs on
    precision: str = "auto"
    device: str = "auto"
    threads: int = 0
    resident: bool | str = "auto"
    devices: int = 0
    nodes: int = 0
    timeout_s: float = 600.0
    sync_batchnorm: bool = False

    # Folds and logs
    valid_share: float = 0.1
    log: Sequence[str] = ()

    def __post_init__(self) -> None:
        for key, known in self._choices().items():
            if getattr(self, key) not in known:
                raise UsageError(unknown(key, str(getattr(self, key)), [str(each) for each in known if each != ""]))
        if self.learning_rate == 0:
            object.__setattr__(self, "learning_rate", LEARNING_RATES[self.optimizer])
        self._check_numbers()
        self._expect(self.name.strip() != "", "a name", self.name)
        self._expect(0 <= self.seed < SEEDS, f"seed in 0..{SEEDS - 1}", self.seed)
        self._expect(8 <= self.start_size <= self.input.size, f"start_size in 8..{self.input.size}", self.start_size)
        self._expect(set(self.log) <= set(LOGS), f"log out of {', '.join(LOGS)}", self.log)
        self._expect(tuple(self.regress) in ((), AFFECT), f"regress empty or {list(AFFECT)}", self.regress)
        good = len(self.betas) == 2 and all(_is_number(each) and 0 <= each < 1 for each in self.betas)
        self._expect(good, "betas of two numbers in 0..1 (1 excluded)", self.betas)
        for head, weight in self.head_weights.items():
            self._expect(_is_number(weight) and weight >= 0, f"head_weights.{head} of 0 or more", weight)
        named = self.freeze in FREEZE if isinstance(self.freeze, str) else self.freeze >= 0
        self._expect(named, f"freeze out of {', '.join(FREEZE)}, or a number of stages", self.freeze)
        self._expect_used()

    @staticmethod
    def _choices() -> dict[str, Collection[str | bool]]:
        return {
            "normalise": NORMALISATIONS,
            "sampling": SAMPLINGS,
            "loss": tuple(LOSSES),
            "class_weights": CLASS_WEIGHTS,
            "distill_on": DISTILL_ON,
            "optimizer": tuple(OPTIMIZERS),
            "schedule": tuple(SCHEDULES),
            "select": SELECTIONS,
            "precision": PRECISIONS,
            "device": DEVICES,
            "resident": (True, False, "auto"),
        }

    def _check_numbers(self) -> None:
        for key in ("epochs", "batch", "accumulate", "decay_every", "plateau_patience"):
            self._expect(getattr(self, key) >= 1, f"{key} of 1 or more", getattr(self, key))
        for key in ("warmup", "label_smoothing", "dropout", "ema", "momentum"):
            self._expect(0 <= getattr(self, key) < 1, f"{key} in 0..1 (1 excluded)", getattr(self, key))
        for key in ("weight_decay", "sam", "clip", "focal_gamma"):
            self._expect(0 <= getattr(self, key) < math.inf, f"{key} of 0 or more", getattr(self, key))
        for key in ("patience", "threads", "devices", "nodes", "unfreeze_every"):
            self._expect(getattr(self, key) >= 0, f"{key} of 0 or more", getattr(self, key))
        for key in ("decay_by", "effective_beta", "valid_share"):
            self._expect(0 < getattr(self, key) < 1, f"{key} in 0..1 (both excluded)", getattr(self, key))
        self._expect(1 <= self.timeout_s <= 86_400, "timeout_s in 1..86400", self.timeout_s)
        self._expect(0 < self.learning_rate < math.inf, "learning_rate above 0", self.learning_rate)
        self._expect(0 < self.grow <= 1, "grow in 0..1", self.grow)
        self._expect(0 < self.layer_decay <= 1, "layer_decay in 0..1 (0 excluded)", self.layer_decay)
        self._expect(0 <= self.distill_weight <= 1, "distill_weight in 0..1", self.distill_weight)
        good = 0.01 <= self.distill_temperature <= 100
        self._expect(good, "distill_temperature in 0.01..100", self.distill_temperature)

    def _expect_used(self) -> None:
        """A setting that nothing looks at is a mistake, unless it is the default."""
        defaults = {each.name: each.default for each in dataclasses.fields(self)}
        if self.freeze == "none" and self.unfreeze_every:
            raise UsageError(f"expected freeze with unfreeze_every={self.unfreeze_every}, got none: leave it out")
        for key, (choice, users) in ONLY_WITH.items():
            chosen = getattr(self, choice)
            if chosen not in users and getattr(self, key) != defaults[key]:
                raise UsageError(f"expected {key} with {choice} {' or '.join(users)} only, got {chosen}: leave it out")

    @staticmethod
    def _expect(holds: bool, what: str, got: object) -> None:
        if not holds:
            raise UsageError(f"expected {what} in the training settings, got {got!r}")


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def size_in_epoch(config: TrainConfig, epoch: int) -> int:
    """Side in pixels at which an epoch trains: a multiple of 8 that grows from `start_size` to the input's.

    Nets halve the side, some of them three times: other sides leave maps that processors are slow with.
    """
    full = config.input.size
    grown = config.start_size + (full - config.start_size) * epoch / config.epochs / config.grow
    return min(full, max(config.start_size, int(grown) // 8 * 8))


def load_config(*, preset: str | None = None, file: Path | None = None, changes: Sequence[str] = ()) -> TrainConfig:
    """Resolve settings: defaults, then preset, then file, then changes such as ``"augment.rotation=20"``.

    Options belong to the net that they were given for: where the file or the changes name another net than what came
    before, the options that came before are left out.

    Raises:
        UsageError: an unknown preset or key, a value of another type or out of range, an unreadable file.
    """
    layers: list[dict[str, Any]] = []
    if preset is not None:
        layers.append(parse_toml(_preset_text(preset)))
    if file is not None:
        layers.append(_read_toml(file))
    layers.append(functools.reduce(merge, map(_parse_change, changes), {}))
    config: TrainConfig = build(TrainConfig, functools.reduce(_over, layers, {}))
    return config


def _over(settings: Mapping[str, Any], layer: Mapping[str, Any]) -> Mapping[str, Any]:
    """A layer over those before it."""
    if "net" in settings and layer.get("net", settings["net"]) != settings["net"]:
        settings = {key: value for key, value in settings.items() if key != "net_options"}
    return merge(settings, layer)


def preset_names() -> list[str]:
    """Names that `--preset` takes."""
    return sorted(each.name.removesuffix(".toml") for each in PRESETS.iterdir() if each.name.endswith(".toml"))


def _preset_text(name: str) -> str:
    if name not in preset_names():
        raise UsageError(unknown("preset", name, preset_names()))
    return (PRESETS / f"{name}.toml").read_text("utf-8")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return parse_toml(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"expected training settings in {path}, got: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"expected TOML in {path}, got: {error}") from error


def _parse_change(change: str) -> dict[str, Any]:
    """``"augment.flip=0"`` -> {"augment": {"flip": 0}}."""
    return nested(*parse_setting(change))


def nested(key: str, value: Any) -> dict[str, Any]:
    """A setting under a dotted name as nested tables: ``nested("augment.flip", 0)`` -> {"augment": {"flip": 0}}."""
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings over others: tables are joined, all else is replaced."""
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = merge(merged[key], value) if both else value
    return merged


def build(kind: type[Any], settings: Mapping[str, Any], prefix: str = "") -> Any:
    """Make a config dataclass out of nested plain values; unknown keys and wrong types raise UsageError."""
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = {}
    for key, value in settings.items():
        if key not in hints:
            raise UsageError(unknown("training setting", prefix + key, [prefix + name for name in hints]))
        values[key] = _typed(hints[key], value, prefix + key)
    # An input has no size of its own accord elsewhere; here it is that of FER2013.
    defaults = dataclasses.asdict(FER2013_INPUT) if kind is InputSpec else {}
    if defaults and values.get("color") == "rgb":
        defaults |= {"mean": FER2013_INPUT.mean * 3, "std": FER2013_INPUT.std * 3}
    return kind(**(defaults | values))


def _typed(hint: Any, value: Any, key: str) -> Any:
    if isinstance(hint, types.UnionType):
        kinds = typing.get_args(hint)
        if type(value) not in kinds:
            raise UsageError(f"expected {' or '.join(each.__name__ for each in kinds)} as {key}, got {value!r}")
        return value
    kind = typing.get_origin(hint) or hint
    if kind in (tuple, Sequence):
        values = tuple(value) if isinstance(value, list | tuple) else (value,)
        return _texts(values, key) if str in typing.get_args(hint) else values
    if kind is Mapping or dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"expected a table of settings as {key}, got {value!r}")
        if kind is not Mapping:
            return build(typing.cast(type[Any], kind), value, f"{key}.")
        if typing.get_args(hint)[1] is str:
            for name, each in value.items():
                _texts((each,), f"{key}.{name}")
        return dict(value)
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"expected {kind.__name__} as {key}, got {value!r}")
    return value


def _texts(values: tuple[Any, ...], key: str) -> tuple[str, ...]:
    for each in values:
        if not isinstance(each, str):
            raise UsageError(f"expected text as {key}, got {each!r}")
    return values


def as_settings(config: TrainConfig) -> dict[str, Any]:
    """Nested plain values, from which `build` makes the same config again."""
    return dataclasses.asdict(config)
