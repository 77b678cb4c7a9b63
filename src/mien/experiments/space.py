"""What a search may try: settings with their types and bounds, checked before the first trial."""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from importlib import resources
from pathlib import Path
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution

from mien.core.errors import UsageError
from mien.core.registry import unknown
from mien.core.toml import parse_toml, to_toml
from mien.nets import build_trunk
from mien.nets.blocks import POOLS
from mien.training.config import TrainConfig, merge, nested

KINDS = ("float", "int", "categorical")
# They decide what trials are compared by, or nothing of what is learnt: a search has them alike in all trials.
ALIKE = (
    *("name", "about", "crop", "heads", "regress", "select", "seed", "valid_share"),
    *("device", "devices", "nodes", "threads", "precision", "compile", "log"),
)

_MOST_STEPS = 1e15  # more of them no float can tell apart

Scalar = str | bool | int | float


@dataclass(frozen=True)
class Parameter:
    """One setting that differs between trials.

    Attributes:
        key: its dotted name among the settings of a training.
        type: float, int or categorical.
        low, high: the least and the largest value, both of them possible. log: drawn evenly by order of magnitude.
        step: distance of neighbouring values; 0: any value (float) or 1 (int).
        points: how many values a grid takes from low to high; 0: as many as `step` gives.
        choices: values of a categorical setting.
    """

    key: str
    type: str
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    step: float = 0.0
    points: int = 0
    choices: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        if self.type not in KINDS:
            raise UsageError(unknown(f"type of {self.key}", str(self.type), list(KINDS)))
        if self.type == "categorical":
            self._check_choices()
        else:
            self._check_range()

    def _check_choices(self) -> None:
        if not isinstance(self.choices, tuple) or not self.choices:
            raise UsageError(f"expected choices of {self.key}, got none: give a list of values")
        if len(self.choices) == 1:
            raise UsageError(f"expected two choices of {self.key} or more, got one: give it with --set instead")
        if len({repr(each) for each in self.choices}) < len(self.choices):
            raise UsageError(f"expected each choice of {self.key} once, got {list(self.choices)}")
        try:
            list(map(_stored, self.choices))
        except TypeError:  # TOML has dates, too
            raise UsageError(
                f"expected texts, numbers, truth values or lists of them as choices of {self.key}, got other values"
            ) from None

    def _check_range(self) -> None:
        kinds = int if self.type == "int" else int | float
        for name in ("low", "high", "step"):
            value = getattr(self, name)
            whole = name == "step" and value == 0
            if isinstance(value, bool) or not (whole or isinstance(value, kinds)) or not math.isfinite(value):
                raise UsageError(f"expected a number of type {self.type} as {name} of {self.key}, got {value!r}")
        got = f"got {self.low:g} to {self.high:g}"
        if self.low >= self.high:
            raise UsageError(f"expected low below high for {self.key}, {got}: an empty range has nothing to try")
        if not isinstance(self.log, bool) or not isinstance(self.points, int) or self.points < 0 or self.points == 1:
            raise UsageError(f"expected log of true or false and points of 2 or more for {self.key}, got others")
        if self.log and self.low <= 0:
            raise UsageError(f"expected low above 0 for {self.key}, whose range is logarithmic, {got}")
        if self.log and self.step:
            raise UsageError(f"expected step or log for {self.key}, got both: leave one out")
        if self.step and self.points:
            raise UsageError(f"expected step or points for {self.key}, got both: leave one out")
        if self.step and not 1 <= (self.high - self.low) / self.step <= _MOST_STEPS:
            raise UsageError(
                f"expected a step of {self.key} that fits between low and high, {_MOST_STEPS:.0e} times at most, got "
                f"{self.step:g}"
            )

    @property
    def distribution(self) -> BaseDistribution:
        """As Optuna sees it."""
        if self.type == "categorical":
            return CategoricalDistribution([_stored(each) for each in self.choices])
        if self.type == "int":
            return IntDistribution(int(self.low), int(self.high), log=self.log, step=int(self.step) or 1)
        return FloatDistribution(self.low, self.high, log=self.log, step=self.step or None)

    def grid_size(self) -> int:
        """How many values a grid takes. They may be too many for a list: `grid_value` makes one at a time.

        Raises:
            UsageError: a range of any value whatever, with no number of points.
        """
        if self.type == "categorical":
            return len(self.choices)
        if self.points:
            return self.points if self.type == "float" else min(self.points, int(self.high - self.low) + 1)
        if self.step or self.type == "int":
            return int((self.high - self.low) / (self.step or 1) + 1e-9) + 1
        raise UsageError(f"expected points or step of {self.key} for a grid, got a range of any value: add points")

    def grid_value(self, place: int) -> Scalar:
        """The value at a place from 0 to `grid_size` - 1, as it is stored."""
        if self.type == "categorical":
            return _stored(self.choices[place])
        value = self._between(place / (self.grid_size() - 1)) if self.points else self.low + place * (self.step or 1)
        if self.type == "int":  # the low end of a logarithmic range has more points than whole numbers
            return max(round(value), int(self.low) + place)
        return float(f"{value:.12g}")

    def _between(self, share: float) -> float:
        if self.log:
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share

    def setting(self, stored: Scalar) -> Any:
        """The setting that a stored value stands for."""
        if self.type != "categorical":
            return stored
        return next(each for each in self.choices if _stored(each) == stored)

    def extremes(self) -> tuple[Any, ...]:
        """Settings at the bounds, or all choices."""
        if self.type == "categorical":
            return self.choices
        return (int(self.low), int(self.high)) if self.type == "int" else (float(self.low), float(self.high))

    def to_dict(self) -> dict[str, Any]:
        """What a space file says of it."""
        if self.type == "categorical":
            return {"type": self.type, "choices": list(self.choices)}
        said = {"type": self.type, "low": self.low, "high": self.high}
        return said | {name: getattr(self, name) for name in ("log", "step", "points") if getattr(self, name)}


