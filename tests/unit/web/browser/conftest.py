"""Calls of the page's JavaScript from Python, through one process of node."""

import base64
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien

MODULES = Path(mien.__file__).parent / "web" / "browser"
_TYPES = {"uint8": "Uint8Array", "int32": "Int32Array", "float32": "Float32Array", "float64": "Float64Array"}


@pytest.fixture(scope="session")
def js() -> Iterator[Callable[..., Any]]:
    """``js("resize.js", "resizeArea", image, 24, 24)``: what the function returns; pictures and arrays are numpy's."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    command = [node, "--experimental-default-type=module", str(Path(__file__).with_name("calls.mjs")), str(MODULES)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        requests, answers = process.stdin, process.stdout

        def call(module: str | Path, name: str, *args: Any) -> Any:
            requests.write(json.dumps({"module": str(module), "name": name, "args": args}, default=_packed) + "\n")
            requests.flush()
            answer = json.loads(answers.readline(), object_hook=_unpacked)
            assert "error" not in answer, answer["error"]
            return answer["result"]

        yield call
        requests.close()


def _packed(value: Any) -> Any:
    """Pictures (H, W) and (H, W, 3) as the modules take them, vectors as typed arrays."""
    if not isinstance(value, np.ndarray):
        return value.item()
    if value.ndim == 1:
        return {"bytes": base64.b64encode(value.tobytes()).decode(), "type": _TYPES[str(value.dtype)]}
    height, width = value.shape[:2]
    return {"data": value.ravel(), "width": width, "height": height, "channels": value.size // (height * width)}


def _unpacked(value: dict[str, Any]) -> Any:
    if "bytes" in value:
        kinds = {name: kind for kind, name in _TYPES.items()}
        return np.frombuffer(base64.b64decode(value["bytes"]), kinds[value["type"]])
    if set(value) == {"data", "width", "height", "channels"}:
        shape = (value["height"], value["width"], *([3] if value["channels"] == 3 else []))
        return value["data"].reshape(shape)
    return value
