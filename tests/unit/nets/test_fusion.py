"""Fusions: late against the mean of probabilities, what each branch sees, and settings that make no sense."""

import numpy as np
import pytest
import torch

from mien.core.errors import UsageError
from mien.nets import build_trunk
from mien.nets.fusion import LateHead
from mien.nets.heads import MultiHead, example_inputs
from mien.runtime.session import Session
from mien.training.export import FEATURES, output_name, write_onnx

SIDE, FRAMES = 16, 4
PICTURE = {"net": "resnet", "options": {"widths": [8, 16], "blocks": [1, 1]}}
MOTION = {"net": "cnn-gru", "input": "clip", "options": {"hidden": 12, "options": PICTURE["options"]}}


def fusion(branches=None, **options):
    torch.manual_seed(0)
    branches = {"peak": PICTURE, "motion": MOTION} if branches is None else branches
    return build_trunk("fusion", in_channels=1, size=SIDE, options={"branches": branches} | options).eval()


def given(net, n=3):
    shapes = example_inputs(net.inputs, batch=n, channels=1, size=SIDE, frames=FRAMES)
    generator = torch.Generator().manual_seed(1)
    return [torch.randn(each.shape, generator=generator) for each in shapes]


def test_late_fusion_is_a_weighted_mean_of_probabilities():
    torch.manual_seed(0)
    head = LateHead([3, 5], 4)
    head.weights.data = torch.tensor([0.3, -1.1])
    summary = torch.randn(6, 8)
    with torch.no_grad():
        found = head(summary).numpy()
        each = [
            head.branches[0](summary[:, :3]).softmax(1).numpy(),
            head.branches[1](summary[:, 3:]).softmax(1).numpy(),
        ]
    share = np.exp([0.3, -1.1]) / np.exp([0.3, -1.1]).sum()
    np.testing.assert_allclose(np.exp(found), share[0] * each[0] + share[1] * each[1], atol=1e-6)
    np.testing.assert_allclose(np.exp(found).sum(1), 1, atol=1e-6)


@pytest.mark.parametrize("mode", ["feature", "late"])
def test_each_branch_sees_its_own_input(mode):
    net = MultiHead(fusion(mode=mode), {"a": 7, "b": 2}).eval()
    assert net.inputs == ("image", "clip")
    image, clip = given(net)
    with torch.no_grad():
        logits, shown = net(image, clip)
        other_image, shown_of_other = net(image + 1, clip)
        other_clip, same = net(image, clip + 1)
    assert {name: tuple(each.shape) for name, each in logits.items()} == {"a": (3, 7), "b": (3, 2)}
    for other in (other_image, other_clip):
        assert torch.abs(other["a"] - logits["a"]).max() > 1e-4
    torch.testing.assert_close(same, shown)  # the map is the first branch's
    assert torch.abs(shown_of_other - shown).max() > 1e-4


def test_a_vector_holds_what_all_branches_saw():
    assert fusion().width == 128
    assert fusion(width=20).width == 20
    assert fusion(mode="late").width == 16 + 12
    image, clip = given(fusion())
    net = fusion(mode="late")
    with torch.no_grad():
        vector = net.neck(net(image, clip))
        alone = net.branches[0](image).mean((2, 3))
    torch.testing.assert_close(vector[:, :16], alone)


def test_branches_may_be_of_one_kind():
    assert fusion({"one": PICTURE, "two": PICTURE}).inputs == ("image",)
    net = fusion({"one": MOTION, "two": MOTION | {"net": "cnn-lstm"}})
    assert net.inputs == ("clip",)
    with torch.no_grad():
        logits, shown = MultiHead(net, {"a": 3}).eval()(*given(net))
    assert logits["a"].shape == (3, 3)
    assert shown.shape[:2] == (3, net.channels)


@pytest.mark.parametrize("mode", ["feature", "late"])
def test_the_exported_net_computes_what_torch_computes_in_batches_of_any_size(mode, tmp_path):
    net = MultiHead(fusion(mode=mode), {"a": 7}).eval()
    for each in [net.heads["a"], *getattr(net.heads["a"], "branches", [])]:
        if isinstance(each, torch.nn.Linear):
            each.weight.data *= 30  # far from even, so that a difference shows
    write_onnx(net, tmp_path / "net.onnx", channels=1, size=SIDE, frames=FRAMES)
    session = Session(tmp_path / "net.onnx", threads=1)
    assert session.input_names == ("image", "clip")
    for n in (1, 5):
        image, clip = given(net, n)
        found = session.run(None, image=image.numpy(), clip=clip.numpy())
        with torch.no_grad():
            logits, shown = net(image, clip)
        np.testing.assert_allclose(found[output_name("a")], logits["a"].softmax(1).numpy(), atol=1e-4)
        np.testing.assert_allclose(found[FEATURES], shown.numpy(), atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    ("branches", "said"),
    [
        ({}, "expected one branch or more"),
        ({"peak": {"input": "image"}}, "expected net, options and input of the branch peak, of which net must be"),
        ({"peak": PICTURE | {"depth": 3}}, "expected net, options and input of the branch peak"),
        (
            {"peak": PICTURE | {"input": "sound"}},
            "an input of the branch peak out of image, clip, got 'sound'",
        ),
        ({"peak": PICTURE | {"input": "clip"}}, "single clip for the branch peak, got 'resnet', which takes image"),
        ({"motion": {"net": "cnn-gru"}}, "single image for the branch motion, got 'cnn-gru', which takes clip"),
        ({"all": {"net": "fusion"}}, "got 'fusion', which takes image and clip"),
        ({"peak": {"net": "resnot"}}, "did you mean 'resnet'"),
    ],
)
def test_branches_that_make_no_sense_are_refused(branches, said):
    with pytest.raises(UsageError, match=said):
        fusion(branches)


def test_modes_that_are_not_known_are_refused():
    with pytest.raises(UsageError, match="expected a mode of fusion out of feature, late, got 'early'"):
        fusion(mode="early")
