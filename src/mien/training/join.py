"""Several finished runs as one net: side by side, the logits of each calibrated, their mean the answer.

An ensemble in one file. Its heads are linear in the vectors of all branches, so it is deployed, quantised and explained
as any other net:

    logits = mean over runs of (W v + b) / T,

with W, b and v of the run's own head and net and T its temperature. The softmax of it is the normalised geometric mean
of what the runs say (a product of experts with equal weights: Hinton 2002, doi:10.1162/089976602760128018).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from mien.core.errors import TrainingError, UsageError
from mien.core.files import make_folder, replacing
from mien.core.labels import LabelSet
from mien.core.toml import to_toml
from mien.datasets.table import Table
from mien.nets.heads import MultiHead
from mien.runtime.card import IMAGE, Card
from mien.training.config import TrainConfig, as_settings
from mien.training.fit import AVERAGE, BEST, build_net, label_sets_of, load_run
from mien.training.provenance import check_run, close_run, open_run


@dataclass(frozen=True, eq=False)
class Member:
    """A finished run: its settings, net, labels and the temperature of each head."""

    run: Path
    config: TrainConfig
    net: MultiHead
    labels: Mapping[str, LabelSet]
    temperatures: Mapping[str, float]


def join(runs: Sequence[Path], table: Table, *, out: Path, name: str, about: Mapping[str, str]) -> None:
    """Write a run folder whose net is that of several runs side by side, to be exported and measured as any run.

    Args:
        runs: two or more finished runs, of nets that see single pictures of one size and colour, with equal heads.
        table: whose `valid` split the joined net is going to be calibrated on; remembered by its hash.
        out: the run folder, new.
        name: what the exported model is called.
        about: `title`, `license` and `data` of its card; where it says nothing, those of the first run that does.

    Raises:
        UsageError: less than two runs, or two that differ in input or labels.
        TrainingError: a folder holds no finished run. OutputError: `out` holds a run already, or cannot be written.
    """
    if len(runs) < 2:
        raise UsageError(f"expected two finished runs or more to join, got {len(runs)}")
    members = [_read(run) for run in runs]
    for each in members[1:]:
        _expect_alike(members[0], each)
    first = members[0]
    branches = {
        f"net{k}": {"net": each.config.net, "options": dict(each.config.net_options)} for k, each in enumerate(members)
    }
    config = TrainConfig(
        name=name,
        about=_first_said([about, *(each.config.about for each in members)]),
        net="fusion",
        net_options={"width": 0, "branches": branches},
        input=first.config.input,
        crop=first.config.crop,
        heads=tuple(first.labels),
        dropout=0.0,
    )
    identity = {
        "config": to_toml(as_settings(config)),
        "data": table.digest(),
        "labels": {head: list(labels) for head, labels in first.labels.items()},
        "lists": {},
        "joined": [each.config.name for each in members],
    }
    check_run(out, identity, resume=False)
    net = build_net(config, first.labels)
    net.load_state_dict(_state(members))
    open_run(out, identity, {})
    make_folder((out / BEST).parent)
    with replacing(out / BEST) as partial:
        torch.save({"state_dict": {AVERAGE + key: each for key, each in net.state_dict().items()}, "epoch": 0}, partial)
    close_run(out, epochs=0, diagnosis=[])


def _read(run: Path) -> Member:
    config, net = load_run(run)
    if not (run / "model.toml").exists():
        raise TrainingError(f"expected a finished run in {run}, got one without model.toml: `mien train --resume` it")
    card = Card.load(run / "model.toml")
    linear = all(isinstance(head, nn.Linear) for head in net.heads.values())
    if net.inputs != (IMAGE,) or config.regress or not linear:
        raise UsageError(
            f"expected nets of single pictures with linear heads for classes to join, got {config.net!r} in {run}"
        )
    return Member(run, config, net, label_sets_of(run), {head: each.temperature for head, each in card.heads.items()})


def _expect_alike(first: Member, other: Member) -> None:
    for what, ours, theirs in (
        ("input", first.config.input, other.config.input),
        ("crop", first.config.crop, other.config.crop),
        ("heads", _labels(first), _labels(other)),
    ):
        if ours != theirs:
            raise UsageError(f"expected runs of one {what} to join, got {ours} in {first.run}, {theirs} in {other.run}")


def _labels(member: Member) -> dict[str, tuple[str, ...]]:
    return {head: tuple(labels) for head, labels in member.labels.items()}


def _state(members: Sequence[Member]) -> dict[str, Tensor]:
    """The values of the joined net: each trunk under its place, each neck likewise, heads side by side."""
    state: dict[str, Tensor] = {}
    for k, member in enumerate(members):
        trunk: Any = member.net.trunk
        for key, value in trunk.state_dict().items():
            in_neck = key.startswith("neck.")
            place = f"neck.necks.{k}.{key.removeprefix('neck.')}" if in_neck else f"branches.{k}.{key}"
            state[f"trunk.{place}"] = value
    for head in members[0].labels:
        heads: list[Any] = [each.net.heads[head] for each in members]
        shares = [1 / (len(members) * each.temperatures[head]) for each in members]
        pairs = list(zip(heads, shares, strict=True))
        state[f"heads.{head}.weight"] = torch.cat([each.weight * share for each, share in pairs], 1)
        state[f"heads.{head}.bias"] = torch.stack([each.bias * share for each, share in pairs]).sum(0)
    return state


def _first_said(abouts: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """Of each name the first text that is not empty."""
    return {name: text for each in reversed(abouts) for name, text in each.items() if text}
