"""The verb check and its command: exit codes, what is printed, and what machines get."""

import json

import pytest
from layouts import fer2013 as layouts
from layouts import folder

import mien
from mien.cli.app import main
from mien.core.errors import DataError, UsageError
from mien.datasets.dataset import Published
from mien.datasets.readers import fer2013


@pytest.fixture
def run(capsys):
    def command(*words):
        code = main(["data", "check", *map(str, words)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def small(monkeypatch):
    """As if FER2013 had as many faces as the layouts."""
    counts = {split: dict.fromkeys(fer2013.PUBLISHED.counts["train"], 0) for split in ("train", "valid", "test")}
    for label, usage in layouts.FACES:
        counts[layouts.SPLITS[usage]][label] += 1
    monkeypatch.setattr(fer2013, "PUBLISHED", Published("fer2013", counts))


def test_complete(run, small, tmp_path):
    root = layouts.csv(tmp_path).root
    code, out, err = run(f"fer2013={root}")
    assert code == 0 and err == ""
    assert out.splitlines()[0] == f"fer2013: fer2013.csv, in {root}"
    assert out.splitlines()[2:5] == [
        "split  fer2013    found  published  difference",
        "train  anger          1          1           0",
        "train  disgust        1          1           0",
    ]
    assert out.splitlines()[-1] == "complete and as distributed: 12 pictures, each opened"
    assert mien.check(f"fer2013={root}").ok


def test_incomplete(run, tmp_path):
    code, out, err = run(f"fer2013={layouts.train_test(tmp_path).root}")
    assert code == 1
    assert "test   (all)" in out and "-3,589" in out and "- test is missing, 3,589 pictures\n" in out
    assert "note: test.csv has no labels" in out
    assert err.startswith("mien: incomplete: train has 8 of 28,709 pictures") and err.count("\n") == 1
    assert "handed out by Kaggle" in err


def test_a_rework(run, small, tmp_path):
    code, out, err = run(f"fer2013={layouts.kaggle_folder(tmp_path).root}")
    assert code == 1 and "not as distributed" in err
    assert "- this is a rework" in out and out.count("this is a rework") == 1


def test_an_oversampled_copy(run, small, tmp_path):
    root = layouts.kaggle_folder(tmp_path).root
    source = root / "train" / "disgust" / "Training_659019.jpg"
    for k in range(5):
        source.with_name(f"Training_659019_aug{k}.jpg").write_bytes(source.read_bytes())
    code, out, _ = run(f"fer2013={root}")
    assert code == 1
    assert "- train has more than published (disgust 6 instead of 1): an oversampled or augmented copy?\n" in out
    assert "copies, by their names (5):\n  train/disgust/Training_659019_aug0.jpg\n" in out


def test_pictures_that_are_missing_or_broken_are_named(run, tmp_path):
    root = folder.classes(tmp_path).root
    broken = [root / "Angry/1.png", *(root / f"sad/{k}.png" for k in range(30))]
    for path in broken:
        path.write_bytes(b"no picture")
    code, out, err = run(f"folder={root}")
    assert code == 1 and err.startswith("mien: incomplete: 31 pictures cannot be read, such as Angry/1.png;")
    lines = out.splitlines()
    assert "not readable (31):" in lines and "  … and 11 more (all of them with --json)" in lines
    assert any(line.startswith("  Angry/1.png: expected a picture in ") for line in lines)
    code, out, err = run(f"folder={root}", "--json")
    assert code == 1 and len(json.loads(out)["unreadable"]) == 31
    code, out, err = run(f"folder={root}", "--quick")
    assert code == 0 and "none opened; there are no published counts to compare with" in out


def test_options_of_the_reader(run, tmp_path):
    layout = folder.mapped(tmp_path / "a")
    code, out, _ = run(f"folder={layout.root}", "--set", f"label_map={layout.options['label_map']}", "--json")
    said = json.loads(out)
    assert code == 0 and said["ok"] and said["verdict"].startswith("nothing wrong: 4 pictures")
    assert {each["label"]: each["found"] for each in said["counts"][0]["classes"]} == {
        "anger": 1,
        "happiness": 1,
        "bored": 2,
    }
    code, out, err = run(f"folder={layout.root}", "--set", "colour=red")
    assert code == 2 and out == "" and "label_map" in err and err.count("\n") == 1
    code, _, err = run(f"folder={layout.root}", "--set", "colour")
    assert code == 2 and "expected --set key=value, got 'colour'" in err


def test_what_cannot_be_read_at_all(run, tmp_path):
    for spec in (f"fer2013={tmp_path}", f"fer2013={tmp_path / 'absent'}", "fer2012=x", "nothing"):
        code, out, err = run(spec)
        assert code == 2 and out == "" and err.count("\n") == 1
    with pytest.raises(DataError, match="handed out by"):
        mien.check(f"fer2013={tmp_path}")
    with pytest.raises(UsageError, match="fer2013, ferplus"):
        mien.check("fer2012=x")


def test_c_libraries_say_nothing_beside(tmp_path, capfd):
    """libpng and libjpeg write to the terminal by themselves."""
    root = folder.classes(tmp_path).root
    path = root / "happy/Ann/1.jpg"
    whole = path.read_bytes()
    path.write_bytes(whole[:400] + b"\0" * 40 + whole[440:])
    main(["data", "check", f"folder={root}"])
    assert all(line.startswith("mien: ") for line in capfd.readouterr().err.splitlines())