def _stored(choice: Any) -> Scalar:
    """A choice as a storage can hold it: lists as JSON."""
    return choice if isinstance(choice, str | bool | int | float) else json.dumps(choice)


@dataclass(frozen=True)
class Space:
    """All settings that differ between trials, in the order of the file."""

    parameters: tuple[Parameter, ...]

    def __post_init__(self) -> None:
        if not self.parameters:
            raise UsageError("expected settings to search, got an empty space: see docs/searching.md")

    def __iter__(self) -> Iterator[Parameter]:
        return iter(self.parameters)

    def __getitem__(self, key: str) -> Parameter:
        return next(each for each in self.parameters if each.key == key)

    @property
    def keys(self) -> tuple[str, ...]:
        """Dotted names of the settings."""
        return tuple(each.key for each in self.parameters)

    @property
    def distributions(self) -> dict[str, BaseDistribution]:
        """As Optuna sees them."""
        return {each.key: each.distribution for each in self.parameters}

    def settings(self, stored: Mapping[str, Scalar]) -> dict[str, Any]:
        """Dotted name -> setting, of stored values."""
        return {key: self[key].setting(value) for key, value in stored.items()}

    def to_dict(self) -> dict[str, Any]:
        """Nested as in a space file."""
        said: dict[str, Any] = {}
        for each in self.parameters:
            said = merge(said, nested(each.key, each.to_dict()))
        return said

    def to_toml(self) -> str:
        """The space file."""
        return to_toml(self.to_dict())


def read_space(path: Path) -> Space:
    """Read a space file: a table a setting, ``[learning_rate]``, ``[augment.erase]``, ``[net_options.kernel]``.

    Raises:
        UsageError: it cannot be read, or says of a setting what cannot be.
    """
    try:
        found = parse_toml(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"expected a search space in {path}, got: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"expected TOML in {path}, got: {error}") from error
    return parse_space(found)


def parse_space(tables: Mapping[str, Any]) -> Space:
    """The space that the tables of a file describe."""
    return Space(tuple(_parameters(tables, "")))


def _parameters(tables: Mapping[str, Any], prefix: str) -> Iterator[Parameter]:
    for name, value in tables.items():
        key = f"{prefix}{name}"
        if not isinstance(value, Mapping):
            raise UsageError(f'expected a table with a type as {key} of the space, got {value!r}: write type = "float"')
        if isinstance(value.get("type"), str):
            yield _parameter(key, value)
        elif value and all(isinstance(each, Mapping) for each in value.values()):
            yield from _parameters(value, f"{key}.")
        else:
            raise UsageError(f"expected a type of {key}, {', '.join(KINDS)}, got none: add it")


def _parameter(key: str, said: Mapping[str, Any]) -> Parameter:
    known = ["type", "choices"] if said["type"] == "categorical" else [each.name for each in fields(Parameter)][1:-1]
    for name in said:
        if name not in known and said["type"] in KINDS:
            raise UsageError(unknown(f"property of {key} ({said['type']})", name, known))
    if said["type"] in ("float", "int"):
        for name in ("low", "high"):
            if name not in said:
                raise UsageError(f"expected {name} of {key}, got none: a range has low and high")
    choices = said.get("choices", ())
    return Parameter(key, **(dict(said) | {"choices": tuple(choices) if isinstance(choices, list) else choices}))


def default_space(config: TrainConfig) -> Space:
    """What is searched where no space is given: the usual settings, and options of the net where it has them."""
    tables = parse_toml(resources.files("mien.experiments").joinpath("default-space.toml").read_text("utf-8"))
    widths = getattr(_trunk(config, {}), "widths", None)  # our own nets have a style; timm's are as they are
    options: dict[str, Sequence[Any]] = {}
    if widths:
        factors = (0.5, 0.75, 1.0)
        options = {
            "kernel": (3, 5),
            "pool": POOLS,
            "activation": ("relu", "elu", "silu"),
            "widths": [[max(1, int(each * factor)) for each in widths] for factor in factors],
        }
    for name, choices in options.items():
        if all(_takes(config, {name: each}) for each in choices):
            table = {"type": "categorical", "choices": list(choices)}
            tables = merge(tables, nested(f"net_options.{name}", table))
    return parse_space(tables)


def _takes(config: TrainConfig, options: Mapping[str, Any]) -> bool:
    """Whether the net has such options: one that is made of others has widths, and leaves the rest to those."""
    try:
        _trunk(config, options)
    except UsageError:
        return False
    return True


def _trunk(config: TrainConfig, options: Mapping[str, Any]) -> Any:
    given = {**config.net_options, **options}
    return build_trunk(config.net, in_channels=config.input.channels, size=config.input.size, options=given)
