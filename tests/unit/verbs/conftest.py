"""Run folders of small nets with random weights, as a finished training leaves them."""

import pytest

from mien.core.labels import LABEL_SETS
from mien.core.toml import to_toml
from mien.runtime.card import Card, Head, InputSpec, WeightFile
from mien.runtime.session import file_sha256


@pytest.fixture(scope="session")
def make_run():
    """Makes a run folder that sees pictures of 24 pixels, or with `frames` clips of them."""
    torch = pytest.importorskip("torch")
    from mien.training.config import TrainConfig, as_settings
    from mien.training.export import output_name, write_onnx
    from mien.training.fit import AVERAGE, BEST, build_net
    from mien.training.provenance import open_run

    labels, side = {"ferplus": LABEL_SETS["ferplus"]}, 24

    def make(out, net, options, *, frames=0):
        config = TrainConfig(
            name="small",
            net=net,
            net_options=options,
            start_size=side,
            input=InputSpec(size=side, color="gray", mean=(0.5,), std=(0.25,), frames=frames),
            heads=("ferplus",),
        )
        identity = {"config": to_toml(as_settings(config)), "data": "", "labels": {"ferplus": list(labels["ferplus"])}}
        open_run(out, identity, {})
        torch.manual_seed(0)
        built = build_net(config, labels).eval()
        (out / BEST).parent.mkdir()
        state = {AVERAGE + key: each for key, each in built.state_dict().items()}
        torch.save({"state_dict": state, "epoch": 0}, out / BEST)
        write_onnx(built, out / "model.onnx", channels=1, size=side, frames=frames)
        card = Card(
            name="small",
            input=config.input,
            heads={"ferplus": Head(labels["ferplus"], output_name("ferplus"), 0.5)},
            default_head="ferplus",
            files={"float32": WeightFile("model.onnx", file_sha256(out / "model.onnx"))},
            default_file="float32",
            features="" if frames else "features",
        )
        (out / "model.toml").write_text(card.dump(), "utf-8")
        return out

    return make
