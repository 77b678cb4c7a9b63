"""Script of test_mutated_weights.py: START STOP REPORT MODEL (an ONNX file with its card, or a card)."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from fuzzing.cases import work
from fuzzing.damage import mutate

from mien.core.errors import MienError
from mien.runtime.card import Card, WeightFile
from mien.zoo import store

SEED = 20131201


def main(start: str, stop: str, report: str, model: str) -> None:
    card = store.load_card(model)
    data = Path(model).with_name(card.files[card.default_file].file).read_bytes()
    target = Path(report).parent / "mutated.onnx"
    crops = np.random.default_rng(0).integers(0, 256, (2, 48, 48), np.uint8)

    def write(changed: bytes) -> None:
        file = WeightFile(target.name, hashlib.sha256(changed).hexdigest(), len(changed))
        target.write_bytes(changed)
        same: Card = replace(card, files={"changed": file}, default_file="changed")
        target.with_suffix(".toml").write_text(same.dump(), "utf-8")

    def case(number: int) -> str:
        write(mutate(data, np.random.default_rng((SEED, number))))
        try:
            classifier = store.load_classifier(target, threads=1, device="cpu")
        except MienError as error:
            assert "expected" in str(error) and "\n" not in str(error), str(error)
            return "refused"
        try:
            probabilities = classifier.predict(crops)
        except MienError:
            return "refused when run"
        assert np.isfinite(probabilities).all()
        return "works"

    work(case, int(start), int(stop), Path(report))


if __name__ == "__main__":
    main(*sys.argv[1:])
