"""Nets without one of their parts: every net that has one can be built without it, and then has none."""

import pytest

from mien.nets import NETS, build_trunk
from mien.nets.without import has, without

PARTS = ("dropout", "batchnorm", "attention", "temporal")
# What each net has as it is by default.
WITH = {
    "dropout": {"cnn3", "vgg4", "cbam5"},
    "batchnorm": set(NETS),
    "attention": {"resnet-cbam", "resnet-sa", "cbam5", "cnn-lstm", "cnn-gru", "fusion"},
    "temporal": {"cnn-lstm", "cnn-gru", "fusion"},
}
CASES = [
    (
        "resnet",
        {"dropout": [0.1, 0.0, 0.0, 0.2], "attention": ["none", "none", "cbam", "self"]},
        {*PARTS} - {"temporal"},
    ),
    (
        "cnn-gru",
        {"layers": 2, "dropout": 0.3, "pooling": "last", "bidirectional": True},
        {"dropout", "batchnorm", "temporal"},
    ),
    ("cnn-lstm", {"net": "cnn5", "options": {"batch_norm": False, "attention": "channel"}}, {"attention", "temporal"}),
    ("cnn-mean", {"options": {"attention": "cbam", "dropout": 0.1}}, {"dropout", "batchnorm", "attention"}),
    (
        "fusion",
        {"branches": {"a": {"net": "resnet-sa"}, "b": {"net": "cnn-gru", "input": "clip"}}},
        {*PARTS} - {"dropout"},
    ),
]


def built(net, options):
    return build_trunk(net, in_channels=1, size=48, options=options)


@pytest.mark.parametrize("name", sorted(NETS))
def test_every_net_says_what_it_has_and_can_go_without(name):
    trunk = built(name, {})
    for part in PARTS:
        assert has(part, trunk) == (name in WITH[part]), part
        if has(part, trunk):
            assert not has(part, built(*without(part, name, {}))), part


@pytest.mark.parametrize(("name", "options", "parts"), CASES)
def test_options_that_were_given_go_too_and_the_others_stay(name, options, parts):
    kept = repr(options)
    trunk = built(name, options)
    assert {part for part in PARTS if has(part, trunk)} == parts
    for part in parts:
        changed = built(*without(part, name, options))
        assert {each for each in PARTS if has(each, changed)} <= parts - {part}
    assert repr(options) == kept


def test_without_time_the_net_of_the_frames_is_the_same():
    options = {"hidden": 8, "options": {"widths": [8, 16], "blocks": [1, 1]}}
    name, changed = without("temporal", "cnn-gru", options)
    assert (name, changed) == ("cnn-mean", {"net": "resnet", "options": options["options"]})
    shapes = [{key: each.shape for key, each in built(*net).frame.state_dict().items()}
              for net in (("cnn-gru", options), (name, changed))]  # fmt: skip
    assert shapes[0] == shapes[1]


def test_of_timms_nets_only_rates_of_dropout_can_be_taken_away():
    pytest.importorskip("timm")
    options = {"drop_path_rate": 0.2, "global_pool": "avg"}
    trunk = built("resnet10t", options)
    assert {part for part in PARTS if has(part, trunk)} == {"dropout", "batchnorm"}
    name, changed = without("dropout", "resnet10t", options)
    assert (name, changed) == ("resnet10t", {"drop_path_rate": 0.0, "global_pool": "avg"})
    assert not has("dropout", built(name, changed))
    assert has("batchnorm", built(*without("batchnorm", "resnet10t", options)))
