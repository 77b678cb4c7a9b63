"""The model card: what a weight file takes, gives, is made of and is worth, as TOML beside it."""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.core.errors import DataError, ModelError, UsageError
from mien.core.labels import SPELLINGS, LabelSet
from mien.core.registry import unknown
from mien.core.toml import parse_toml, to_toml

COLORS = {"gray": 1, "rgb": 3}
IMAGE, CLIP = "image", "clip"  # what the inputs of a net of clips are called
AFFECT = ("valence", "arousal")  # columns of a table, -1..1, and of the output of a net that has learnt them
VALENCE_AROUSAL = "valence_arousal"  # that head, and its output


@dataclass(frozen=True)
class InputSpec:
    """What the net sees: faces of `size` pixels a side, as (x / 255 - mean) / std for each channel.

    `frames` of each clip; 0 for a net that sees single pictures.
    """

    size: int
    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]
    frames: int = 0

    def __post_init__(self) -> None:
        _expect(_is_whole(self.size) and 1 <= self.size <= 4096, "input.size in 1..4096", self.size)
        _expect(_is_whole(self.frames) and 0 <= self.frames <= 1024, "input.frames in 0..1024", self.frames)
        _expect(self.color in COLORS, f"input.color out of {', '.join(COLORS)}", self.color)
        for name in ("mean", "std"):
            values = getattr(self, name)
            fits = isinstance(values, list | tuple) and len(values) == self.channels and all(map(_is_number, values))
            _expect(fits, f"{self.channels} finite number(s), one a channel, in input.{name}", values)
            object.__setattr__(self, name, tuple(map(float, values)))
        _expect(min(self.std) > 0, "input.std above 0", self.std)

    @property
    def channels(self) -> int:
        """1 for grey, 3 for colour."""
        return COLORS[self.color]


@dataclass(frozen=True)
class CropGeometry:
    """How a face is cut out of its photograph.

    A square about the centre of the box, in MTCNN's convention. Its side is `scale` times the box's longer side; its
    centre moves by `shift_x` and `shift_y` longer sides (right and down are positive, along the face's own axes when
    aligned). `align` turns it so that the eyes are level.
    """

    scale: float = 0.9
    shift_x: float = 0.0
    shift_y: float = 0.0
    align: bool = False

    def __post_init__(self) -> None:
        for name in ("scale", "shift_x", "shift_y"):
            value = getattr(self, name)
            _expect(_is_number(value), f"a number as crop.{name}", value)
            object.__setattr__(self, name, float(value))
            _expect(abs(value) <= 10, f"crop.{name} in -10..10", value)
        _expect(0 < self.scale <= 10, "crop.scale in 0..10", self.scale)
        _expect(isinstance(self.align, bool), "true or false as crop.align", self.align)


@dataclass(frozen=True)
class Head:
    """One classifier of the net: its labels, the output that holds its probabilities, and their temperature.

    Other spellings of the canonical emotions, such as "angry", become the canonical ones.
    """

    label_set: LabelSet
    output: str
    temperature: float = 1.0

    def __post_init__(self) -> None:
        good = _is_number(self.temperature) and 0.01 <= self.temperature <= 100
        _expect(good, f"a temperature in 0.01..100 for head {self.label_set.name}", self.temperature)
        object.__setattr__(self, "temperature", float(self.temperature))
        labels = tuple(SPELLINGS.get(each.strip().lower(), each) for each in self.label_set.labels)
        object.__setattr__(self, "label_set", LabelSet(self.label_set.name, labels))


@dataclass(frozen=True)
class WeightFile:
    """A weight file beside the card: name, sha256 of its bytes (hexadecimal), and how many they are (0: not stated)."""

    file: str
    sha256: str
    bytes: int = 0

    def __post_init__(self) -> None:
        # A card must not reach out of its folder, whatever the system calls a folder or a drive.
        plain = not set(self.file) & set("/\\:\0") and self.file not in ("", ".", "..")
        _expect(plain, "the name of a file beside the card", self.file)
        good = len(self.sha256) == 64 and not set(self.sha256) - set("0123456789abcdef")
        _expect(good, f"64 hexadecimal digits as sha256 of {self.file}", self.sha256)


@dataclass(frozen=True)
class Figure:
    """A measured figure: `metric` of a head on a split of a data set, n faces, with its 95 % interval.

    `rule` says how labels and faces were chosen; `file` which weight file was measured ("" : the default one).
    """

    data: str
    split: str
    head: str
    n: int
    metric: str
    value: float
    low: float = math.nan
    high: float = math.nan
    rule: str = ""
    file: str = ""

    def __post_init__(self) -> None:
        _expect(_is_whole(self.n) and self.n >= 1, "figures.n of 1 or more", self.n)
        _expect(_is_number(self.value), "a finite number as figures.value", self.value)
        for name in ("value", "low", "high"):
            value = float(getattr(self, name))
            object.__setattr__(self, name, math.nan if math.isnan(value) else value)  # one NaN: it equals itself
        ordered = not (self.low > self.value or self.value > self.high)
        _expect(ordered, "figures.value between figures.low and figures.high", (self.low, self.value, self.high))


