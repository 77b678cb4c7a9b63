"""The model card: what a weight file takes, gives, is made of and is worth, as TOML beside it."""

import dataclasses
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mien.core.errors import DataError, ModelError
from mien.core.labels import LabelSet

COLORS = {"gray": 1, "rgb": 3}


@dataclass(frozen=True)
class InputSpec:
    """What the net sees: faces of `size` pixels a side, as (x / 255 - mean) / std for each channel."""

    size: int
    color: str
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        _expect(isinstance(self.size, int) and 1 <= self.size <= 4096, "input.size in 1..4096", self.size)
        _expect(self.color in COLORS, f"input.color out of {', '.join(COLORS)}", self.color)
        for name in ("mean", "std"):
            values = tuple(float(each) for each in getattr(self, name))
            object.__setattr__(self, name, values)
            _expect(len(values) == self.channels, f"{self.channels} values in input.{name}", values)
            _expect(all(map(math.isfinite, values)), f"finite values in input.{name}", values)
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
            number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
            _expect(number, f"a number as crop.{name}", value)
            object.__setattr__(self, name, float(value))
        _expect(0 < self.scale <= 10, "crop.scale in 0..10", self.scale)
        _expect(isinstance(self.align, bool), "true or false as crop.align", self.align)


@dataclass(frozen=True)
class Head:
    """One classifier of the net: its labels, the output that holds its probabilities, and their temperature."""

    label_set: LabelSet
    output: str
    temperature: float = 1.0

    def __post_init__(self) -> None:
        good = isinstance(self.temperature, int | float) and math.isfinite(self.temperature) and self.temperature > 0
        _expect(good, f"a temperature above 0 for head {self.label_set.name}", self.temperature)


@dataclass(frozen=True)
class WeightFile:
    """A weight file beside the card: its name, the sha256 of its bytes (hexadecimal) and their number."""

    file: str
    sha256: str
    bytes: int

    def __post_init__(self) -> None:
        plain = Path(self.file).name == self.file and "\\" not in self.file and self.file not in ("", ".", "..")
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
    train: Mapping[str, str | int | float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _expect(bool(self.heads), "at least one head", "none")
        _expect(self.default_head in self.heads, f"default_head out of {', '.join(self.heads)}", self.default_head)
        _expect(bool(self.files), "at least one weight file", "none")
        _expect(self.default_file in self.files, f"default_file out of {', '.join(self.files)}", self.default_file)

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
            return _card(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ModelError(f"expected TOML in the model card {name}, got: {error}") from error
        except (ModelError, DataError) as error:
            raise ModelError(f"{error}, in the model card {name}") from error
        except (TypeError, ValueError, AttributeError) as error:
            raise ModelError(f"expected the form of a model card in {name}, got: {error}") from error

    def dump(self) -> str:
        """The card as TOML, such that `Card.parse(card.dump()) == card`."""
        plain = dataclasses.asdict(self)
        heads = {
            name: {"labels": list(head.label_set.labels), "output": head.output, "temperature": head.temperature}
            for name, head in self.heads.items()
        }
        tables = {"input": plain["input"], "crop": plain["crop"], "train": plain["train"]}
        figures = plain["figures"]
        top = {key: value for key, value in plain.items() if not isinstance(value, dict | tuple)}
        lines = ["format = 1", *_pairs(top)]
        for key, table in tables.items():
            lines += ["", f"[{key}]", *_pairs(table)]
        for section, entries in (("heads", heads), ("files", plain["files"])):
            for name, entry in entries.items():
                lines += ["", f"[{section}.{_key(name)}]", *_pairs(entry)]
        for figure in figures:
            lines += ["", "[[figures]]", *_pairs(figure)]
        return "\n".join(lines) + "\n"

    def describe(self) -> list[tuple[str, str]]:
        """Rows of a name and a value each, for a person to read."""
        rows = [(key, str(getattr(self, key))) for key in ("name", "title", "version", "license", "data")]
        spec, crop = self.input, self.crop
        rows += [
            ("input", f"{spec.size}x{spec.size} {spec.color}, mean {spec.mean}, std {spec.std}"),
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
        rows += [(key, str(value)) for key, value in self.train.items()]
        return [(key, value) for key, value in rows if value]


def _figure_text(figure: Figure) -> str:
    text = f"{figure.metric} {figure.value:.4f}"
    if math.isfinite(figure.low):
        text += f" (95 % interval {figure.low:.4f} to {figure.high:.4f})"
    rest = ", ".join(each for each in (f"n = {figure.n:,}", figure.rule, figure.file) if each)
    return f"{text}, {rest}"


def _expect(holds: bool, what: str, got: object) -> None:
    if not holds:
        raise ModelError(f"expected {what}, got {got!r}")


def _card(raw: dict[str, Any]) -> Card:
    raw = dict(raw)
    _expect(raw.pop("format", None) == 1, "format = 1", raw.get("format"))
    heads = _table(raw, "heads")
    return _made(
        Card,
        "",
        raw
        | {
            "input": _made(InputSpec, "input.", _table(raw, "input")),
            "crop": _made(CropGeometry, "crop.", raw.get("crop", {})),
            "heads": {name: _head(name, dict(entry)) for name, entry in heads.items()},
            "files": {
                name: _made(WeightFile, f"files.{name}.", entry) for name, entry in _table(raw, "files").items()
            },
            "figures": tuple(_made(Figure, "figures.", each) for each in raw.get("figures", ())),
        },
    )


def _head(name: str, entry: dict[str, Any]) -> Head:
    labels = entry.pop("labels", ())
    _expect(bool(labels) and all(isinstance(each, str) for each in labels), f"names as heads.{name}.labels", labels)
    return _made(Head, f"heads.{name}.", entry | {"label_set": LabelSet(name, tuple(labels))})


def _table(raw: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = raw.get(key)
    _expect(isinstance(value, Mapping), f"a table [{key}]", value)
    return value  # type: ignore[return-value]


def _made(kind: Any, prefix: str, values: Mapping[str, Any]) -> Any:
    """Make a dataclass out of a TOML table: keys checked by name, plain values by type."""
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


def _pairs(table: Mapping[str, Any]) -> list[str]:
    return [f"{_key(key)} = {_value(value)}" for key, value in table.items()]


def _key(name: str) -> str:
    plain = name and all(each.isascii() and (each.isalnum() or each in "-_") for each in name)
    return name if plain else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)  # numbers, nan and inf are spelt alike in TOML
