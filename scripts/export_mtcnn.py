"""Write MTCNN's three networks as ONNX from the weights in the `mtcnn` package 1.0.0 (MIT).

    python scripts/export_mtcnn.py mtcnn-1.0.0-py3-none-any.whl

Needs onnx, joblib and lz4. The graphs are built by hand, so neither TensorFlow nor Keras is needed, and differ from the
original in form only:

* input `image` is uint8 RGB (N, H, W, 3); the normalisation (x - 127.5) / 128 is folded into the first convolution,
  which has no padding;
* the original flattens (width, height, channel); its first dense layer is reordered to read (channel, height, width);
* of the two softmax outputs only "face" is kept, as the sigmoid of the difference of both logits.

Outputs: `score` of a face in 0..1, `offsets` (x1, y1, x2, y2 in units of the window's side) and, O-Net only,
`landmarks` (x of five points, then y, in units of the window's sides). P-Net takes pictures of any size and answers
(N, 1, h, w) and (N, 4, h, w), one row and column for every second pixel; R-Net takes 24 x 24, O-Net 48 x 48.
"""

import argparse
import hashlib
import io
import zipfile
from pathlib import Path

import joblib
import numpy as np
import numpy.typing as npt
import onnx
from onnx import TensorProto, helper, numpy_helper

WHEEL_SHA256 = "0a96b4868e56db9ae984449519642be6dba03240e608a67e928ebb47833e9144"
WEIGHTS = Path(__file__).parents[1] / "src" / "mien" / "faces" / "weights"
SOURCE = (
    "Weights: the Python package mtcnn 1.0.0 by Iván de Paz Centeno (MIT), "
    "after Zhang et al. 2016, doi 10.1109/LSP.2016.2603342"
)

Array = npt.NDArray[np.float32]


class Graph:
    """A chain of ONNX nodes: each call appends one that reads what the last one wrote."""

    def __init__(self, weights: list[Array]) -> None:
        self._weights = iter(weights)
        self._nodes: list[onnx.NodeProto] = []
        self._initializers: list[onnx.TensorProto] = []
        self._last = "image"

    def take(self, count: int) -> list[Array]:
        """The next `count` arrays of the weight file."""
        return [next(self._weights) for _ in range(count)]

    def add(self, kind: str, *constants: Array, output: str | None = None, **attributes: object) -> str:
        """Append a node; returns the name of its output."""
        output = output or f"{kind.lower()}{len(self._nodes)}"
        names = []
        for constant in constants:
            names.append(f"weight{len(self._initializers)}")
            self._initializers.append(numpy_helper.from_array(np.ascontiguousarray(constant), names[-1]))
        self._nodes.append(helper.make_node(kind, [self._last, *names], [output], **attributes))
        self._last = output
        return output

    def branch(self, source: str) -> None:
        """Let the next node read `source`."""
        self._last = source

    def convolution(self, *, normalise: bool = False) -> None:
        """Convolution (weights stored height, width, in, out) and PReLU."""
        kernel, bias, slope = self.take(3)
        kernel = kernel.transpose(3, 2, 0, 1)
        if normalise:
            bias = bias - 127.5 / 128 * kernel.sum((1, 2, 3), dtype=np.float64)
            kernel = kernel / 128
        self.add("Conv", kernel.astype(np.float32), bias.astype(np.float32))
        self.add("PRelu", slope.reshape(-1, 1, 1))

    def pool(self, side: int, *, partial: bool) -> None:
        """Maximum over windows at stride 2; `partial`: windows that reach past the edge count too."""
        self.add("MaxPool", kernel_shape=[side, side], strides=[2, 2], ceil_mode=int(partial))

    def dense(self, side: int) -> str:
        """Flatten, dense layer and PReLU; `side` of the square map that it reads."""
        kernel, bias, slope = self.take(3)
        outputs = kernel.shape[1]
        kernel = kernel.reshape(side, side, -1, outputs).transpose(2, 1, 0, 3).reshape(-1, outputs)
        self.add("Flatten")
        self.add("Gemm", kernel, bias)
        return self.add("PRelu", slope)

    def head(self, source: str, name: str, *, sigmoid: bool = False) -> None:
        """An output layer that reads `source`; with `sigmoid`, of the difference of its two outputs."""
        self.branch(source)
        kernel, bias = self.take(2)
        if sigmoid:
            kernel, bias = kernel[..., 1:] - kernel[..., :1], bias[1:] - bias[:1]
        output = f"{name}_logit" if sigmoid else name
        if kernel.ndim == 4:
            self.add("Conv", kernel.transpose(3, 2, 0, 1), bias, output=output)
        else:
            self.add("Gemm", kernel, bias, output=output)
        if sigmoid:
            self.add("Sigmoid", output=name)

    def model(self, name: str, side: int | None, outputs: dict[str, list[int | str]]) -> onnx.ModelProto:
        """The finished model."""
        if next(self._weights, None) is not None:
            raise SystemExit(f"expected {name} to use all its weights, got some left over")
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info("image", TensorProto.UINT8, ["N", side or "H", side or "W", 3])],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, shape) for k, shape in outputs.items()],
            self._initializers,
            doc_string=SOURCE,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], producer_name="mien")
        model.ir_version = 8
        onnx.checker.check_model(model, full_check=True)
        return model


