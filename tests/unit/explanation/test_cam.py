"""Maps from an exported feature map: those of Grad-CAM in torch, to 1e-5; Eigen-CAM by another way."""

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.explanation.cam import class_activation, eigen_activation
from mien.explanation.explainer import ModelExplainer, explain_faces
from mien.explanation.net_explainer import NetExplainer
from mien.nets import build_trunk
from mien.nets.heads import MultiHead
from mien.runtime.card import Card, Head, InputSpec, WeightFile
from mien.runtime.classifier import Classifier
from mien.runtime.session import Session
from mien.training.export import output_name, write_onnx

SPEC = InputSpec(size=32, color="gray", mean=(0.5,), std=(0.25,))
HEADS = ("ferplus", "fer2013")
SMALL = {"widths": (8, 16), "blocks": (1, 1)}
BRANCH = {"net": "resnet", "options": SMALL}
NETS = {
    "resnet": ("resnet", SMALL),
    "joined": ("fusion", {"branches": {"a": BRANCH, "b": BRANCH}, "width": 0}),
    "dense": ("cnn3", {"widths": (4, 4, 8), "dense": (8,)}),
}


def made(kind, folder):
    """A net with random weights: in torch, and exported as float32."""
    torch.manual_seed(3)
    name, options = NETS[kind]
    net = MultiHead(build_trunk(name, in_channels=1, size=32, options=options), {h: len(LABEL_SETS[h]) for h in HEADS})
    net.eval()
    write_onnx(net, folder / "net.onnx", channels=1, size=32)
    data = (folder / "net.onnx").read_bytes()
    card = Card(
        name=kind,
        input=SPEC,
        heads={head: Head(LABEL_SETS[head], output_name(head)) for head in HEADS},
        default_head="ferplus",
        files={"float32": WeightFile("net.onnx", "0" * 64)},
        default_file="float32",
        features="features",
    )
    labels = {head: LABEL_SETS[head] for head in HEADS}
    return NetExplainer(net, SPEC, labels, name=kind), ModelExplainer(Classifier(card, Session(data, threads=1)), data)


@pytest.fixture(scope="module")
def faces():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32), np.uint8)


@pytest.mark.parametrize("kind", ["resnet", "joined"])
@pytest.mark.parametrize("head", HEADS)
def test_cam_of_a_pooled_linear_head_is_grad_cam(kind, head, faces, tmp_path):
    net, model = made(kind, tmp_path)
    some = 0
    for label in LABEL_SETS[head]:
        ours = explain_faces(model, faces, head=head, label=label)
        theirs = explain_faces(net, faces, head=head, label=label)
        np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-5)
        assert ours.label == theirs.label == (label,) * len(faces)
        some += int((ours.maps.max((1, 2)) == 1).sum())
    assert some > len(faces)  # not all of them empty


def test_eigen_cam_without_torch_is_that_of_the_net(faces, tmp_path):
    net, model = made("resnet", tmp_path)
    ours, theirs = (explain_faces(each, faces, method="eigencam") for each in (model, net))
    np.testing.assert_allclose(ours.maps, theirs.maps, atol=1e-4)
    assert ours.label == ("",) * len(faces)


def test_what_the_model_says_is_explained_unless_a_label_is_named(faces, tmp_path):
    _, model = made("resnet", tmp_path)
    top = model.predict(faces).argmax(1)
    assert explain_faces(model, faces).label == tuple(LABEL_SETS["ferplus"].labels[k] for k in top)
    assert explain_faces(model, faces, label="happy").label == ("happiness",) * len(faces)


def test_a_head_on_dense_layers_is_refused_and_can_be_occluded(faces, tmp_path):
    _, model = made("dense", tmp_path)
    assert model.head_weights() is None
    with pytest.raises(UsageError, match="expected a head that is linear on the mean of the feature map .* in dense: "):
        explain_faces(model, faces)
    assert model.quickest() == "occlusion"
    assert explain_faces(model, faces[:1], method="occlusion").maps.shape == (1, 32, 32)


def test_what_needs_a_run_folder_is_said(faces, tmp_path):
    _, model = made("resnet", tmp_path)
    assert model.quickest() == "gradcam"
    for method in ("gradcam++", "attention"):
        with pytest.raises(
            UsageError, match="expected a run folder, .* got the ONNX model resnet: give the run folder"
        ):
            explain_faces(model, faces, method=method)
    with pytest.raises(
        UsageError, match=r"expected a method out of gradcam, .*, got 'gradcan'; did you mean 'gradcam'"
    ):
        explain_faces(model, faces, method="gradcan")
    with pytest.raises(UsageError, match="expected a label out of neutral, .* got 'joyous'"):
        explain_faces(model, faces, label="joyous")


def test_no_face_is_no_map(tmp_path):
    net, model = made("resnet", tmp_path)
    none = np.empty((0, 32, 32), np.uint8)
    for each in (net, model):
        for method in ("gradcam", "eigencam", "occlusion"):
            assert explain_faces(each, none, method=method).maps.shape == (0, 32, 32)


def test_a_map_is_the_channels_weighted():
    features = np.zeros((1, 2, 2, 2), np.float32)
    features[0, 0, 0, 1], features[0, 1, 1, 0] = 3, 5
    found = class_activation(features, np.array([[2.0, -1.0]], np.float32))
    np.testing.assert_array_equal(found, [[[0, 6], [-5, 0]]])


@pytest.mark.parametrize(("channels", "side"), [(3, 5), (40, 4)])
def test_the_first_component_is_that_of_the_singular_value_decomposition(channels, side):
    features = np.random.default_rng(1).normal(size=(4, channels, side, side)).astype(np.float32)
    for found, each in zip(eigen_activation(features), features, strict=True):
        places = each.reshape(channels, -1).T
        _, _, rows = np.linalg.svd(places)
        theirs = (places @ rows[0]).reshape(side, side)
        np.testing.assert_allclose(found, theirs * np.sign(theirs.sum()), atol=1e-4)


def test_the_first_component_of_one_hill_is_the_hill():
    hill = np.exp(-((np.arange(6)[:, None] - 4) ** 2 + (np.arange(6) - 1) ** 2) / 2)
    features = (np.array([1.0, 3.0, 0.5])[:, None, None] * hill)[None].astype(np.float32)
    found = eigen_activation(features)[0]
    np.testing.assert_allclose(found / found.max(), hill / hill.max(), atol=1e-5)


def test_a_head_that_is_not_there(faces, tmp_path):
    for each in made("resnet", tmp_path):
        with pytest.raises(UsageError, match="expected a head of resnet out of ferplus, fer2013, got 'rafdb'"):
            explain_faces(each, faces, head="rafdb")
