"""Every net at its full size, and the shipped one: a step of training, and its ONNX files compute what torch does."""

import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fuzzing.cases import peak_mb

torch = pytest.importorskip("torch", reason="needs the extra train")

from mien.nets import NETS, build_trunk  # noqa: E402
from mien.nets.heads import MultiHead, example_inputs, inputs_of, mac_count, parameter_count  # noqa: E402
from mien.runtime.quantize import quantize_int8, store_float16  # noqa: E402
from mien.runtime.session import Session  # noqa: E402
from mien.training.config import load_config, preset_names  # noqa: E402
from mien.training.export import FEATURES, output_name, write_onnx  # noqa: E402

HEADS = {"ferplus": 8, "fer2013": 7}
FRAMES = 4


@dataclass(frozen=True)
class Case:
    """A net, and how many pictures of which size it learns and reads."""

    net: str
    options: dict[str, Any] = field(default_factory=dict)
    size: int = 48
    channels: int = 1
    batch: int = 64
    steps: int = 16
    int8: float = 0.15  # largest difference of a probability

    def __str__(self) -> str:
        return f"{self.net} at {self.size}"


def preset_case(name: str) -> Case:
    config = load_config(preset=name)
    # What teaches is not quantized to be shipped, and its many layers add up more.
    off = {"int8": 0.25} if name == "mien-teacher" else {}
    return Case(config.net, dict(config.net_options), config.input.size, config.input.channels, **off)


PRESETS = {f"preset {name}": preset_case(name) for name in preset_names()}

OURS = {
    **{name: Case(name) for name in sorted(NETS)},
    "cbam5-224": Case("cbam5", size=224, channels=3, batch=8, steps=10),
}
OURS |= {name: case for name, case in PRESETS.items() if case.net in NETS and case not in OURS.values()}

# Nets of timm that the field compares, at the size of their pretrained weights.
SIZES = {
    "vgg16": 224,
    "resnet50": 224,
    "inception_v3": 299,
    "efficientnet_b0": 224,
    "efficientnet_b3": 300,
    "vit_small_patch16_224": 224,
}
TIMM = {name: Case(name, size=size, channels=3) for name, size in SIZES.items()}
TIMM |= {name: case for name, case in PRESETS.items() if case.net not in NETS and case not in TIMM.values()}

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def pictures(case: Case, net: MultiHead, ids: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """Noise, brighter by class: pictures, or clips."""
    shapes = example_inputs(inputs_of(net), batch=len(ids), channels=case.channels, size=case.size, frames=FRAMES)
    return tuple(torch.randn_like(each) * 0.5 + ids.view(-1, *[1] * (each.ndim - 1)) / 3 for each in shapes)


def learn(net: MultiHead, given: tuple[torch.Tensor, ...], ids: torch.Tensor, *, steps: int) -> list[float]:
    optimizer = torch.optim.AdamW(net.parameters(), 1e-3)
    losses = []
    for _ in range(steps):
        logits, _ = net.train()(*given)
        loss = sum(torch.nn.functional.cross_entropy(each, ids) for each in logits.values())
        optimizer.zero_grad()
        loss.backward()
        assert all(each.grad is not None and torch.isfinite(each.grad).all() for each in net.parameters())
        optimizer.step()
        losses.append(loss.item())
    return losses


def expect_the_same_map(found: np.ndarray, expected: np.ndarray) -> None:
    """To 1e-4 of the largest value: what is not normalised yet, after one step of inception_v3, is of any size."""
    assert np.abs(found - expected).max() <= 1e-4 * max(1.0, float(np.abs(expected).max()))


@pytest.mark.parametrize("name", OURS)
def test_a_full_net_learns_and_is_exported(name: str, tmp_path: Path) -> None:
    case = OURS[name]
    began = time.perf_counter()
    torch.manual_seed(0)
    net = MultiHead(NETS.create(case.net, in_channels=case.channels, size=case.size, **case.options), HEADS)
    ids = torch.arange(case.batch) % 7
    given = pictures(case, net, ids)
    losses = learn(net, given, ids, steps=case.steps)
    assert losses[-1] < losses[0] / 2

    named = {name: each.numpy() for name, each in zip(inputs_of(net), given, strict=True)}
    write_onnx(net.eval(), tmp_path / "full.onnx", channels=case.channels, size=case.size, frames=FRAMES)
    store_float16(tmp_path / "full.onnx", tmp_path / "half.onnx")
    halves = (slice(0, case.batch // 2), slice(case.batch // 2, None))
    batches = [{name: each[half] for name, each in named.items()} for half in halves]
    quantize_int8(tmp_path / "full.onnx", tmp_path / "int8.onnx", batches)
    with torch.no_grad():
        logits, features = net(*given)
    expected = {output_name(head): each.softmax(1).numpy() for head, each in logits.items()}
    worst = {}
    # float16: one step of each weight; int8: 256 steps of each weight and map, of a net that has learnt for seconds.
    for file, allowed in (("full", 1e-4), ("half", 1e-2), ("int8", case.int8)):
        found = Session(tmp_path / f"{file}.onnx", threads=1).run(None, **named)
        worst[file] = max(float(np.abs(found[each] - expected[each]).max()) for each in expected)
        assert worst[file] <= allowed
        if file == "full":
            expect_the_same_map(found[FEATURES], features.numpy())
    costs = mac_count(net, channels=case.channels, size=case.size, frames=FRAMES)
    differences = ", ".join(f"{file} {difference:.1e}" for file, difference in worst.items())
    print(
        f"{case}: {parameter_count(net):,} parameters, {costs:,} MACs, loss {losses[0]:.2f} to {losses[-1]:.2f}; "
        f"off by {differences}; {time.perf_counter() - began:.0f} s, peak {peak_mb():.0f} MB"
    )


@pytest.mark.parametrize("name", TIMM)
def test_a_net_of_timm_takes_a_step_and_is_exported(name: str, tmp_path: Path) -> None:
    """Without pretrained weights a few steps teach such a net nothing."""
    case = TIMM[name]
    torch.manual_seed(0)
    net = MultiHead(build_trunk(case.net, in_channels=case.channels, size=case.size, options=case.options), HEADS)
    images, ids = torch.randn(4, case.channels, case.size, case.size), torch.arange(4)
    learn(net, (images,), ids, steps=1)
    write_onnx(net.eval(), tmp_path / "full.onnx", channels=case.channels, size=case.size)
    found = Session(tmp_path / "full.onnx", threads=1).run(None, image=images.numpy())
    with torch.no_grad():
        logits, features = net(images)
    worst = max(
        float(np.abs(found[output_name(head)] - each.softmax(1).numpy()).max()) for head, each in logits.items()
    )
    assert worst <= 1e-4
    expect_the_same_map(found[FEATURES], features.numpy())
    print(f"{case}: {parameter_count(net):,} parameters, off by {worst:.1e}, peak {peak_mb():.0f} MB")
