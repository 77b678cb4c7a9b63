"""The settings of a training: validated when made, resolved from preset, file and `--set`, saved beside the run."""

import dataclasses
import tomllib
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.core.toml import parse_setting
from mien.runtime.card import CropGeometry, InputSpec
from mien.runtime.session import DEVICES
from mien.training.augment import Augmentation

PRECISIONS = ("auto", "bf16", "float32")
FER2013_INPUT = InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,))
PRESETS = resources.files("mien.training") / "presets"


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """Everything that decides a training.

    Attributes:
        name: what the exported model is called. about: its `title`, `license` and `data`, as the card states them.
        net: a name in `mien.nets.NETS`. net_options: its arguments.
        input: what the model sees. crop: how a detected face is cut for it. Both go into the card.
        heads: label sources to learn; all that the data have if empty.
        soft: learn vote distributions where the data have them.
        epochs, batch, seed: of the run.
        learning_rate: the peak of the schedule, reached after `warmup` (a share of all steps) and followed by a half
            cosine to 0.
        momentum: of SGD with Nesterov's step. weight_decay: L2 on weights, not on norms and biases.
        label_smoothing, dropout: 0 to switch off.
        ema: decay a step of the averaged weights, which are what is validated and exported.
        start_size: side in pixels at which the first epochs train; it grows to the input's over `grow` of the run.
        augment: see `Augmentation`.
        precision: auto is bf16 where the processor computes in it.
        device: auto, cpu or cuda. threads: of torch on the CPU; 0: as many as torch takes.
    """

    name: str = "model"
    about: Mapping[str, str] = field(default_factory=dict)
    net: str = "resnet"
    net_options: Mapping[str, Any] = field(default_factory=dict)
    input: InputSpec = FER2013_INPUT
    crop: CropGeometry = field(default_factory=CropGeometry)
    heads: Sequence[str] = ()
    soft: bool = True

    epochs: int = 30
    batch: int = 128
    seed: int = 0
    learning_rate: float = 0.15
    warmup: float = 0.2
    momentum: float = 0.9
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    dropout: float = 0.2
    ema: float = 0.999

    start_size: int = 48
    grow: float = 0.65
    augment: Augmentation = field(default_factory=Augmentation)

    precision: str = "auto"
    device: str = "auto"
    threads: int = 0

    def __post_init__(self) -> None:
        for key in ("epochs", "batch"):
            self._expect(getattr(self, key) >= 1, f"{key} of 1 or more", getattr(self, key))
        for key in ("warmup", "label_smoothing", "dropout", "ema", "momentum"):
            self._expect(0 <= getattr(self, key) < 1, f"{key} in 0..1 (1 excluded)", getattr(self, key))
        self._expect(self.learning_rate > 0, "learning_rate above 0", self.learning_rate)
        self._expect(self.weight_decay >= 0, "weight_decay of 0 or more", self.weight_decay)
        self._expect(0 < self.grow <= 1, "grow in 0..1", self.grow)
        self._expect(8 <= self.start_size <= self.input.size, f"start_size in 8..{self.input.size}", self.start_size)
        self._expect(self.precision in PRECISIONS, f"precision out of {', '.join(PRECISIONS)}", self.precision)
        self._expect(self.device in DEVICES, f"device out of {', '.join(DEVICES)}", self.device)
        self._expect(self.threads >= 0, "threads of 0 or more", self.threads)

    @staticmethod
    def _expect(holds: bool, what: str, got: object) -> None:
        if not holds:
            raise UsageError(f"expected {what} in the training settings, got {got!r}")


def size_in_epoch(config: TrainConfig, epoch: int) -> int:
    """Side in pixels at which an epoch trains: a multiple of 4 that grows from `start_size` to the input's."""
    full = config.input.size
    grown = config.start_size + (full - config.start_size) * epoch / config.epochs / config.grow
    return min(full, max(config.start_size, int(grown) // 4 * 4))


def load_config(*, preset: str | None = None, file: Path | None = None, changes: Sequence[str] = ()) -> TrainConfig:
    """Resolve settings: defaults, then preset, then file, then changes such as ``"augment.rotation=20"``.

    Raises:
        UsageError: an unknown preset or key, a value of another type or out of range, an unreadable file.
    """
    settings: dict[str, Any] = {}
    if preset is not None:
        settings = _merge(settings, tomllib.loads(_preset_text(preset)))
    if file is not None:
        settings = _merge(settings, _read_toml(file))
    for change in changes:
        settings = _merge(settings, _parse_change(change))
    config: TrainConfig = build(TrainConfig, settings)
    return config


def preset_names() -> list[str]:
    """Names that `--preset` takes."""
    return sorted(each.name.removesuffix(".toml") for each in PRESETS.iterdir() if each.name.endswith(".toml"))


def _preset_text(name: str) -> str:
    if name not in preset_names():
        raise UsageError(unknown("preset", name, preset_names()))
    return (PRESETS / f"{name}.toml").read_text("utf-8")


def _read_toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"expected training settings in {path}, got: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"expected TOML in {path}, got: {error}") from error


def _parse_change(change: str) -> dict[str, Any]:
    """``"augment.flip=0"`` -> {"augment": {"flip": 0}}."""
    key, value = parse_setting(change)
    for part in reversed(key.split(".")):
        value = {part: value}
    return typing.cast(dict[str, Any], value)


def _merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in over.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merge(merged[key], value) if both else value
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
    return kind(**(defaults | values))


def _typed(hint: Any, value: Any, key: str) -> Any:
    kind = typing.get_origin(hint) or hint
    if kind in (tuple, Sequence):
        return tuple(value) if isinstance(value, list | tuple) else (value,)
    if kind is Mapping or dataclasses.is_dataclass(kind):
        if not isinstance(value, Mapping):
            raise UsageError(f"expected a table of settings as {key}, got {value!r}")
        return dict(value) if kind is Mapping else build(typing.cast(type[Any], kind), value, f"{key}.")
    if kind is float and type(value) is int:
        return float(value)
    if type(value) is not kind:
        raise UsageError(f"expected {kind.__name__} as {key}, got {value!r}")
    return value


def as_settings(config: TrainConfig) -> dict[str, Any]:
    """Nested plain values, from which `build` makes the same config again."""
    return dataclasses.asdict(config)
