"""What an entry is: seeds, a way to damage them, and the code that strangers' bytes reach through it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from fuzzing import damage

TEXTS = (".csv", ".txt", ".xml", ".toml", ".json", ".jsonl", "")  # suffixes of files that are damaged as texts

Damage = Callable[[bytes, np.random.Generator], bytes]


@dataclass(frozen=True)
class Entry:
    """One way in.

    Attributes:
        seeds: name -> whole content of each file that may be damaged, one at a time; it stands in the folder.
        read: has mien read the file of this path, and what it says; a MienError is an answer, anything else a failure.
        damage: suffix -> how a file is damaged; else by `damage.text` or `damage.binary`.
        both: whether of many inputs some have to be read, and some refused, or the damage proves nothing.
    """

    seeds: Mapping[str, bytes]
    read: Callable[[Path], object]
    damage: Mapping[str, Damage] = field(default_factory=dict)
    both: bool = True

    def damaged(self, name: str, rng: np.random.Generator) -> bytes:
        """A seed, damaged."""
        suffix = Path(name).suffix.lower()
        return self.damage.get(suffix, damage.text if suffix in TEXTS else damage.binary)(self.seeds[name], rng)


ENTRIES: dict[str, Callable[[Path], Entry]] = {}


def entry(name: str) -> Callable[[Callable[[Path], Entry]], Callable[[Path], Entry]]:
    """Register what makes an entry in an empty folder."""

    def register(make: Callable[[Path], Entry]) -> Callable[[Path], Entry]:
        assert name not in ENTRIES, name
        ENTRIES[name] = make
        return make

    return register
