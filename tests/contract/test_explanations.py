"""One battery over every registered net: each method gives a map in 0..1 that lies where a planted signal lies."""

from dataclasses import replace
from functools import lru_cache

import numpy as np
import pytest
import torch
from captum.attr import LayerGradCam

from mien.core.errors import UsageError
from mien.core.labels import LabelSet
from mien.explanation.attention import attention_blocks, attention_maps
from mien.explanation.explainer import METHODS, explain_faces
from mien.explanation.gradcam import METHODS as FROM_MAPS
from mien.explanation.gradcam import gradcam, look, net_maps
from mien.explanation.maps import to_unit
from mien.explanation.net_explainer import NetExplainer
from mien.explanation.occlusion import occlusion
from mien.nets import NETS, build_trunk
from mien.nets.heads import MultiHead, inputs_of
from mien.runtime.card import CLIP, IMAGE, InputSpec
from mien.runtime.preprocess import to_tensor

FRAMES = 3
VIT = "vit_tiny_patch16_224"

# Small pictures and few channels, but a last map of four places a side or more: else it could not say where.
SMALL = {
    "cnn3": (32, {"widths": (8, 16, 16), "dense": (16,), "dropout": 0.0, "conv_norm": True}),
    "cnn5": (64, {"widths": (8, 8, 8, 16, 16), "dense": (16,), "pool": "max"}),
    "vgg4": (64, {"widths": (8, 8, 16, 16), "convolutions": 1, "dense": (16,), "dropout": 0.0}),
    "cbam5": (64, {"widths": (8, 8, 8, 16, 16), "convolutions": 1, "dense": (16,), "reduction": 4, "dropout": 0.0}),
    "resnet": (32, {"widths": (8, 16, 16), "blocks": (1, 1, 1)}),
    "resnet-cbam": (32, {"widths": (8, 16, 16), "blocks": (1, 1, 1), "reduction": 4}),
    "resnet-sa": (32, {"widths": (8, 16, 16), "blocks": (1, 1, 1)}),
    "cnn-lstm": (32, {"options": {"widths": (8, 16, 16)}, "hidden": 16}),
    "cnn-gru": (32, {"options": {"widths": (8, 16, 16)}, "hidden": 16}),
    "cnn-mean": (32, {"options": {"widths": (8, 16, 16)}}),
    "fusion": (32, {"width": 16}),
    VIT: (32, {"patch_size": 4, "embed_dim": 32, "depth": 3, "num_heads": 2}),
}
# In these a part of the picture is known in all places of the last map: channel attention weighs all of them by what is
# in one, tokens exchange what they hold. There Grad-CAM need not lie where the signal lies, and on these it does not;
# occlusion does, in every net. (And Eigen-CAM knows no class: it may show the rest of the picture.)
GLOBAL = ("cbam5", "resnet-cbam", VIT)
ATTENTION = ("cbam5", "resnet-cbam", "resnet-sa", VIT)


def planted(rng, n, side):
    """Grey noise pictures; of every second one a quadrant holds a bright disc, which is class 1. And its quadrant."""
    pictures = rng.normal(90, 12, (n, side, side))
    quadrant = rng.integers(0, 4, n)
    y, x = np.mgrid[:side, :side]
    half = side // 2
    for i in range(0, n, 2):
        top, left = quadrant[i] // 2 * half, quadrant[i] % 2 * half
        pictures[i][np.hypot(y - top - half / 2 + 0.5, x - left - half / 2 + 0.5) < side / 6] += 120
    return np.clip(pictures, 0, 255).astype(np.uint8), (np.arange(n) + 1) % 2, quadrant


def spec(side):
    return InputSpec(size=side, color="gray", mean=(0.4,), std=(0.25,))


def given(trunk, pictures, side):
    """What a net takes of these pictures: the same one in all frames of a clip."""
    tensor = torch.from_numpy(to_tensor(pictures, spec(side)))
    forms = {IMAGE: tensor, CLIP: tensor[:, None].repeat(1, FRAMES, 1, 1, 1)}
    return tuple(forms[each] for each in inputs_of(trunk))


