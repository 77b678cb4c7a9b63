"""TOML that people write and pass on: cards, settings, label maps, search spaces; and settings of the command line."""

from pathlib import Path

from fuzzing.entry import Entry, entry
from mien.core.toml import parse_setting
from mien.datasets.labelmap import LabelMap
from mien.runtime.card import Card
from mien.zoo import store


@entry("card")
def card(folder: Path) -> Entry:
    """Model cards."""
    lines = store.load_card("mien-s").dump().encode()

    def read(path: Path) -> None:
        found = Card.load(path)
        assert Card.parse(found.dump()).dump() == found.dump()
        assert found.describe()

    return Entry({"card.toml": lines[:6000].rpartition(b"\n[[")[0]}, read)


@entry("settings")
def settings(folder: Path) -> Entry:
    """Settings of a training, such as a preset that someone shares."""
    from mien.training.config import PRESETS, load_config  # brings torch: its memory is not for other entries

    names = ("mien-s.toml", "vit-ckplus.toml", "cnn5-seven.toml")
    return Entry({name: (PRESETS / name).read_bytes() for name in names}, lambda path: load_config(file=path))


@entry("label-map")
def label_map(folder: Path) -> Entry:
    """Label maps."""
    text = b'name = "four"\nlabels = ["sadness", "anger", "fear", "happiness"]\n[labels_map]\n0 = "anger"\n1 = "sad"\n'

    def read(path: Path) -> None:
        found = LabelMap.load(path)
        found.rename("anger")
        found.label_set(["anger", "fear"])

    return Entry({"map.toml": text + b'9 = ""\nanger = "anger"\n[labels_map.csv]\n2 = "fear"\n'}, read)


@entry("search-space")
def search_space(folder: Path) -> Entry:
    """Search spaces."""
    from mien.experiments.space import read_space

    text = Path(read_space.__code__.co_filename).with_name("default-space.toml").read_bytes()

    def read(path: Path) -> None:
        for each in read_space(path).parameters:
            each.extremes()
            assert each.distribution

    return Entry({"space.toml": text}, read)


@entry("set-option")
def set_option(folder: Path) -> Entry:
    """`--set key=value`."""
    line = b'augment.rotation=[1, 2.5, "x"]'
    return Entry({"line.txt": line}, lambda path: parse_setting(path.read_bytes().decode("utf-8", "replace")))
