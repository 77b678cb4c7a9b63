"""TOML that anyone may have written; plain values as TOML, which Python reads but does not write; ``key=value``."""

import re
import tomllib
from collections.abc import Mapping
from typing import Any

from mien.core.errors import UsageError

_DEEPEST = 100  # tables and lists in each other
_TOO_DEEP = "tables, lists or brackets too deep in each other"
# Texts and comments, whose dots are not those of keys; one that is not closed goes on to the end.
_TEXT = re.compile(
    r""" "{3}(?:[^"\\]++|\\.|"(?!""))*+"{0,5}+ | '{3}(?:[^']++|'(?!''))*+'{0,5}+
    | "(?:[^"\\\n]++|\\[^\n])*+"? | '[^'\n]*+'? | \#[^\n]*+ """,
    re.DOTALL | re.VERBOSE,
)
_LONG_KEY = re.compile(rf"(?<![\w-])(?:[\w-]++[ \t]*+\.[ \t]*+){{{_DEEPEST}}}")


def parse_toml(text: str) -> dict[str, Any]:
    """The values of a text.

    Raises:
        tomllib.TOMLDecodeError: it is no TOML; or its tables and lists are over a hundred deep, or its whole numbers
            longer than 64 bits, which TOML does not promise and Python's reader takes up to where it fails.
    """
    if _LONG_KEY.search(_TEXT.sub("x", text)):  # Python's reader takes minutes for keys of tens of thousands of parts
        raise tomllib.TOMLDecodeError(_TOO_DEEP)
    try:
        values = tomllib.loads(text)
    except RecursionError:
        raise tomllib.TOMLDecodeError(_TOO_DEEP) from None
    except tomllib.TOMLDecodeError:
        raise
    except ValueError as error:  # thousands of digits, say
        raise tomllib.TOMLDecodeError(str(error).partition(";")[0]) from None
    _expect_plain(values)
    return values


def _expect_plain(value: Any, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise tomllib.TOMLDecodeError(_TOO_DEEP)
    if isinstance(value, int) and not -(1 << 63) <= value < 1 << 63:
        raise tomllib.TOMLDecodeError("a whole number of more than 64 bits")
    if isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            _expect_plain(each, depth + 1)


def parse_setting(text: str) -> tuple[str, Any]:
    """The two sides of a ``--set``; a value that is no TOML is taken as text.

    >>> parse_setting("peak=3"), parse_setting("form=aligned")
    (('peak', 3), ('form', 'aligned'))

    Raises:
        UsageError: no key, or no sign between them.
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"expected --set key=value, got {text!r}")
    try:
        return key.strip(), parse_toml(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def to_toml(values: Mapping[str, Any], *, section: str = "") -> str:
    """TOML of texts, numbers, truth values, lists of these, tables, and lists of tables.

    >>> print(to_toml({"name": "mien-s", "crop": {"scale": 0.9}, "figures": [{"n": 3199}]}), end="")
    name = "mien-s"
    <BLANKLINE>
    [crop]
    scale = 0.9
    <BLANKLINE>
    [[figures]]
    n = 3199

    Args:
        values: keys and what they hold, in the order in which they are written, plain values before tables.
        section: dotted name of the table that these values belong to.
    """
    plain = [f"{_key(key)} = {_value(value)}" for key, value in values.items() if not _tables(value)]
    parts = ["\n".join(plain) + "\n"] if plain else []
    for key, value in values.items():
        name = f"{section}.{_key(key)}" if section else _key(key)
        if isinstance(value, Mapping):
            body = to_toml(value, section=name)
            # A table that holds nothing but tables needs no header of its own.
            headed = not value or any(not _tables(each) for each in value.values())
            parts.append(f"[{name}]\n{body}" if headed else body)
        elif _tables(value):
            parts += [f"[[{name}]]\n{to_toml(each, section=name)}" for each in value]
    return "\n".join(parts)


def _tables(value: Any) -> bool:
    """Whether a value is written as a table, or as several."""
    several = isinstance(value, list | tuple) and len(value) > 0 and all(isinstance(each, Mapping) for each in value)
    return isinstance(value, Mapping) or several


def _key(name: str) -> str:
    bare = name.isascii() and name.replace("-", "").replace("_", "").isalnum()
    return name if bare else _value(name)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return '"' + "".join(each if each.isprintable() else f"\\U{ord(each):08x}" for each in escaped) + '"'
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_value, value)) + "]"
    return repr(value)  # numbers, inf and nan are spelt alike in Python and TOML
