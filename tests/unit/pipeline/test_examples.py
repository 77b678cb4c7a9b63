import doctest
import importlib

import pytest


@pytest.mark.parametrize(
    "module",
    [
        "pipeline.recognizer",
        "pipeline.sinks",
        "verbs.demo",
        "verbs.models",
        "verbs.predict",
    ],
)
def test_the_examples_in_the_documentation_hold(module: str) -> None:
    found = doctest.testmod(importlib.import_module(f"mien.{module}"))
    assert found.attempted > 0
    assert found.failed == 0
