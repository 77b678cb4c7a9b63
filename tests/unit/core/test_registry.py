"""Names for what can be added, and packages that belong to an extra."""

import sys

import pytest

from mien.core.errors import MienError, MissingExtraError, UsageError
from mien.core.optional import require
from mien.core.registry import Registry, unknown


def shapes() -> Registry[float]:
    registry: Registry[float] = Registry("shape")
    registry.register("square")(lambda side=1.0: side * side)
    registry.register("line")(lambda side=1.0: side)
    return registry


def test_a_name_gives_what_its_factory_makes():
    registry = shapes()
    assert registry.create("square", side=3.0) == 9
    assert list(registry) == ["square", "line"]
    assert "line" in registry and "circle" not in registry


def test_a_name_is_given_once():
    registry = shapes()
    with pytest.raises(ValueError, match="expected a new shape name, got 'line' a second time"):
        registry.register("line")(lambda: 0.0)
    assert registry.create("line") == 1


def test_an_unknown_name_lists_the_known_and_guesses():
    with pytest.raises(
        UsageError, match="^expected a shape out of square, line, got 'squares'; did you mean 'square'.$"
    ):
        shapes().create("squares")
    assert unknown("shape", "zzz", ["a", "b"]) == "expected a shape out of a, b, got 'zzz'"


def test_a_missing_package_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        MissingExtraError, match=r"expected the package 'pyarrow', .* `pip install 'mien\[data\]'`"
    ) as e:
        require("pyarrow", extra="data")
    assert isinstance(e.value, MienError) and isinstance(e.value, ImportError)


def test_what_a_package_itself_lacks_is_not_its_own_absence(tmp_path, monkeypatch):
    (tmp_path / "half_there.py").write_text("import something_it_needs\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="something_it_needs") as caught:
        require("half_there", extra="data")
    assert not isinstance(caught.value, MienError)
