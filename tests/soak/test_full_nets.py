"""Every net at its full size, and the shipped one: a step of training, and its ONNX files compute what torch does."""

import time
from pathlib import Path

import numpy as np
import pytest
from mutate import peak_mb

torch = pytest.importorskip("torch", reason="needs the extra train")

from mien.nets import NETS  # noqa: E402
from mien.nets.heads import MultiHead, mac_count, parameter_count  # noqa: E402
from mien.runtime.quantize import store_float16  # noqa: E402
from mien.runtime.session import Session  # noqa: E402
from mien.training.config import load_config, preset_names  # noqa: E402
from mien.training.export import FEATURES, output_name, write_onnx  # noqa: E402

HEADS = {"ferplus": 8, "fer2013": 7}
FACES = 128
CASES = [*((name, {}, 48) for name in sorted(NETS)), *((name, None, 0) for name in preset_names())]

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize(("name", "options", "size"), CASES, ids=lambda each: each if isinstance(each, str) else "")
def test_a_full_net_learns_and_is_exported(name: str, options: dict | None, size: int, tmp_path: Path) -> None:
    if options is None:
        config = load_config(preset=name)
        net, options, size = config.net, config.net_options, config.input.size
    else:
        net = name
    torch.manual_seed(0)
    model = MultiHead(NETS.create(net, **options), HEADS)

    began = time.perf_counter()
    optimizer = torch.optim.AdamW(model.parameters(), 1e-3)
    ids, losses = torch.arange(64) % 7, []
    images = torch.randn(64, 1, size, size) * 0.5 + ids[:, None, None, None] / 3
    for _ in range(12):
        logits, _ = model.train()(images)
        loss = sum(torch.nn.functional.cross_entropy(each, ids) for each in logits.values())
        optimizer.zero_grad()
        loss.backward()
        assert all(each.grad is not None and torch.isfinite(each.grad).all() for each in model.parameters())
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0] / 2

    write_onnx(model.eval(), tmp_path / "full.onnx", channels=1, size=size)
    store_float16(tmp_path / "full.onnx", tmp_path / "half.onnx")
    faces = torch.randn(FACES, 1, size, size)
    with torch.no_grad():
        logits, features = model(faces)
    expected = {output_name(head): each.softmax(1).numpy() for head, each in logits.items()}
    worst = {}
    for file, allowed in (("full", 1e-4), ("half", 1e-2)):  # the latter: random weights, one step of float16 each
        found = Session(tmp_path / f"{file}.onnx", threads=1).run(None, image=faces.numpy())
        worst[file] = max(float(np.abs(found[each] - expected[each]).max()) for each in expected)
        assert worst[file] <= allowed
        if file == "full":
            np.testing.assert_allclose(found[FEATURES], features.numpy(), atol=1e-4, rtol=1e-4)
    print(
        f"{name}: {parameter_count(model):,} parameters, {mac_count(model, channels=1, size=size):,} MACs, parity "
        f"{worst['full']:.1e}, stored as float16 {worst['half']:.1e}; {time.perf_counter() - began:.0f} s, peak "
        f"{peak_mb():.0f} MB"
    )
