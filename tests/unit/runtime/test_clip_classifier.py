"""Clips in, calibrated probabilities out; and nets, cards and calls that do not fit each other."""

import dataclasses

import numpy as np
import pytest

from mien.core.errors import DataError, ModelError, UsageError
from mien.core.labels import LabelSet
from mien.runtime.card import Card, Head, InputSpec, WeightFile
from mien.runtime.classifier import Classifier
from mien.runtime.session import Session

SIDE, FRAMES = 4, 3
CARD = Card(
    name="times",
    input=InputSpec(SIDE, "gray", (0.0,), (1.0,), FRAMES),
    heads={"when": Head(LabelSet("when", ("first", "second", "third")), "p")},
    default_head="when",
    files={"float32": WeightFile("times.onnx", "0" * 64)},
    default_file="float32",
)


def session(*, peak: bool = False, name: str = "clip") -> Session:
    """A net whose classes are the frames of a clip: the softmax of their brightness, plus that of the peak on each."""
    onnx = pytest.importorskip("onnx")
    helper, kind = onnx.helper, onnx.TensorProto.FLOAT
    inputs = [helper.make_tensor_value_info(name, kind, ["n", FRAMES, 1, SIDE, SIDE])]
    nodes = [helper.make_node("ReduceMean", [name], ["light"], axes=[2, 3, 4], keepdims=0)]
    if peak:
        inputs.insert(0, helper.make_tensor_value_info("image", kind, ["n", 1, SIDE, SIDE]))
        nodes.append(helper.make_node("ReduceMean", ["image"], ["still"], axes=[1, 2, 3], keepdims=0))
        nodes.append(helper.make_node("Unsqueeze", ["still", "axis"], ["column"]))
        nodes.append(helper.make_node("Mul", ["light", "column"], ["score"]))
    nodes.append(helper.make_node("Softmax", ["score" if peak else "light"], ["p"], axis=1))
    output = helper.make_tensor_value_info("p", kind, ["n", 3])
    axis = onnx.numpy_helper.from_array(np.array([1]), "axis")
    graph = helper.make_graph(nodes, "times", inputs, [output], [axis] if peak else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    return Session(model.SerializeToString(), threads=1, device="cpu")


def clips(n: int, frames: int = FRAMES, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (n, frames, *(shape or (SIDE, SIDE))), np.uint8)


def softmax(scores: np.ndarray) -> np.ndarray:
    return np.exp(scores) / np.exp(scores).sum(1, keepdims=True)


def test_frames_are_chosen_evenly_and_batches_change_nothing() -> None:
    classifier, given = Classifier(CARD, session()), clips(7, 9)
    light = given[:, [0, 4, 8]].mean((2, 3)) / 255
    np.testing.assert_allclose(classifier.predict_clips(given), softmax(light), atol=1e-6)
    np.testing.assert_allclose(classifier.predict_clips(given, batch=2), softmax(light), atol=1e-6)
    one = given[:, :1]
    np.testing.assert_allclose(classifier.predict_clips(one), np.full((7, 3), 1 / 3), atol=1e-6)
    assert classifier.predict_clips(given[:0]).shape == (0, 3)


def test_the_peak_is_the_last_frame_unless_it_is_given() -> None:
    classifier, given = Classifier(CARD, session(peak=True)), clips(5)
    light = given.mean((2, 3)) / 255
    np.testing.assert_allclose(classifier.predict_clips(given, batch=2), softmax(light * light[:, -1:]), atol=1e-6)
    peaks = clips(5, 1)[:, 0] // 2
    still = peaks.mean((1, 2))[:, None] / 255
    np.testing.assert_allclose(classifier.predict_clips(given, peaks=peaks, batch=2), softmax(light * still), atol=1e-6)
    with pytest.raises(DataError, match="expected a peak for each of 5 clips, got 4"):
        classifier.predict_clips(given, peaks=peaks[:4])


def test_clips_of_another_size_and_colour_are_fitted() -> None:
    classifier = Classifier(CARD, session())
    grey = np.repeat(np.repeat(clips(2), 2, axis=2), 2, axis=3)
    colour = np.repeat(grey[..., None], 3, axis=4)
    np.testing.assert_allclose(classifier.predict_clips(colour), classifier.predict_clips(clips(2)), atol=3e-3)
    for wrong in (clips(2)[0], clips(2).astype(np.float32), clips(2)[:, :0]):
        with pytest.raises(DataError, match=r"expected clips of shape \(n, T, H, W\) or \(n, T, H, W, 3\) of uint8"):
            classifier.predict_clips(wrong)


def test_single_faces_and_clips_are_not_taken_for_each_other(tiny_model: object) -> None:
    from mien.zoo.store import load_classifier

    with pytest.raises(UsageError, match="expected clips for times, which sees 3 frames of each, got single faces"):
        Classifier(CARD, session()).predict(clips(2)[0])
    with pytest.raises(UsageError, match="expected single faces for tiny, got clips: call predict"):
        load_classifier(str(tiny_model)).predict_clips(clips(2))


def test_a_card_that_does_not_fit() -> None:
    longer = dataclasses.replace(CARD, input=dataclasses.replace(CARD.input, frames=4))
    with pytest.raises(ModelError, match=r"the input clip of shape \(N, 4, 1, 4, 4\), got \(None, 3, 1, 4, 4\)"):
        Classifier(longer, session())
    with pytest.raises(ModelError, match="expected a net with the input clip, or clip and image, for times, got film"):
        Classifier(CARD, session(name="film"))
    still = dataclasses.replace(CARD, input=dataclasses.replace(CARD.input, frames=0))
    with pytest.raises(ModelError, match=r"expected the input clip of shape \(N, 1, 4, 4\)"):
        Classifier(still, session())


def test_the_card_tells_of_frames() -> None:
    assert Card.parse(CARD.dump()) == CARD
    assert ("input", "3 frames of 4x4 gray, mean 0, std 1") in CARD.describe()
    with pytest.raises(ModelError, match=r"expected input.frames in 0..1024, got -1"):
        dataclasses.replace(CARD.input, frames=-1)
