import json
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import DataError, OutputError
from mien.core.labels import LabelSet
from mien.pipeline.predict_table import Row, columns
from mien.pipeline.sinks import Sink

LABELS = LabelSet("three", ("neutral", "happiness", "anger"))
SUFFIXES = (".csv", ".json", ".jsonl", ".parquet")


def rows() -> list[Row]:
    """A photograph, two clips of two faces, and one that could not be read."""
    blank = dict.fromkeys(columns(LABELS))
    made = [blank | {"source": "photo.jpg", "face_id": 0, "label": "anger", "p_anger": 1.0}]
    for clip in ("a.mp4", "b.mp4"):
        for frame in range(20):
            here = blank | {"source": clip, "frame": frame, "time_s": frame / 10}
            if frame < 5:
                made.append(here)
                continue
            for face in (0, 1):
                happy = frame >= 10 + 5 * face
                share = 0.9 if happy else 0.2
                values = {"p_neutral": 0.95 - share, "p_happiness": share, "p_anger": 0.05}
                label = "happiness" if happy else "neutral"
                made.append(here | {"face_id": face, "label": label, "x1": 1.0, "score": 1.0} | values)
    return [*made, blank | {"source": "c.mp4", "error": "expected a video, got none"}]


def written(path: Path, table: list[Row]) -> Path:
    with Sink(path, columns(LABELS)) as sink:
        sink.write(table)
    return path


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_gives_the_same(suffix, tmp_path):
    result = mien.summarise(written(tmp_path / f"t{suffix}", rows()), out=tmp_path / "s.csv")
    assert [clip.source for clip in result.clips] == ["a.mp4", "b.mp4"]
    for clip in result.clips:
        assert (clip.frames, clip.labels) == (20, LABELS.labels)
        assert (clip.seconds, clip.without_face_s) == (pytest.approx(2.0), pytest.approx(0.5))
        assert [face.face_id for face in clip.faces] == [0, 1]
        assert clip.faces[0].share == pytest.approx([1 / 3, 2 / 3, 0])
        assert clip.faces[1].share == pytest.approx([2 / 3, 1 / 3, 0])
        assert clip.faces[1].transitions[0, 1] == 1
    assert result.out == tmp_path / "s.csv"
    lines = (tmp_path / "s.csv").read_text().splitlines()
    assert len(lines) == 5
    assert lines[1].startswith("a.mp4,0,0.5,2.0,1.5,15,happiness,0.333333,0.666667,0.0,1,1,0,0.5,1.0,,")
    assert "b.mp4,1,neutral,happiness,1,1.0" in (tmp_path / "s.transitions.csv").read_text().splitlines()


def test_pandas_computes_the_same_shares(tmp_path):
    """Independent: rows of even frames, counted."""
    pandas = pytest.importorskip("pandas")
    path = written(tmp_path / "t.csv", rows())
    table = pandas.read_csv(path).dropna(subset=["frame", "face_id"])
    counted = table.groupby(["source", "face_id"]).label.value_counts(normalize=True)
    means = table.groupby(["source", "face_id"])[[f"p_{label}" for label in LABELS]].mean()
    for clip in mien.summarise(path).clips:
        for face in clip.faces:
            key = (clip.source, face.face_id)
            assert face.share[:2] == pytest.approx([counted[(*key, name)] for name in LABELS.labels[:2]])
            assert face.mean == pytest.approx(means.loc[key].to_numpy())


def test_the_command_prints_it(tmp_path, capsys):
    from mien.cli.app import main

    path = written(tmp_path / "t.jsonl", rows())
    assert main(["summarise", str(path)]) == 0
    said = capsys.readouterr().out.splitlines()
    assert " ".join(said[1].split()) == "a.mp4 0 0.5 to 2.0 1.5 happiness 67%, neutral 33%"
    assert main(["summarise", str(path), "--json", "--out", str(tmp_path / "s.csv")]) == 0
    out, err = capsys.readouterr()
    [first, _] = json.loads(out)
    assert first["faces"][1]["transitions"]["neutral"] == {"neutral": 0, "happiness": 1, "anger": 0}
    assert first["faces"][0]["episode_s"] == {"neutral": 0.5, "happiness": pytest.approx(1), "anger": None}
    assert "s.transitions.csv" in err


def test_bad_tables_are_named(tmp_path):
    (tmp_path / "photos.csv").write_text("source,x\na.jpg,1\n")
    with pytest.raises(
        DataError, match=r"expected the columns source, frame, .* and p_<label>... in .*, got source, x"
    ):
        mien.summarise(tmp_path / "photos.csv")
    with pytest.raises(DataError, match="expected a table of a clip at .*nothing.csv, got no such file"):
        mien.summarise(tmp_path / "nothing.csv")
    with pytest.raises(DataError, match="expected a table that ends in .csv, .json, .jsonl, .parquet, got t.xlsx"):
        mien.summarise(tmp_path / "t.xlsx")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 no")
    (tmp_path / "broken.json").write_text('{"a": 1}')
    (tmp_path / "broken.jsonl").write_text("3\n")
    for name in ("broken.parquet", "broken.json", "broken.jsonl"):
        with pytest.raises(DataError, match=f"expected a table in .*{name}, got: "):
            mien.summarise(tmp_path / name)
    wrong = rows()
    wrong[6]["time_s"] = "soon"
    with pytest.raises(DataError, match="expected a number in the column time_s of .*, got 'soon'"):
        mien.summarise(written(tmp_path / "t.csv", wrong))
    backwards = sorted(rows(), key=lambda row: (row["source"], -(row["frame"] or 0)))
    with pytest.raises(DataError, match="expected frames in order in .*, got 18 after 19 of a.mp4: sort the table"):
        mien.summarise(written(tmp_path / "back.csv", backwards))
    mixed = sorted(rows(), key=lambda row: row["frame"] or 0)
    with pytest.raises(DataError, match="expected the rows of each clip together in .*, got a.mp4 in several places"):
        mien.summarise(written(tmp_path / "mixed.csv", mixed))


def test_nothing_is_replaced_unasked(tmp_path):
    path = written(tmp_path / "t.csv", rows())
    (tmp_path / "s.transitions.csv").write_text("mine")
    with pytest.raises(OutputError, match=r"expected no file at .*s.transitions.csv, got one"):
        mien.summarise(path, out=tmp_path / "s.csv")
    assert not (tmp_path / "s.csv").exists()
    mien.summarise(path, out=tmp_path / "s.csv", overwrite=True)
    assert (tmp_path / "s.transitions.csv").read_text() != "mine"
    with pytest.raises(OutputError, match="expected a summary that ends in .csv, got s.json"):
        mien.summarise(path, out=tmp_path / "s.json")


def test_a_table_of_photographs_alone_has_no_clip(tmp_path):
    assert mien.summarise(written(tmp_path / "t.csv", rows()[:1])).clips == ()
    assert np.isnan(mien.summarise(written(tmp_path / "u.csv", rows())).clips[0].faces[0].episode_s[2])