@dataclass(frozen=True)
class RobustnessCell:
    """What is left of a head's accuracy where faces are changed: one corruption at one strength.

    `relative` is `accuracy` as a share of that on the faces as they are. Names and strengths are those of
    `mien.core.corruptions`.
    """

    corruption: str
    strength: float
    accuracy: float
    relative: float
    head: str = ""

    def __post_init__(self) -> None:
        for name in ("strength", "accuracy", "relative"):
            value = getattr(self, name)
            _expect(_is_number(value), f"a finite number as robustness.{name}", value)
            object.__setattr__(self, name, float(value))
        _expect(0 <= self.accuracy <= 1, "robustness.accuracy in 0..1", self.accuracy)
        _expect(self.relative >= 0, "robustness.relative of 0 or more", self.relative)


@dataclass(frozen=True)
class Card:
    """All that is known of a model.

    Attributes:
        name, title, version, license: of the model. data: what it learnt from, and that data's licence.
        input, crop: preprocessing, decided here and nowhere else.
        heads: by name; default_head: the one that is used if none is named.
        features: output with the last feature map (N, F, h, w), or "" if there is none.
        files: variants of the weights by name (float16, int8, ...); default_file: the one that is used.
        parameters, macs: trained values, and multiply-accumulates a face. figures: measured.
        robustness: what is left of the accuracy where faces are changed, a cell a corruption and strength.
        train: facts of the training, such as the command that repeats it.
    """

    name: str
    input: InputSpec
    heads: Mapping[str, Head]
    default_head: str
    files: Mapping[str, WeightFile]
    default_file: str
    crop: CropGeometry = field(default_factory=CropGeometry)
    title: str = ""
    version: str = "1"
    license: str = ""
    data: str = ""
    features: str = ""
    parameters: int = 0
    macs: int = 0
    figures: tuple[Figure, ...] = ()
    robustness: tuple[RobustnessCell, ...] = ()
    train: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _expect(bool(self.name.strip()), "a name", self.name)
        _expect(bool(self.heads), "at least one head", "none")
        _expect(self.default_head in self.heads, f"default_head out of {', '.join(self.heads)}", self.default_head)
        _expect(bool(self.files), "at least one weight file", "none")
        _expect(self.default_file in self.files, f"default_file out of {', '.join(self.files)}", self.default_file)
        for name in ("parameters", "macs"):
            value = getattr(self, name)
            _expect(_is_whole(value) and value >= 0, f"{name} of 0 or more", value)
        for key, value in self.train.items():
            _expect(isinstance(value, str | int | float), f"text, number or truth value as train.{key}", value)

    @classmethod
    def load(cls, path: str | Path) -> "Card":
        """Read a card.

        Raises:
            ModelError: no such file, no TOML, or a key that is missing, unknown or wrong (file and key are named).
        """
        try:
            text = Path(path).read_text("utf-8")
        except FileNotFoundError:
            raise ModelError(f"expected a model card at {path}, got no such file") from None
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"expected a model card at {path}, got: {error}") from error
        return cls.parse(text, name=str(path))

    @classmethod
    def parse(cls, text: str, *, name: str = "the given text") -> "Card":
        """Read a card from TOML text; see `load`. `name` stands for it in an error's message."""
        try:
            return _card(parse_toml(text))
        except tomllib.TOMLDecodeError as error:
            raise ModelError(f"expected TOML in the model card {name}, got: {error}") from error
        except (ModelError, DataError) as error:
            raise ModelError(f"{error}, in the model card {name}") from error
        except (TypeError, ValueError, AttributeError, OverflowError, RecursionError) as error:
            raise ModelError(f"expected the form of a model card in {name}, got: {error}") from error

    def head(self, name: str | None = None) -> Head:
        """One of the heads, the default one if none is named; an unknown name raises UsageError."""
        name = name or self.default_head
        if name not in self.heads:
            raise UsageError(unknown(f"head of {self.name}", name, list(self.heads)))
        return self.heads[name]

    def dump(self) -> str:
        """The card as TOML, such that `Card.parse(card.dump()) == card`."""
        plain = dataclasses.asdict(self)
        heads = {
            name: ({} if head.label_set.name == name else {"label_set": head.label_set.name})
            | {"labels": head.label_set.labels, "output": head.output, "temperature": head.temperature}
            for name, head in self.heads.items()
        }
        known = [{key: value for key, value in each.items() if value == value} for each in plain["figures"]]  # no NaN
        return to_toml({"format": 1, **plain, "heads": heads, "figures": known})

    def describe(self) -> list[tuple[str, str]]:
        """Rows of a name and a value each, for a person to read."""
        rows = [(key, str(getattr(self, key))) for key in ("name", "title", "version", "license", "data")]
        spec, crop = self.input, self.crop
        rows += [
            ("input", (f"{spec.frames} frames of " if spec.frames else "")
             + f"{spec.size}x{spec.size} {spec.color}, mean {_listed(spec.mean)}, std {_listed(spec.std)}"),
            ("crop", f"{crop.scale:g} of the longer side, shift {crop.shift_x:g} {crop.shift_y:g}"
             + (", eyes level" if crop.align else "")),
            ("size", f"{self.parameters:,} parameters, {self.macs:,} multiply-accumulates a face"),
        ]  # fmt: skip
        rows += [
            (f"head {name}" + (" (default)" if name == self.default_head else ""),
             f"{', '.join(head.label_set)}; temperature {head.temperature:.3f}")
            for name, head in self.heads.items()
        ]  # fmt: skip
        rows += [
            (f"file {name}" + (" (default)" if name == self.default_file else ""), f"{each.file}, {each.bytes:,} bytes")
            for name, each in self.files.items()
        ]
        rows += [(f"{each.data} {each.split}, head {each.head}", _figure_text(each)) for each in self.figures]
        rows += [(f"robustness, {head}" if head else "robustness", text) for head, text in self._robustness()]
        rows += [(key, str(value)) for key, value in self.train.items()]
        return [(key, value) for key, value in rows if value]

    def _robustness(self) -> list[tuple[str, str]]:
        """For each head, its mean and its lowest cell in words."""
        found = []
        for head in dict.fromkeys(each.head for each in self.robustness):
            cells = [each for each in self.robustness if each.head == head]
            mean, low = sum(each.relative for each in cells) / len(cells), min(cells, key=lambda each: each.relative)
            text = f"{mean:.1%} of the accuracy on average over {len(cells)} ways in which faces were changed"
            found.append((head, f"{text}, {low.relative:.1%} at {low.corruption} {low.strength:g}"))
        return found


