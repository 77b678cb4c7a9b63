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
    """``js("resize.js", "resizeArea", picture, 24, 24)``: what the function returns, arrays as numpy's."""
    node = shutil.which("node")
    if node is None:
        pytest.skip("needs node")
    script = Path(__file__).with_name("calls.mjs")
    command = [node, "--experimental-default-type=module", str(script), str(MODULES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8") as process:

        def call(module: str, name: str, *args: Any) -> Any:
            assert process.stdin is not None and process.stdout is not None
            request = json.dumps({"module": module, "name": name, "args": args}, default=_packed)
            process.stdin.write(request + "\n")
            process.stdin.flush()
            answer = json.loads(process.stdout.readline(), object_hook=_unpacked)
            assert "error" not in answer, answer["error"]
            return answer["result"]

        yield call
        process.stdin.close()


def picture(array: np.ndarray) -> dict[str, Any]:
    """Pixels (H, W) or (H, W, 3) as the modules take a picture."""
    height, width = array.shape[:2]
    channels = 1 if array.ndim == 2 else array.shape[2]
    return {"data": np.ascontiguousarray(array, np.uint8).ravel(), "width": width, "height": height, "channels": channels}


def pixels(found: dict[str, Any]) -> np.ndarray:
    """The reverse of `picture`."""
    shape = (found["height"], found["width"], *([found["channels"]] if found["channels"] > 1 else []))
    return found["data"].reshape(shape)


def _packed(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return {"bytes": base64.b64encode(value.tobytes()).decode(), "type": _TYPES[str(value.dtype)]}
    return value.item()


def _unpacked(value: dict[str, Any]) -> Any:
    if "bytes" not in value:
        return value
    kinds = {name: kind for kind, name in _TYPES.items()}
    return np.frombuffer(base64.b64decode(value["bytes"]), kinds[value["type"]])