@lru_cache
def learnt(name):
    """A net that tells pictures with a disc from those without, and the side of its pictures."""
    side, options = SMALL.get(name, (48, {}))  # of a new net, what it is by default
    torch.manual_seed(0)
    trunk = build_trunk(name, in_channels=1, size=side, options=options)
    net = MultiHead(trunk, {"disc": 2}).train()
    optimizer = torch.optim.AdamW(net.parameters(), 4e-3)
    rng = np.random.default_rng(0)
    for each in net.modules():
        if isinstance(each, torch.nn.BatchNorm2d):
            each.momentum = 0.3  # few steps must do
    for step in range(80):
        pictures, classes, _ = planted(rng, 24, side)
        logits = net(*given(trunk, pictures, side))[0]["disc"]
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(classes))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if step >= 25 and loss.item() < 0.01:
            break
    return net.eval(), side


@pytest.fixture(params=sorted([*NETS, VIT]))
def name(request):
    return request.param


def share_inside(maps, quadrants):
    """(n,) how much of a map's heat lies in the quadrant that holds the disc."""
    half = maps.shape[1] // 2
    found = []
    for heat, quadrant in zip(maps, quadrants, strict=True):
        top, left = quadrant // 2 * half, quadrant % 2 * half
        found.append(heat[top : top + half, left : left + half].sum() / max(heat.sum(), 1e-9))
    return np.array(found)


def of_class_1(side, n=16):
    pictures, classes, quadrants = planted(np.random.default_rng(1), n, side)
    return pictures[classes == 1], quadrants[classes == 1]


def in_range(maps, shape):
    return (
        maps.shape == shape
        and maps.dtype == np.float32
        and bool(np.isfinite(maps).all())
        and 0 <= maps.min() <= maps.max() <= 1
    )


def test_the_nets_have_learnt(name):
    net, side = learnt(name)
    pictures, classes, _ = planted(np.random.default_rng(2), 32, side)
    with torch.no_grad():
        found = net(*given(net.trunk, pictures, side))[0]["disc"].argmax(1).numpy()
    assert (found == classes).mean() > 0.9


@pytest.mark.parametrize("method", list(FROM_MAPS))
def test_maps_lie_where_the_signal_lies(name, method):
    net, side = learnt(name)
    pictures, quadrants = of_class_1(side)
    found = net_maps(net, given(net.trunk, pictures, side), [1] * len(pictures), head="disc", method=method)
    assert list(found) == list(net.inputs)
    shapes = {IMAGE: (len(pictures), side, side), CLIP: (len(pictures), FRAMES, side, side)}
    for input, maps in found.items():
        assert in_range(maps, shapes[input])
    together = sum(maps if input == IMAGE else maps.sum(1) for input, maps in found.items())
    inside = share_inside(together, quadrants)
    if method != "eigencam" and name not in GLOBAL:
        assert np.median(inside) > 0.3  # of a map that knows nothing a quarter