def _figure_text(figure: Figure) -> str:
    text = f"{figure.metric} {figure.value:.4f}"
    if math.isfinite(figure.low):
        text += f" (95 % interval {figure.low:.4f} to {figure.high:.4f})"
    rest = ", ".join(each for each in (f"n = {figure.n:,}", figure.rule, figure.file) if each)
    return f"{text}, {rest}"


def _expect(holds: bool, what: str, got: object) -> None:
    if not holds:
        raise ModelError(f"expected {what}, got {got!r}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _card(raw: dict[str, Any]) -> Card:
    raw = dict(raw)
    version = raw.pop("format", None)
    _expect(version == 1, "format = 1", version)
    heads = _table(raw, "heads")
    for key in ("figures", "robustness"):
        _expect(isinstance(raw.get(key, []), list), f"{key} as [[{key}]]", raw.get(key))
    card: Card = _made(
        Card,
        "",
        raw
        | {
            "input": _made(InputSpec, "input.", _table(raw, "input")),
            "crop": _made(CropGeometry, "crop.", raw.get("crop", {})),
            "heads": {name: _head(name, _table(heads, name)) for name in heads},
            "files": {name: _made(WeightFile, f"files.{name}.", entry) for name, entry in _table(raw, "files").items()},
            "figures": tuple(_made(Figure, "figures.", each) for each in raw.get("figures", ())),
            "robustness": tuple(_made(RobustnessCell, "robustness.", each) for each in raw.get("robustness", ())),
            "train": _table(raw, "train") if "train" in raw else {},
        },
    )
    return card


def _head(name: str, entry: Mapping[str, Any]) -> Head:
    values = dict(entry)
    labels, label_set = values.pop("labels", None), values.pop("label_set", name)
    named = isinstance(labels, list) and bool(labels) and all(isinstance(each, str) and each for each in labels)
    _expect(named, f"names as heads.{name}.labels", labels)
    _expect(isinstance(label_set, str), f"a name as heads.{name}.label_set", label_set)
    try:
        values["label_set"] = LabelSet(label_set, tuple(labels or ()))
        head: Head = _made(Head, f"heads.{name}.", values)
    except DataError as error:
        raise ModelError(f"{error}, under heads.{name}") from None
    return head


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    _expect(isinstance(value, Mapping), f"a table [{key}]", value)
    return value  # type: ignore[return-value]


def _made(kind: Any, prefix: str, values: Mapping[str, Any]) -> Any:
    """Make a dataclass out of a TOML table: keys checked by name, plain values by type."""
    _expect(isinstance(values, Mapping), f"a table [{prefix.rstrip('.')}]", values)
    fields = {each.name: each for each in dataclasses.fields(kind)}
    strange = sorted(set(values) - set(fields))
    _expect(not strange, f"keys out of {', '.join(prefix + name for name in fields)}", ", ".join(strange))
    for name, each in fields.items():
        needed = each.default is dataclasses.MISSING and each.default_factory is dataclasses.MISSING
        _expect(name in values or not needed, f"the key {prefix}{name}", "none")
        if name in values and each.type in (str, int, float):
            kinds = (int, float) if each.type is float else (each.type,)
            good = isinstance(values[name], kinds) and not isinstance(values[name], bool)
            _expect(good, f"{each.type.__name__} as {prefix}{name}", values[name])
    return kind(**values)


def _listed(values: tuple[float, ...]) -> str:
    return " ".join(f"{each:g}" for each in values)
