"""Ten thousand mutated pictures a format: each decodes to a picture, which the recogniser takes, or is refused."""

import os
from pathlib import Path

import pytest
from fuzzing import cases

COUNT = int(os.environ.get("MIEN_SOAK_MUTATIONS", "10000"))
SCRIPT = Path(__file__).with_name("mutated_pictures.py")

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]


@pytest.mark.parametrize("kind", ["jpeg", "png", "webp", "bmp", "tiff", "gif", "pnm"])
def test_every_mutation_is_a_picture_or_one_sentence(kind: str, data_dir: Path, tmp_path: Path) -> None:
    found = cases.run(SCRIPT, COUNT, tmp_path / "report.json", kind, str(data_dir / "wild" / "images"))
    print(f"{kind}: {found}")
    assert not found.died
    assert not found.wrong
    assert found.slowest < 5
    assert found.peak_mb < 1024
    assert sum(found.counts.values()) == COUNT
    assert found.counts["refused"] > COUNT // 20, "mutations too mild: nothing was refused"
    least = COUNT // 1000 if kind == "png" else COUNT // 50  # a PNG has checksums over everything
    assert found.counts["read, with a face"] > least, "mutations too rough: nothing was read"
