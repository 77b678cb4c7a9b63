"""An ONNX file as a function of arrays."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from mien.core.errors import ModelError, UsageError

DEVICES = ("auto", "cpu", "cuda")


class Session:
    """A loaded ONNX net. Calls from several threads are safe.

    Args:
        source: path or bytes of the ONNX file.
        threads: of one call; None: as many as this process may use.
        device: ``auto`` takes a CUDA GPU where ONNX Runtime offers one; ``cuda`` insists; ``cpu`` never does.

    Raises:
        ModelError: the file is missing, damaged, or no ONNX that can run here.
        UsageError: an unknown device, or ``cuda`` where there is none.
    """

    def __init__(self, source: str | os.PathLike[str] | bytes, *, threads: int | None = None, device: str = "auto") -> None:
        import onnxruntime  # here, so that `import mien` does not load it

        name = "the given bytes" if isinstance(source, bytes) else os.fspath(source)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads or usable_cpus()
        options.log_severity_level = 4  # its failures reach the caller as errors; its warnings are for us
        try:
            model = source if isinstance(source, bytes) else Path(source).read_bytes()
            self._session = onnxruntime.InferenceSession(model, options, providers=_providers(device))
        except FileNotFoundError:
            raise ModelError(f"expected an ONNX file at {name}, got no such file") from None
        except OSError as error:
            raise ModelError(f"expected a readable ONNX file at {name}, got: {error.strerror}") from error
        except UsageError:
            raise
        except Exception as error:  # ONNX Runtime's own exceptions share no base but this
            raise ModelError(f"expected an ONNX model in {name}, got: {_first_line(error)}") from error
        self.inputs: dict[str, tuple[int | str | None, ...]] = {
            each.name: tuple(each.shape) for each in self._session.get_inputs()
        }
        self.outputs: dict[str, tuple[int | str | None, ...]] = {
            each.name: tuple(each.shape) for each in self._session.get_outputs()
        }

    @property
    def input_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(self.inputs)

    @property
    def output_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(self.outputs)

    def run(
        self, names: Sequence[str] | None = None, **arrays: npt.NDArray[np.generic]
    ) -> dict[str, npt.NDArray[Any]]:
        """Compute outputs.

        Args:
            names: the outputs wanted; None: all.
            arrays: each input by name.

        Raises:
            ModelError: the model refuses the arrays.
        """
        wanted = list(names or self.outputs)
        try:
            values = self._session.run(wanted, arrays)
        except Exception as error:  # see above
            raise ModelError(f"expected a model that takes its input, got: {_first_line(error)}") from error
        return dict(zip(wanted, values, strict=True))


def usable_cpus() -> int:
    """Processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS and Windows
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def file_sha256(path: str | os.PathLike[str]) -> str:
    """The sha256 of a file, hexadecimal."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _providers(device: str) -> list[str]:
    import onnxruntime

    if device not in DEVICES:
        raise UsageError(f"expected a device out of {', '.join(DEVICES)}, got {device!r}")
    there = "CUDAExecutionProvider" in onnxruntime.get_available_providers()
    if device == "cuda" and not there:
        raise UsageError("expected a CUDA GPU and the package onnxruntime-gpu for device cuda, got none: use cpu")
    return [*(["CUDAExecutionProvider"] if there and device != "cpu" else []), "CPUExecutionProvider"]


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0] if lines else type(error).__name__