def test_occlusion_lies_where_the_signal_lies(name):
    net, side = learnt(name)
    pictures, quadrants = of_class_1(side, 8)
    clips = CLIP in net.inputs

    @torch.no_grad()
    def predict(some):
        tensors = {IMAGE: some[:, -1] if clips else some, CLIP: some}
        flat = {
            input: torch.from_numpy(to_tensor(each.reshape(-1, side, side), spec(side))).reshape(
                *each.shape[: each.ndim - 2], 1, side, side
            )
            for input, each in tensors.items()
            if input in net.inputs
        }
        return net(*(flat[each] for each in net.inputs))[0]["disc"].softmax(1).numpy()

    shown = np.repeat(pictures[:, None], FRAMES, 1) if clips else pictures
    raw = occlusion(predict, shown, [1] * len(shown), patch=side // 2, stride=side // 8, clips=clips)
    assert raw.shape == shown.shape
    assert np.isfinite(raw).all()
    maps = np.maximum(raw.sum(1) if clips else raw, 0)
    inside = share_inside(maps, quadrants)
    assert np.median(inside) > 0.6


def test_attention_is_read_from_nets_that_have_it_and_refused_of_others(name):
    net, side = learnt(name)
    pictures, _ = of_class_1(side, 4)
    shown = given(net.trunk, pictures, side)
    if name in ATTENTION:
        assert in_range(attention_maps(net, shown, name=name), (len(pictures), side, side))
    elif net.inputs == (IMAGE,):
        with pytest.raises(
            UsageError, match=f"expected a net with attention over places .* got {name}, which has none"
        ):
            attention_maps(net, shown, name=name)


def test_grad_cam_is_that_of_captum_where_captum_knows_the_net(name):
    net, side = learnt(name)
    if net.inputs != (IMAGE,) or name == VIT:  # neither clips nor tokens
        return
    pictures, _ = of_class_1(side, 4)
    shown = given(net.trunk, pictures, side)
    layer = LayerGradCam(lambda images: net(images)[0]["disc"], net.trunk)
    theirs = layer.attribute(*shown, target=1, relu_attributions=True).detach().numpy()[:, 0]
    ours = np.maximum(gradcam(look(net, shown, [1] * len(pictures), head="disc")[0])[:, 0], 0)
    np.testing.assert_allclose(to_unit(ours), to_unit(theirs), atol=1e-4)


def test_every_block_of_cbam_is_read(name):
    net, side = learnt(name)
    pictures, _ = of_class_1(side, 4)
    blocks = attention_blocks(net, given(net.trunk, pictures, side))
    counts = {"cbam5": 5, "resnet-cbam": 3, "resnet-sa": 1}
    assert len(blocks) == counts.get(name, 0)
    for each in blocks:
        assert each.places is not None and each.places.shape[0] == len(pictures)
        assert 0 <= each.places.min() <= each.places.max() <= 1
        assert (each.channels is None) == (name == "resnet-sa")


def test_all_methods_behind_one_face(name):
    net, side = learnt(name)
    clips = net.inputs != (IMAGE,)
    input = replace(spec(side), frames=FRAMES if clips else 0)
    explainer = NetExplainer(net, input, {"disc": LabelSet("disc", ("without", "with"))}, name="it")
    pictures, _ = of_class_1(side, 4)
    shown = np.repeat(pictures[:, None], FRAMES, 1) if clips else pictures
    for method in METHODS:
        if method == "attention" and clips:
            with pytest.raises(UsageError, match="expected a net of single pictures for the method attention, got it"):
                explain_faces(explainer, shown, method=method)
        if method == "attention" and name not in ATTENTION:
            continue
        found = explain_faces(explainer, shown, method=method, label="with")
        assert in_range(found.maps, (*shown.shape[:-2], side, side))
        assert (found.method, found.model) == (method, "it")
        assert explain_faces(explainer, shown[:0], method=method).maps.shape == (0, *shown.shape[1:])


@pytest.mark.parametrize("method", ["gradcam", "gradcam++", "eigencam"])
def test_maps_change_where_the_net_forgets(name, method):
    net, side = learnt(name)
    if net.inputs != (IMAGE,):
        return
    explainer = NetExplainer(net, spec(side), {"disc": LabelSet("disc", ("without", "with"))}, name="it")
    pictures, _ = of_class_1(side, 8)
    weights = [each.clone() for each in net.parameters()]
    found = explainer.randomise(pictures, [1] * len(pictures), method=method)
    assert found.similarity.shape == (len(found.layers), len(pictures))
    last = float(np.nan_to_num(found.similarity[-1]).mean())  # an empty map is like no other
    # The other two go by what is bright in a map, and so does a net without any training.
    assert last < (0.9 if method == "gradcam" else 0.99)
    assert all(torch.equal(a, b) for a, b in zip(weights, net.parameters(), strict=True))
