"""The verb behind `mien models nets`: costs of nets by name, and one line for what is not known."""

import json

import pytest

pytest.importorskip("torch")

from mien.cli.app import main
from mien.core.errors import UsageError
from mien.verbs.models import nets


def test_costs_of_a_net_by_hand():
    (found,) = nets(["cnn5"], size=32, channels=3, options={"widths": [8], "dense": [10], "batch_norm": False})
    assert found.parameters == 8 * 3 * 9 + 8 + 8 * 16 * 16 * 10 + 10
    assert found.macs == 8 * 3 * 9 * 32 * 32 + 8 * 16 * 16 * 10
    assert (found.width, found.smallest, found.any_size, found.frames) == (10, 2, False, 0)


def test_what_cannot_be_made_is_named():
    with pytest.raises(UsageError, match="expected a net out of .*did you mean 'cnn5'?"):
        nets(["cnm5"])
    with pytest.raises(UsageError, match="expected pictures of 32 pixels or more for the net 'cnn5', got 16"):
        nets(["cnn5"], size=16)
    with pytest.raises(UsageError, match="expected 1 channel .grey. or 3 .colour., got 2"):
        nets(["cnn5"], channels=2)


def test_the_command_prints_a_table_and_json(capsys):
    words = ["models", "nets", "resnet", "--set", "widths=[8, 8]", "--set", "blocks=[1, 1]"]
    assert main(words) == 0
    assert "8 px or more" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)
    assert row["net"] == "resnet"
    assert row["width"] == 8
    assert main([*words, "--set", "widths"]) == 2
    assert "expected --set key=value" in capsys.readouterr().err