def start(weights: list[Array]) -> Graph:
    """A graph that has brought uint8 (N, H, W, 3) to float32 (N, 3, H, W)."""
    graph = Graph(weights)
    graph.add("Transpose", perm=[0, 3, 1, 2])
    graph.add("Cast", to=TensorProto.FLOAT)
    graph.convolution(normalise=True)
    return graph


def proposal_network(weights: list[Array]) -> onnx.ModelProto:
    """P-Net: every 12 x 12 window of a picture."""
    graph = start(weights)
    graph.pool(2, partial=True)
    graph.convolution()
    graph.convolution()
    trunk = graph._last
    graph.head(trunk, "offsets")
    graph.head(trunk, "score", sigmoid=True)
    return graph.model("pnet", None, {"score": ["N", 1, "h", "w"], "offsets": ["N", 4, "h", "w"]})


def refinement_network(weights: list[Array]) -> onnx.ModelProto:
    """R-Net: 24 x 24 crops."""
    graph = start(weights)
    graph.pool(3, partial=True)
    graph.convolution()
    graph.pool(3, partial=False)
    graph.convolution()
    trunk = graph.dense(3)
    graph.head(trunk, "offsets")
    graph.head(trunk, "score", sigmoid=True)
    return graph.model("rnet", 24, {"score": ["N", 1], "offsets": ["N", 4]})


def output_network(weights: list[Array]) -> onnx.ModelProto:
    """O-Net: 48 x 48 crops."""
    graph = start(weights)
    graph.pool(3, partial=True)
    graph.convolution()
    graph.pool(3, partial=False)
    graph.convolution()
    graph.pool(2, partial=True)
    graph.convolution()
    trunk = graph.dense(3)
    graph.head(trunk, "offsets")
    graph.head(trunk, "landmarks")
    graph.head(trunk, "score", sigmoid=True)
    return graph.model("onet", 48, {"score": ["N", 1], "offsets": ["N", 4], "landmarks": ["N", 10]})


def main() -> None:
    """Parse the command line and write the three files."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("wheel", type=Path, help="mtcnn-1.0.0-py3-none-any.whl, as published")
    parser.add_argument("--out", type=Path, default=WEIGHTS, help="folder to write to (%(default)s)")
    options = parser.parse_args()
    digest = hashlib.sha256(options.wheel.read_bytes()).hexdigest()
    if digest != WHEEL_SHA256:  # its weights are pickles: load no other file
        raise SystemExit(f"expected the wheel with sha256 {WHEEL_SHA256}, got {digest}: take mtcnn 1.0.0 as published")
    options.out.mkdir(parents=True, exist_ok=True)
    build = {"pnet": proposal_network, "rnet": refinement_network, "onet": output_network}
    with zipfile.ZipFile(options.wheel) as wheel:
        for name, network in build.items():
            weights = joblib.load(io.BytesIO(wheel.read(f"mtcnn/assets/weights/{name}.lz4")))
            path = options.out / f"{name}.onnx"
            path.write_bytes(network(weights).SerializeToString(deterministic=True))
            print(f"{path.name}: {path.stat().st_size} bytes, sha256 {hashlib.sha256(path.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
