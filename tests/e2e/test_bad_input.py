"""What a user can get wrong with `mien predict` and its relatives: one clear line, and the right exit code."""

import csv
import errno
import json
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from mien.cli.app import main
from mien.core.images import encode, read_image
from mien.pipeline import sinks

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line in an empty folder; gives exit code, stdout, stderr."""
    folder = tmp_path / "here"
    folder.mkdir()
    monkeypatch.chdir(folder)

    def command(*words: object) -> tuple[int, str, str]:
        code = main([str(word) for word in words])
        said = capsys.readouterr()
        return code, said.out, said.err

    return command


@pytest.fixture
def photograph(samples: Path) -> Path:
    return samples / "grace_hopper.jpg"


def refused(answer: tuple[int, str, str]) -> str:
    """The one line on stderr of a run that was refused."""
    code, out, err = answer
    assert code == 2
    assert out == ""
    assert err.startswith("mien: ")
    assert err.count("\n") == 1, err
    assert "Traceback" not in err
    return err.removeprefix("mien: ").rstrip("\n")


def test_a_missing_file(run: Run, tiny_model: Path) -> None:
    said = refused(run("predict", "gone.jpg", "--model", tiny_model))
    assert said == "expected a picture at gone.jpg, got no such file: check the path"


def test_not_an_image(run: Run, tiny_model: Path) -> None:
    Path("notes.txt").write_text("no picture at all")
    said = refused(run("predict", "notes.txt", "--model", tiny_model))
    asked = "give a JPEG, PNG, WebP, BMP or TIFF"
    assert said == f"expected a picture in notes.txt, got 17 bytes that are not one: {asked}"


def test_an_empty_file(run: Run, tiny_model: Path) -> None:
    Path("a.jpg").write_bytes(b"")
    said = refused(run("predict", "a.jpg", "--model", tiny_model))
    assert said == "expected a picture in a.jpg, got an empty file: copy it again"


@pytest.mark.parametrize(("suffix", "kind"), [(".tif", "TIFF"), (".gif", "GIF"), (".bmp", "BMP"), (".webp", "WebP")])
def test_a_picture_that_is_cut_off(
    tiny_model: Path, photograph: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], suffix: str, kind: str
) -> None:
    """capfd sees what OpenCV writes past Python, too."""
    data = encode(read_image(photograph), suffix)
    cut = tmp_path / f"cut{suffix}"
    cut.write_bytes(data[: len(data) // 2])
    code = main(["predict", str(cut), "--model", str(tiny_model)])
    said = refused((code, *capfd.readouterr()))
    assert said.startswith(f"expected a whole {kind} in {cut}, got one that is cut off, damaged or")
    assert code == 2
    os.write(2, b"heard again")
    assert capfd.readouterr().err == "heard again"


@pytest.mark.parametrize(("brand", "name"), [(b"heic", "HEIC"), (b"mif1", "HEIF"), (b"avif", "AVIF")])
def test_formats_that_cannot_be_read_are_named(run: Run, tiny_model: Path, brand: bytes, name: str) -> None:
    Path("a.heic").write_bytes(b"\0\0\0\x18ftyp" + brand + b"\0\0\0\0mif1" + bytes(50))
    said = refused(run("predict", "a.heic", "--model", tiny_model))
    assert said == f"expected a JPEG, PNG, WebP, BMP or TIFF in a.heic, got {name}: convert it first"


def test_an_empty_folder(run: Run, tiny_model: Path) -> None:
    Path("album").mkdir()
    said = refused(run("predict", "album", "--model", tiny_model))
    assert said.startswith(
        "expected photographs or clips in the folder album, got none: files are known as photographs"
    )


@pytest.mark.parametrize("source", ["camera:0", "rtsp://host/stream"])
def test_cameras_and_streams(run: Run, source: str) -> None:
    said = refused(run("predict", source))
    assert said.endswith(f"({source}): mien live reads those")


def test_an_unknown_model(run: Run, photograph: Path) -> None:
    assert "expected a model out of " in (said := refused(run("predict", photograph, "--model", "mien-huge")))
    assert "got 'mien-huge'" in said


def test_an_unknown_head(run: Run, photograph: Path, tiny_model: Path) -> None:
    said = refused(run("predict", photograph, "--model", tiny_model, "--head", "emotions"))
    assert said == "expected a head of tiny out of ferplus, fer2013, got 'emotions'"


def test_an_unknown_detector(run: Run, photograph: Path, tiny_model: Path) -> None:
    said = refused(run("predict", photograph, "--model", tiny_model, "--detector", "mtcn"))
    assert said == "expected a detector out of mtcnn, haar, dlib, none, got 'mtcn'; did you mean 'mtcnn'?"


def test_an_unknown_device(run: Run, photograph: Path, tiny_model: Path) -> None:
    said = refused(run("predict", photograph, "--model", tiny_model, "--device", "tpu"))
    assert said.startswith("expected a device out of auto, cpu, cuda, got 'tpu'")


def test_a_card_that_does_not_fit_its_model(run: Run, photograph: Path, tiny_model: Path) -> None:
    card = tiny_model.with_suffix(".toml")
    text = card.read_text("utf-8")
    card.write_text(text.replace("size = 48", "size = 64"), "utf-8")
    assert "expected" in (said := refused(run("predict", photograph, "--model", tiny_model)))
    assert "64" in said
    assert "48" in said
    card.write_text(text.replace("probabilities_ferplus", "logits"), "utf-8")
    assert "logits" in refused(run("predict", photograph, "--model", tiny_model))
    card.write_text(text.replace("default_head", "default_haed"), "utf-8")
    said = refused(run("predict", photograph, "--model", tiny_model))
    assert "default_he" in said
    assert str(card) in said


def test_a_model_without_a_card(run: Run, photograph: Path, tiny_model: Path) -> None:
    tiny_model.with_suffix(".toml").unlink()
    assert "tiny.toml" in refused(run("predict", photograph, "--model", tiny_model))


def test_a_tampered_weight_file(run: Run, photograph: Path, tiny_model: Path) -> None:
    data = bytearray(tiny_model.read_bytes())
    data[len(data) // 2] ^= 1
    tiny_model.write_bytes(bytes(data))
    said = refused(run("predict", photograph, "--model", tiny_model))
    assert "sha256" in said
    assert "tiny.onnx" in said


def test_a_cut_off_weight_file(run: Run, photograph: Path, tiny_model: Path) -> None:
    tiny_model.write_bytes(tiny_model.read_bytes()[:200])
    assert "tiny.onnx" in refused(run("predict", photograph, "--model", tiny_model))


def test_an_unknown_suffix_of_out(run: Run, photograph: Path, tiny_model: Path) -> None:
    said = refused(run("predict", photograph, "--model", tiny_model, "--out", "faces.xlsx"))
    assert said == "expected an output file that ends in .csv, .json, .jsonl, .parquet, got faces.xlsx"


def test_an_output_that_exists(run: Run, photograph: Path, tiny_model: Path) -> None:
    Path("faces.csv").write_text("mine")
    said = refused(run("predict", photograph, "--model", tiny_model, "--out", "faces.csv"))
    assert said == "expected no file at faces.csv, got one: choose another name, or give --overwrite"
    assert Path("faces.csv").read_text() == "mine"
    assert run("predict", photograph, "--model", tiny_model, "--out", "faces.csv", "--overwrite")[0] == 0
    assert Path("faces.csv").read_text().startswith("source,frame,")


def test_an_annotated_copy_that_exists(run: Run, photograph: Path, tiny_model: Path) -> None:
    Path("drawn").mkdir()
    Path("drawn/grace_hopper.annotated.jpg").write_text("mine")
    said = refused(run("predict", photograph, "--model", tiny_model, "--annotate", "drawn"))
    assert said.endswith("got one: choose another folder, or give --overwrite")
    assert Path("drawn/grace_hopper.annotated.jpg").read_text() == "mine"


def test_an_output_folder_that_is_not_there(run: Run, photograph: Path, tiny_model: Path) -> None:
    said = refused(run("predict", photograph, "--model", tiny_model, "--out", "gone/faces.csv"))
    assert said == f"expected to write {Path('gone/faces.csv')}, got no folder gone: make it first"


def test_an_output_folder_that_is_a_file(run: Run, photograph: Path, tiny_model: Path) -> None:
    Path("drawn").write_text("a file")
    said = refused(run("predict", photograph, "--model", tiny_model, "--annotate", "drawn"))
    assert said.startswith("expected a folder to write annotated pictures at drawn, got: ")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_without_permission(run: Run, photograph: Path, tiny_model: Path) -> None:
    Path("locked").mkdir(mode=0o555)
    said = refused(run("predict", photograph, "--model", tiny_model, "--out", "locked/faces.csv"))
    assert said.startswith("expected to write locked/faces.csv, got: Permission denied")


def test_a_full_disk(run: Run, photograph: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sinks.os, "fsync", full)
    said = refused(run("predict", photograph, "--model", tiny_model, "--out", "faces.csv"))
    assert said == "expected to write faces.csv, got: No space left on device; nothing was left there"
    assert list(Path().iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_behind_stdout(photograph: Path, tiny_model: Path) -> None:
    command = [sys.executable, "-m", "mien.cli", "predict", str(photograph), "--model", str(tiny_model)]
    with open("/dev/full", "w") as full:
        done = subprocess.run([*command, "--detector", "none"], stdout=full, stderr=subprocess.PIPE, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines()[0] == "mien: expected to read and write, got: No space left on device"
    assert "Traceback" not in done.stderr


def test_ctrl_c(run: Run, photograph: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stop(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.runtime.classifier.Classifier.predict", stop)
    code, out, err = run("predict", photograph, "--model", tiny_model, "--out", "faces.csv")
    assert (code, out, err) == (2, "", "mien: interrupted: faces.csv was not written\n")
    assert list(Path().iterdir()) == []
    assert run("predict", photograph, "--model", tiny_model) == (2, "", "mien: interrupted\n")


def test_ctrl_c_while_the_command_is_loaded(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from mien.cli import __main__ as start

    def stop() -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("mien.cli.app.main", stop)
    assert start.main() == 2
    assert capsys.readouterr().err == "mien: interrupted\n"


@pytest.mark.skipif(os.name == "nt", reason="a shell closes streams in another way there")
def test_closed_streams_are_no_error(samples: Path, tiny_model: Path) -> None:
    words = [sys.executable, "-m", "mien.cli", "predict", str(samples), "gone.jpg", "--model", str(tiny_model)]
    command = " ".join(map(shlex.quote, [*words, "--detector", "none"]))
    for closed, out, err in ((">&-", 0, 3), ("2>&-", 3, 0), ("<&- >&- 2>&-", 0, 0)):
        done = subprocess.run(f"{command} {closed}", shell=True, capture_output=True, text=True)
        assert done.returncode == 1, closed
        assert len(done.stdout.splitlines()) == out, done.stdout
        assert len(done.stderr.splitlines()) == err, done.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals differ there")
def test_a_reader_that_goes_away_is_no_error(samples: Path, tiny_model: Path) -> None:
    words = ["predict", *[str(samples)] * 200, "--model", str(tiny_model), "--detector", "none", "--json"]
    with subprocess.Popen(
        [sys.executable, "-m", "mien.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.read(10)
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_in_a_batch_the_bad_become_rows_and_the_others_go_on(
    run: Run, photograph: Path, tiny_model: Path, tmp_path: Path
) -> None:
    album = tmp_path / "album"
    album.mkdir()
    (album / "a.jpg").write_bytes(photograph.read_bytes())
    (album / "b.jpg").write_bytes(b"broken")
    (album / "c.heic").write_bytes(b"\0\0\0\x18ftypheic" + bytes(50))
    (album / "cut.jpg").write_bytes(photograph.read_bytes()[:700])
    (album / "notes.txt").write_text("x")
    words = ["predict", album, "gone.jpg", photograph, "--model", tiny_model, "--detector", "none", "--out", "t.csv"]
    code, out, err = run(*words)
    assert code == 1
    assert out == ""
    with open("t.csv", encoding="utf-8", newline="") as file:
        rows = {Path(row["source"]).name: row for row in csv.DictReader(file)}
    assert [name for name, row in rows.items() if row["error"]] == ["b.jpg", "c.heic", "cut.jpg", "gone.jpg"]
    assert rows["a.jpg"]["face_id"] == rows["grace_hopper.jpg"]["face_id"] == "0"
    assert "got HEIC: convert it first" in rows["c.heic"]["error"]
    for name in ("b.jpg", "c.heic", "cut.jpg", "gone.jpg"):
        assert sum(name in line for line in err.splitlines()) == 1
    assert "mien: skipped 1 file that is neither photograph nor clip: 1 .txt\n" in err
    assert err.endswith("mien: 4 inputs out of 6 failed\n")


def test_json_on_stdout_is_only_json(run: Run, photograph: Path, tiny_model: Path) -> None:
    code, out, err = run("predict", "gone.jpg", photograph, "--model", tiny_model, "--detector", "none", "--json")
    assert code == 1
    assert [row["face_id"] for row in json.loads(out)] == [None, 0]
    assert err == "mien: expected a picture at gone.jpg, got no such file: check the path\n"


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (["predict"], "Missing argument 'SOURCE'. Try `mien predict --help`."),
        (["predict", ""], "expected the path of a photograph or folder, got an empty one: name a source"),
        (["predict", "a.jpg", "--foo"], "No such option: --foo"),
        (["predict", "a.jpg", "--min-face", "many"], "Invalid value for '--min-face'"),
        (["predict", "a.jpg", "--min-face", "0"], "expected min_face of 1 pixel or more, got 0"),
        (["predict", "a.jpg", "--abstain", "2"], "expected a probability in 0..1 to abstain below, got 2.0"),
        (["predcit", "a.jpg"], "No such command 'predcit'"),
        (["models"], "Missing command. Try `mien models --help`."),
        (["models", "show", "mien-huge"], "expected a model out of"),
        (["bench", "warm"], "expected a bench out of inference, cold, training, got 'warm'"),
        (["train", "--out", "run"], "Missing option '--data'"),
        (["data", "prepare", "fer2013=gone", "--out", "t.parquet"], "expected"),
        (
            ["data", "prepare", "fer2013=gone", "--out", "t.csv"],
            "expected a table's name to end in .parquet, got t.csv",
        ),
        (["evaluate", "mien-huge", "--data", "fer2013=gone"], "expected"),
    ],
)
def test_wrong_use_is_one_line(run: Run, words: list[str], line: str) -> None:
    Path("a.jpg").write_bytes(b"x")
    assert line in refused(run(*words))


def test_debug_shows_the_traceback(run: Run) -> None:
    from mien.core.errors import InputError

    with pytest.raises(InputError):
        run("predict", "gone.jpg", "--debug")
    with pytest.raises(InputError):
        run("--debug", "predict", "gone.jpg")


FER_HEAD = "emotion,Usage,pixels\n"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("emotion,pixels\n0," + "0 " * 2304 + "\n", "Usage"),
        (FER_HEAD + "0,Training," + " ".join(["7"] * 2303) + "\n", "2303"),
    ],
    ids=["missing column", "2303 pixels"],
)
def test_a_csv_with_a_fault(run: Run, text: str, said: str) -> None:
    Path("fer").mkdir()
    Path("fer/fer2013.csv").write_text(text)
    line = refused(run("data", "prepare", "fer2013=fer", "--out", "t.parquet"))
    assert said in line.replace(",", "")
    assert "fer2013.csv" in line
    assert not Path("t.parquet").exists()
