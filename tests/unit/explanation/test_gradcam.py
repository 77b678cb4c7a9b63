"""Grad-CAM and Grad-CAM++ against their formulae, the derivatives taken one by one; clips; what a net sees twice."""

import numpy as np
import pytest
import torch
from torch import nn

from mien.core.errors import UsageError
from mien.explanation.gradcam import gradcam, gradcam_plus_plus, look, net_maps
from mien.nets import build_trunk
from mien.nets.heads import GlobalAverage, MultiHead


class Same(nn.Module):
    """A trunk whose feature map is the picture."""

    channels, width, smallest, any_size = 3, 3, 1, True

    def __init__(self):
        super().__init__()
        self.neck = GlobalAverage()

    def forward(self, images):
        return images * 1.0


@pytest.fixture
def net():
    torch.manual_seed(0)
    return MultiHead(Same(), {"a": 2}).eval()


@pytest.fixture
def picture():
    return torch.rand(1, 3, 2, 2, generator=torch.Generator().manual_seed(1))


def test_grad_cam_is_the_map_weighted_by_the_heads_row(net, picture):
    (seen,) = look(net, [picture], [1], head="a")
    weights = net.heads["a"].weight[1].detach()
    theirs = (weights[:, None, None] * picture[0]).sum(0).numpy()
    np.testing.assert_allclose(gradcam(seen)[0, 0], theirs, rtol=1e-5)


def test_grad_cam_plus_plus_is_that_of_the_paper(net, picture):
    """Equation 10 with second and third derivatives of exp(logit) by each value of the map."""
    a = picture.double().requires_grad_()
    y = net.double().heads["a"](a.mean((2, 3)))[0, 1].exp()
    (first,) = torch.autograd.grad(y, a, create_graph=True)
    weights = torch.zeros(3, dtype=torch.double)
    for f in range(3):
        for i in range(2):
            for j in range(2):
                (second,) = torch.autograd.grad(first[0, f, i, j], a, create_graph=True)
                (third,) = torch.autograd.grad(second[0, f, i, j], a, retain_graph=True)
                share = second[0, f, i, j] / (2 * second[0, f, i, j] + a[0, f].sum() * third[0, f, i, j])
                weights[f] += (share * first[0, f, i, j].relu()).detach()
    theirs = (weights[:, None, None] * picture[0]).sum(0).numpy()
    (seen,) = look(net.float(), [picture], [1], head="a")
    ours = gradcam_plus_plus(seen)[0, 0]
    assert theirs.max() > 0
    np.testing.assert_allclose(ours / ours.max(), theirs / theirs.max(), rtol=1e-4)


def test_a_class_that_is_spoken_against_everywhere_has_an_empty_map(net, picture):
    with torch.no_grad():
        net.heads["a"].weight[1] = -1
    assert net_maps(net, [picture], [1], head="a")["image"].max() == 0
    assert net_maps(net, [picture], [0], head="a")["image"].shape == (1, 2, 2)


def test_an_unknown_method_is_refused(net, picture):
    with pytest.raises(UsageError, match=r"expected a method out of gradcam, gradcam\+\+, eigencam, got 'occlusion'"):
        net_maps(net, [picture], [1], head="a", method="occlusion")


def test_maps_of_a_clip_share_their_scale_and_follow_the_frames():
    torch.manual_seed(0)
    small = {"options": {"widths": (4, 4), "blocks": (1, 1)}, "hidden": 4, "pooling": "mean"}
    net = MultiHead(build_trunk("cnn-gru", in_channels=1, size=16, options=small), {"a": 2}).eval()
    clips = torch.randn(2, 3, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    maps = net_maps(net, [clips], [0, 1], head="a")["clip"]
    assert maps.shape == (2, 3, 16, 16)
    assert set(maps.max((1, 2, 3)).tolist()) <= {0.0, 1.0}
    (seen,) = look(net, [clips], [0, 1], head="a")
    frames = net.trunk.frame(clips.flatten(0, 1)).detach()
    assert torch.equal(seen.maps.flatten(0, 1), frames)


def test_branches_that_see_the_same_places_are_one_map_and_others_are_not():
    torch.manual_seed(0)
    one = {"net": "resnet", "options": {"widths": (4, 4), "blocks": (1, 1)}}
    deeper = {"net": "resnet", "options": {"widths": (4, 4, 4), "blocks": (1, 1, 1)}}
    picture = torch.randn(1, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    shapes = {}
    for name, other in (("same", one), ("deeper", deeper)):
        options = {"branches": {"a": one, "b": other}, "width": 8}
        net = MultiHead(build_trunk("fusion", in_channels=1, size=16, options=options), {"a": 2}).eval()
        shapes[name] = [tuple(each.maps.shape) for each in look(net, [picture], [0], head="a")]
        assert net_maps(net, [picture], [0], head="a")["image"].shape == (1, 16, 16)
    assert shapes["same"] == [(1, 1, 8, 8, 8)]
    assert shapes["deeper"] == [(1, 1, 4, 8, 8), (1, 1, 4, 4, 4)]
