"""From a run to ONNX files and a card: probabilities of every head and the last feature map."""

import hashlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from mien.core.files import replacing
from mien.datasets.clips import clips_of
from mien.datasets.table import Table
from mien.nets.heads import MultiHead, example_inputs, mac_count, parameter_count
from mien.runtime.card import CLIP, IMAGE, VALENCE_AROUSAL, Card, Head, WeightFile
from mien.runtime.preprocess import clips_to_tensor, fit_crops, to_tensor
from mien.runtime.quantize import quantize_int8, store_float16
from mien.training.config import TrainConfig
from mien.training.fit import label_sets_of, load_run

FEATURES = "features"
CALIBRATION_FACES = 512


class Deployed(nn.Module):
    """A `MultiHead` whose heads give probabilities (or values in -1..1), in their order, and then the feature map."""

    def __init__(self, net: MultiHead) -> None:
        super().__init__()
        self.net = net

    def forward(self, *inputs: Tensor) -> tuple[Tensor, ...]:
        """What the net takes -> (B, K) of each head, (B, F, h, w)."""
        logits, features = self.net(*inputs)
        heads = (each.tanh() if head == VALENCE_AROUSAL else each.softmax(1) for head, each in logits.items())
        return (*heads, features)


def write_onnx(net: MultiHead, target: Path, *, channels: int, size: int, frames: int = 0) -> None:
    """Write a net as float32 ONNX.

    Inputs, whichever of them the net takes: `image` (N, C, size, size), `clip` (N, frames, C, size, size); outputs
    `probabilities_<head>` (N, K), `valence_arousal` (N, 2) if that is learnt, and `features` (N, F, h, w).
    """
    outputs = [*map(output_name, net.heads), FEATURES]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's notes on its own future
        torch.onnx.export(
            Deployed(net).eval().to(memory_format=torch.contiguous_format),
            example_inputs(net.inputs, batch=2, channels=channels, size=size, frames=frames),
            str(target),
            input_names=list(net.inputs),
            output_names=outputs,
            dynamic_axes={name: {0: "n"} for name in (*net.inputs, *outputs)},
            opset_version=17,
            dynamo=False,
        )


def output_name(head: str) -> str:
    """Name of the output that holds a head's probabilities, or its values."""
    return head if head == VALENCE_AROUSAL else f"probabilities_{head}"


def export_run(run: Path, faces: Table, out: Path, *, stem: str) -> Card:
    """Export a run's best epoch: float16-stored and int8 weights, and the card, not yet calibrated or measured.

    Args:
        run: a run folder.
        faces: for training; the first 512 fix the ranges of the int8 net.
        out: folder to write in.
        stem: file names begin with it.

    Returns:
        The card, written to `out/<stem>.toml`.
    """
    (config, net), labels = load_run(run), label_sets_of(run)
    shape = {"channels": config.input.channels, "size": config.input.size, "frames": config.input.frames}
    float16, int8 = f"{stem}.onnx", f"{stem}.int8.onnx"
    with TemporaryDirectory() as folder:
        full = Path(folder) / "float32.onnx"
        write_onnx(net, full, **shape)
        store_float16(full, out / float16)
        quantize_int8(full, out / int8, _batches(faces, net.inputs, config))
    card = Card(
        name=config.name,
        title=config.about.get("title", ""),
        license=config.about.get("license", ""),
        data=config.about.get("data", ""),
        input=config.input,
        crop=config.crop,
        heads={head: Head(labels[head], output_name(head), 1.0) for head in labels},
        default_head="ferplus" if "ferplus" in labels else next(iter(labels)),
        features=FEATURES,
        files={"float16": weight_file(out / float16), "int8": weight_file(out / int8)},
        default_file="int8",
        parameters=parameter_count(net),
        macs=mac_count(net, **shape),
    )
    with replacing(out / f"{stem}.toml") as partial:
        partial.write_text(card.dump(), "utf-8", newline="\n")
    return card


def weight_file(path: Path) -> WeightFile:
    """Name, checksum and size of a weight file as the card states them."""
    data = path.read_bytes()
    return WeightFile(path.name, hashlib.sha256(data).hexdigest(), len(data))


def _batches(faces: Table, inputs: Sequence[str], config: TrainConfig) -> Iterator[dict[str, npt.NDArray[np.float32]]]:
    """Batches of the first faces, or of clips of as many, as feeds of the net."""
    spec = config.input
    clips = clips_of(faces, spec.frames) if spec.frames else None
    units = len(faces) if clips is None else len(clips)
    most = min(units, CALIBRATION_FACES // max(1, spec.frames))
    for start in range(0, most, 64):
        some = slice(start, min(start + 64, most))
        peaks = faces.images[some if clips is None else clips.peak[some]]
        feeds = {IMAGE: to_tensor(fit_crops(peaks, spec), spec)}
        if clips is not None:
            feeds[CLIP] = clips_to_tensor(faces.images[clips.frames[some]], spec)
        yield {name: feeds[name] for name in inputs}
