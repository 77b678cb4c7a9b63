"""`import mien` is light: each test asks a fresh interpreter."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

import mien

HEAVY = {"torch", "torchvision", "lightning", "timm", "torchmetrics", "onnxruntime", "matplotlib", "pandas", "cv2"}


def loaded_after(code: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after running `code`."""
    script = f"{code}\nimport json, sys\nprint(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}


def test_import_loads_nothing_heavy() -> None:
    loaded = loaded_after("import mien")
    assert "mien" in loaded
    assert not loaded & (HEAVY | {"numpy", "typer", "rich"})


def test_the_command_line_loads_nothing_heavy() -> None:
    loaded = loaded_after("import mien.cli.app")
    assert "typer" in loaded
    assert not loaded & HEAVY


def test_every_public_name_is_there_without_what_learning_needs() -> None:
    loaded = loaded_after("import mien\nfor name in mien.__all__: getattr(mien, name)")
    assert "numpy" in loaded
    assert not loaded & (HEAVY - {"cv2"})


def test_the_registries_load_no_implementation() -> None:
    loaded = loaded_after("import mien.faces, mien.datasets, mien.evaluation, mien.zoo")
    assert not loaded & (HEAVY - {"cv2"} | {"pyarrow", "dlib", "_dlib_pybind11"})


def test_type_checkers_see_the_same_names_from_the_same_places() -> None:
    tree = ast.parse(Path(mien.__file__).read_text("utf-8"))
    block = next(each for each in tree.body if isinstance(each, ast.If))
    seen = {name.asname: each.module for each in block.body if isinstance(each, ast.ImportFrom) for name in each.names}
    assert seen == mien._HOMES


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="nonsense"):
        mien.nonsense  # noqa: B018 - the look-up is what is tested
