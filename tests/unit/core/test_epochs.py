"""The log of a training: what was written comes back, and what is none is named."""

import subprocess
import sys

import pytest

from mien.core.epochs import read_epochs
from mien.core.errors import DataError

HEADER = "epoch,train_loss,selection\n"


def test_rows_come_back_as_they_were_written(tmp_path):
    path = tmp_path / "metrics.csv"
    assert read_epochs(path) == []
    path.write_text(f"{HEADER}0,2.5,0.3\n1,nan,0.4\n", "utf-8")
    assert read_epochs(path) == [
        {"epoch": "0", "train_loss": "2.5", "selection": "0.3"},
        {"epoch": "1", "train_loss": "nan", "selection": "0.4"},
    ]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("epoch,train_loss\n0,2.5\n", "got in line 2: 0,2.5"),
        (f"{HEADER}0,2.5,0.3\n1,,0.4\n", "got in line 3: 1,,0.4"),
        (f"{HEADER}0,2.5\n", "got in line 2: 0,2.5,None"),
        (f"{HEADER}0,2.5,0.3,9\n", "got in line 2: 0,2.5,0.3,"),
        (f"{HEADER}half,2.5,0.3\n", "got in line 2: half,2.5,0.3"),
    ],
)
def test_what_is_no_log_is_named_with_its_line(tmp_path, text, said):
    (tmp_path / "metrics.csv").write_text(text, "utf-8")
    with pytest.raises(DataError, match=r"expected a number in each column of .*metrics.csv") as raised:
        read_epochs(tmp_path / "metrics.csv")
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_bytes_that_are_no_text(tmp_path):
    (tmp_path / "metrics.csv").write_bytes(b"epoch,selection\n\xff\xfe,1\n")
    with pytest.raises(DataError, match=r"expected the log of a training in .*metrics.csv, got: .*utf-8"):
        read_epochs(tmp_path / "metrics.csv")


def test_it_needs_no_torch():
    code = "import sys, mien.core.epochs; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
