"""A space says what may be tried; what no training takes is refused before the first trial, in one clear line."""

import tomllib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import UsageError
from mien.experiments.settings import check_space, configured, idle
from mien.experiments.space import Parameter, default_space, parse_space, read_space
from mien.training.config import load_config

from .conftest import grid_of

CNN3 = load_config(changes=["net='cnn3'"])


def refused(text, base=CNN3):
    with pytest.raises(UsageError) as caught:
        check_space(parse_space(tomllib.loads(text)), base)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_tables_of_a_file_become_parameters_in_their_order(tmp_path):
    path = tmp_path / "space.toml"
    path.write_text(
        '[dropout]\ntype = "float"\nlow = 0\nhigh = 0.5\nstep = 0.25\n'
        '[augment.erase]\ntype = "float"\nlow = 0.1\nhigh = 0.4\n'
        '["net_options.widths"]\ntype = "categorical"\nchoices = [[8, 8], [16, 16]]\n'
    )
    space = read_space(path)
    assert space.keys == ("dropout", "augment.erase", "net_options.widths")
    assert grid_of(space["dropout"]) == (0.0, 0.25, 0.5)
    assert grid_of(space["net_options.widths"]) == ("[8, 8]", "[16, 16]")  # what a storage can hold
    assert space.settings({"net_options.widths": "[16, 16]"}) == {"net_options.widths": [16, 16]}
    assert parse_space(tomllib.loads(space.to_toml())) == space


@given(
    low=st.integers(1, 50),
    span=st.integers(1, 200),
    points=st.integers(2, 9),
    log=st.booleans(),
    kind=st.sampled_from(["int", "float"]),
)
@settings(max_examples=50, deadline=None)
def test_a_grid_lies_within_its_bounds_and_holds_both(low, span, points, log, kind):
    values = grid_of(Parameter("batch", kind, low, low + span, log=log, points=points))
    assert values[0] == low and values[-1] == low + span and list(values) == sorted(set(values))
    assert len(values) == (points if kind == "float" else min(points, span + 1))


def test_logarithmic_points_have_equal_ratios():
    rates = Parameter("learning_rate", "float", 1e-3, 10.0, log=True, points=5)
    assert grid_of(rates) == (0.001, 0.01, 0.1, 1.0, 10.0)
    assert grid_of(Parameter("batch", "int", 16, 64, step=16)) == (16, 32, 48, 64)


@pytest.mark.parametrize("net", ["cnn3", "resnet"])
def test_the_usual_space_is_one_that_trainings_take(net):
    base = load_config(changes=[f"net='{net}'"])
    space = default_space(base)
    check_space(space, base)
    wanted = {"learning_rate", "batch", "dropout", "optimizer", "loss", "schedule", "weight_decay", "augment.rotation"}
    options = {f"net_options.{name}" for name in ("kernel", "pool", "activation", "widths")}
    assert wanted | options <= set(space.keys)
    assert all(grid_of(each) for each in space)


@pytest.mark.parametrize("net", ["cnn-gru", "fusion"])  # the latter has widths, which are those of its branches
def test_nets_without_such_options_have_the_rest(net):
    base = load_config(changes=[f"net='{net}'", "input.frames=4"])
    space = default_space(base)
    check_space(space, base)
    assert "learning_rate" in space.keys and not any(key.startswith("net_options") for key in space.keys)


