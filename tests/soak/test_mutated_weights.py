"""Mutated weight files: all are noticed by their checksum; and what the runtime makes of those it is told to trust."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from fuzzing import cases
from fuzzing.damage import mutate

from mien.core.errors import ModelError
from mien.zoo import store

COUNT = int(os.environ.get("MIEN_SOAK_MUTATIONS", "10000"))
SCRIPT = Path(__file__).with_name("mutated_weights.py")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


def test_no_mutated_weight_file_is_loaded(tmp_path: Path) -> None:
    card = store.load_card("mien-s")
    file = tmp_path / card.files[card.default_file].file
    shutil.copyfile(store.WEIGHTS / "mien-s.toml", tmp_path / "mien-s.toml")
    original, noticed = (store.WEIGHTS / file.name).read_bytes(), 0
    count = COUNT // 5
    for number in range(count):
        changed = mutate(original, np.random.default_rng(number))
        if changed == original:  # a byte replaced by itself, say
            continue
        file.write_bytes(changed)
        with pytest.raises(ModelError, match="expected"):
            store.load_classifier(file, threads=1)
        noticed += 1
    print(f"checksum: {noticed:,} of {noticed:,} refused")
    assert noticed > count * 0.9


@pytest.mark.parametrize(("model", "count"), [("tiny", COUNT // 2), ("mien-s", COUNT // 10)])
def test_a_trusted_mutation_is_refused_or_runs(model: str, count: int, tiny_model: Path, tmp_path: Path) -> None:
    """The checksum in the card belongs to the damaged file: only the runtime's own checks are left."""
    path = tiny_model if model == "tiny" else store.WEIGHTS / "mien-s.toml"
    found = cases.run(SCRIPT, count, tmp_path / "report.json", str(path))
    print(f"trusted, {model}: {found}")
    print("\n".join(found.died))
    assert not found.wrong
    assert found.slowest < 5
    assert found.peak_mb < 1024
    assert len(found.died) <= count // 1000  # natively, in the runtime, on a file that the user vouches for
    assert min(found.counts["works"], found.counts["refused"]) > count // 50
