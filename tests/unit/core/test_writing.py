from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import OutputError
from mien.core.images import read_image, write_image


def test_a_picture_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.full((20, 30, 3), 90, np.uint8)
    write_image(tmp_path / "a.jpg", image)
    assert read_image(tmp_path / "a.jpg").shape == image.shape

    def full(path: Path, data: bytes) -> None:
        with path.open("wb") as file:
            file.write(data[:5])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match=r"b\.jpg, got: No space left on device; nothing was left there"):
        write_image(tmp_path / "b.jpg", image)
    assert [path.name for path in tmp_path.iterdir()] == ["a.jpg"]
