"""An ONNX file as a function of arrays."""

import hashlib
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy.typing as npt

from mien.core.errors import ModelError, UsageError
from mien.core.processors import available_processors
from mien.core.registry import unknown
from mien.runtime.limits import MOST_BYTES, bound_memory, check, what_went_wrong

DEVICES = ("auto", "cpu", "cuda")

# The nets here are small: more threads than this wait for each other more than they compute.
_MOST_THREADS = 8
_CUDA, _CPU = "CUDAExecutionProvider", "CPUExecutionProvider"


class Session:
    """A loaded network. Safe to call from several threads.

    The file is read here, and the runtime gets its bytes: any path works on any system, what was checked is what
    runs, and what a file from strangers may do is bounded; see `mien.runtime.limits`.
    """

    def __init__(
        self,
        source: str | os.PathLike[str] | bytes,
        *,
        threads: int | None = None,
        device: str = "auto",
        name: str | None = None,
    ) -> None:
        """Load a network.

        Args:
            source: an ONNX file, or the bytes of one.
            threads: at work on one call; as many as this process may use, up to 8, if None.
            device: ``"cuda"`` for a graphics card (needs the package onnxruntime-gpu), ``"cpu"``, or ``"auto"``:
                a graphics card where there is one.
            name: what error messages call the file; its path if None.

        Raises:
            ModelError: there is no such file, or it is not a network that can be run.
            UsageError: the device is not known or not there, or `threads` is below 1.
        """
        check_options(threads=threads, device=device)
        data = source if isinstance(source, bytes) else read_weights(Path(source))
        self.name = name or ("the given bytes" if isinstance(source, bytes) else str(source))
        self._session = _load(data, self.name, threads or default_threads(), device)
        try:
            self.input_shapes = {each.name: _shape(each.shape) for each in self._session.get_inputs()}
            self.output_shapes = {each.name: _shape(each.shape) for each in self._session.get_outputs()}
        except UnicodeDecodeError as error:  # the runtime takes any bytes as a name
            raise ModelError(f"expected names in UTF-8 in the model {self.name}, got: {error}") from error
        self.input_names, self.output_names = tuple(self.input_shapes), tuple(self.output_shapes)
        self.device = "cuda" if _CUDA in self._session.get_providers() else "cpu"

    def run(self, names: Sequence[str] | None, /, **arrays: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
        """Compute outputs.

        Args:
            names: of the outputs wanted; all if None.
            **arrays: one array for each input, under its name.

        Returns:
            Output name -> array, in the order of `names`.

        Raises:
            ModelError: a name, shape or type does not fit the network.
        """
        wanted = self.output_names if names is None else tuple(names)
        if set(arrays) != set(self.input_names) or not set(wanted) <= set(self.output_names):
            raise ModelError(
                f"expected inputs {', '.join(self.input_names)} and outputs out of {', '.join(self.output_names)} for "
                f"{self.name}, got inputs {', '.join(arrays) or 'none'} and outputs {', '.join(wanted)}"
            )
        try:
            found = self._session.run(list(wanted), arrays)
        except Exception as error:  # the runtime's exceptions have no base class of their own
            raise ModelError(f"expected {self.name} to take the given arrays, got: {what_went_wrong(error)}") from error
        return dict(zip(wanted, found, strict=True))


def check_options(*, threads: int | None = None, device: str) -> None:
    """Raise UsageError for a device that is not known, or less than one thread."""
    if device not in DEVICES:
        raise UsageError(unknown("device", device, DEVICES))
    if threads is not None and threads < 1:
        raise UsageError(f"expected 1 thread or more, got {threads}")


def on_graphics_card(device: str) -> bool:
    """Whether networks will run on a graphics card, if there is one, with `device` auto, cpu or cuda."""
    if device == "cpu":
        return False
    import onnxruntime as ort

    return _CUDA in ort.get_available_providers()


def read_weights(path: Path) -> bytes:
    """The bytes of a weight file.

    Raises:
        ModelError: missing, empty or unreadable.
    """
    try:
        if path.stat().st_size > MOST_BYTES:
            raise ModelError(f"expected a model of at most {MOST_BYTES:,} bytes at {path}, got a larger file")
        data = path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"expected a model file at {path}, got no such file: check the path") from None
    except OSError as error:
        raise ModelError(f"expected a readable model file at {path}, got: {error.strerror}") from error
    if not data:
        raise ModelError(f"expected an ONNX model in {path}, got an empty file")
    return data


def file_sha256(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, as 64 hexadecimal digits.

    Raises:
        ModelError: the file is missing, empty or unreadable.
    """
    return hashlib.sha256(read_weights(Path(path))).hexdigest()


def default_threads() -> int:
    """As many threads as this process may use, up to 8."""
    return min(available_processors(), _MOST_THREADS)


def _load(data: bytes, name: str, threads: int, device: str) -> Any:
    # Imported here: it costs 0.1 s that `import mien` must not take.
    import onnxruntime as ort

    check(data, name)
    bound_memory(ort)
    options = ort.SessionOptions()
    options.add_session_config_entry("session.use_env_allocators", "1")
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    # A plan of memory is kept for each shape of input: of no use where pictures and batches differ.
    options.enable_mem_pattern = False
    options.log_severity_level = 4  # errors arrive as exceptions; printing them too would make two of each
    # Several nets take turns here, beside whatever else the machine does: threads that spin while they wait for work
    # take processors from those that have some. On two busy cores a face costs a quarter of the time without.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    providers = _providers(ort.get_available_providers(), device)
    try:
        session = ort.InferenceSession(data, options, providers=providers)
    except Exception as error:  # the runtime's exceptions have no base class of their own
        raise ModelError(f"expected an ONNX model in {name}, got: {what_went_wrong(error)}") from error
    if device == "cuda" and _CUDA not in session.get_providers():
        raise UsageError("expected a graphics card for device 'cuda', got none that onnxruntime can use: use 'cpu'")
    return session


def _providers(available: Sequence[str], device: str) -> list[str]:
    if device == "cpu" or (device == "auto" and _CUDA not in available):
        return [_CPU]
    if _CUDA not in available:
        raise UsageError(
            "expected onnxruntime with CUDA for device 'cuda', got one without: install onnxruntime-gpu in its place"
        )
    return [_CUDA, _CPU]


def _shape(shape: Sequence[int | str | None]) -> tuple[int | None, ...]:
    """Sizes that may vary, which the file gives as a name or not at all, become None."""
    return tuple(each if isinstance(each, int) else None for each in shape)