RANGE = 'type = "float"\nlow = 0.1\nhigh = 0.4\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "expected settings to search, got an empty space"),
        (f"[learning_rat]\n{RANGE}", "got 'learning_rat'; did you mean 'learning_rate'?"),
        (f"[augment.rotatoin]\n{RANGE}", "did you mean 'augment.rotation'?"),
        (f"[net_options.kernl]\n{RANGE}", "expected options that the net 'cnn3' takes"),
        ('[dropout]\ntype = "float"\nlow = 0.5\nhigh = 0.1\n', "low below high for dropout, got 0.5 to 0.1: an empty"),
        ('[dropout]\ntype = "float"\nlow = 0.5\nhigh = 0.5\n', "an empty range has nothing to try"),
        ('[loss]\ntype = "categorical"\nchoices = []\n', "expected choices of loss, got none"),
        ('[loss]\ntype = "categorical"\nchoices = ["focal"]\n', "two choices of loss or more, got one: give it with"),
        ('[loss]\ntype = "categorical"\nchoices = ["focal", "focal"]\n', "each choice of loss once"),
        ('[loss]\ntype = "categorical"\nchoices = ["focal", "hinge"]\n', "got loss: expected a loss out of"),
        (f"[dropout]\n{RANGE}log = true\nstep = 0.1\n", "step or log for dropout, got both"),
        (
            f"[dropout]\n{RANGE}step = 0.5\n",
            "a step of dropout that fits between low and high, 1e+15 times at most, got 0.5",
        ),
        (f"[dropout]\n{RANGE}step = -0.1\n", "fits between low and high, 1e+15 times at most, got -0.1"),
        (f"[dropout]\n{RANGE}step = 1e-320\n", "fits between low and high, 1e+15 times at most, got 9.99989e-321"),
        (f"[dropout]\n{RANGE}step = 0.1\npoints = 3\n", "expected step or points for dropout, got both"),
        ('[dropout]\ntype = "float"\nlow = 0\nhigh = 0.5\nlog = true\n', "low above 0 for dropout, whose range is log"),
        ('[dropout]\ntype = "float"\nlow = 0.0\nhigh = 1.5\n', "got dropout: expected dropout in 0..1 (1 excluded)"),
        ('[dropout]\ntype = "float"\nlow = 0.1\n', "expected high of dropout, got none"),
        ('[dropout]\ntype = "float"\nlow = 0.1\nhigh = nan\n', "a number of type float as high of dropout, got nan"),
        ('[dropout]\ntype = "real"\nlow = 0.1\nhigh = 0.2\n', "expected a type of dropout out of float, int, categ"),
        (f"[dropout]\n{RANGE}hi = 3\n", "got 'hi'"),
        ("[dropout]\nlow = 0.1\nhigh = 0.4\n", "expected a type of dropout, float, int, categorical, got none"),
        ("dropout = 0.1\n", "expected a table with a type as dropout of the space, got 0.1"),
        (f"[batch]\n{RANGE}", "got batch: expected int as batch, got 0.1"),
        ('[batch]\ntype = "int"\nlow = 16.5\nhigh = 64\n', "a number of type int as low of batch, got 16.5"),
        ('[select]\ntype = "categorical"\nchoices = ["loss", "accuracy"]\n', "got select: it is the same in all"),
        ('[augment.border]\ntype = "categorical"\nchoices = ["black", "sky"]\n', "augment.border out of black, edge"),
        (f"[focal_gamma]\n{RANGE}", "expected loss focal for the setting focal_gamma of the space, got cross-entropy"),
    ],
)
def test_what_no_training_takes(text, said):
    assert said in refused(text)


def test_a_file_that_is_none(tmp_path):
    with pytest.raises(UsageError, match=r"expected a search space in .*no\.toml, got: No such file"):
        read_space(tmp_path / "no.toml")
    (tmp_path / "bad.toml").write_text("[dropout\n")
    with pytest.raises(UsageError, match=r"expected TOML in .*bad\.toml"):
        read_space(tmp_path / "bad.toml")


def test_settings_that_count_for_nothing_are_left_out():
    text = (
        '[optimizer]\ntype = "categorical"\nchoices = ["adam", "sgd"]\n'
        '[momentum]\ntype = "float"\nlow = 0.5\nhigh = 0.95\n'
    )
    check_space(parse_space(tomllib.loads(text)), CNN3)
    assert idle(CNN3, {"optimizer": "adam", "momentum": 0.5}) == {"momentum"}
    assert configured(CNN3, {"optimizer": "adam", "momentum": 0.5}).momentum == CNN3.momentum
    assert configured(CNN3, {"optimizer": "sgd", "momentum": 0.5}).momentum == 0.5
    assert idle(CNN3, {"optimizer": "sgd", "momentum": 0.5}) == set()


def test_a_rate_that_nobody_set_is_that_of_the_optimiser():
    assert configured(CNN3, {"optimizer": "adam"}).learning_rate == 1e-3
    mine = load_config(changes=["net='cnn3'", "learning_rate=0.02"])
    assert configured(mine, {"optimizer": "adam"}).learning_rate == 0.02


def test_options_go_with_the_net_that_they_were_given_for():
    mine = load_config(changes=["net='cnn3'", "net_options.dense=[32]"])
    assert configured(mine, {"net": "resnet"}).net_options == {}
    assert configured(mine, {"net_options.kernel": 5}).net_options == {"dense": [32], "kernel": 5}
    nets = '[net]\ntype = "categorical"\nchoices = ["cnn3", "resnet"]\n'
    depth = '[net_options.depth]\ntype = "categorical"\nchoices = [10, 18]\n'
    assert "the net 'cnn3' takes" in refused(nets + depth)
