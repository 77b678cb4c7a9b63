"""The verb merge: tables of several data sets become one, side by side or under common labels."""

import json

import numpy as np
import pytest
from layouts.faces import face

from mien.cli.app import main
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.images import write_image
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.explore import moments
from mien.verbs.merge import merge


def make(name, n=8, *, size=12, color=False, source=None, seed=0, soft=False, **extra):
    generator = np.random.default_rng(seed)
    labels = LABEL_SETS[source or name]
    shares = np.eye(len(labels), dtype=np.float32)[np.arange(n) % len(labels)] if soft else None
    return Table(
        np.array([f"{name}-{k}" for k in range(n)], np.str_),
        generator.integers(0, 256, (n, size, size, 3) if color else (n, size, size), dtype=np.uint8),
        np.array([("train", "valid")[k % 4 == 3] for k in range(n)], np.str_),
        {source or name: LabelColumn(labels, np.arange(n, dtype=np.int16) % len(labels), shares, "all rows", "a.csv")},
        {key: np.array([value] * n) for key, value in extra.items()},
        {"name": name, "failed": "3"},
    )


@pytest.fixture
def save(tmp_path):
    def save(table, name=""):
        path = tmp_path / f"{name or table.meta['name']}.parquet"
        write_table(table, path)
        return path

    return save


SEVEN = 'name = "seven"\nlabels = ["neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear"]\n'


def test_without_a_map_label_sources_stand_side_by_side(save, tmp_path):
    one, two = make("fer2013"), make("ck48", seed=1, subject="S005")
    result = merge([save(one), save(two)], out=tmp_path / "new" / "t.parquet")
    table = read_table(result.out)
    assert table.digest() == result.digest and len(table) == 16
    assert table.extra["dataset"].tolist() == ["fer2013"] * 8 + ["ck48"] * 8
    assert table.extra["subject"].tolist() == [""] * 8 + ["S005"] * 8
    assert table.sources["fer2013"].names() == [*one.sources["fer2013"].names(), *[None] * 8]
    assert table.sources["ck48"].names() == [*[None] * 8, *two.sources["ck48"].names()]
    assert result.images == {"fer2013": {"train": 6, "valid": 2}, "ck48": {"train": 6, "valid": 2}}
    assert result.labels["fer2013"]["anger"] == {"train": 1, "valid": 1}
    assert result.labels["fer2013"][""] == {"train": 6, "valid": 2}
    assert table.meta["name"] == "fer2013+ck48" and "failed" not in table.meta
    assert json.loads(table.meta["merged"]) == {"fer2013": one.digest(), "ck48": two.digest()}
    np.testing.assert_allclose(json.loads(table.meta["mean"]), moments(table).mean)


def test_with_a_map_there_is_one_source_over_common_labels(save, tmp_path):
    map_file = tmp_path / "seven.toml"
    map_file.write_text(SEVEN + '[labels_map]\ncontempt = ""\n[labels_map.ck48]\nfear = "surprise"\n')
    one, two = make("fer2013"), make("ck48", seed=1)
    result = merge([save(one), save(two)], out=tmp_path / "t.parquet", label_map=map_file)
    table = read_table(result.out)
    fer = one.sources["fer2013"].names()
    ck = [{"fear": "surprise"}.get(each, each) for each in two.sources["ck48"].names() if each != "contempt"]
    assert list(table.sources) == ["seven"] and table.sources["seven"].names() == [*fer, *ck]
    assert table.sources["seven"].label_set.labels[:2] == ("neutral", "happiness")
    assert result.notes == ("images of ck48 left out, without a label of the map: 1",)
    assert table.meta["label_map"] == "seven.toml"


def test_an_unmapped_label_is_named(save, tmp_path):
    map_file = tmp_path / "seven.toml"
    map_file.write_text(SEVEN)
    with pytest.raises(
        DataError, match=r"got 'contempt' in ck48: say in .*seven\.toml which one it is, or \"\" to drop"
    ):
        merge([save(make("fer2013")), save(make("ck48"))], out=tmp_path / "t.parquet", label_map=map_file)
    assert not (tmp_path / "t.parquet").exists()


def test_images_with_a_distribution_alone_stay(save, tmp_path):
    table = make("ferplus", soft=True)
    column = table.sources["ferplus"]
    undecided = LabelColumn(column.label_set, np.full(8, -1, np.int16), column.soft)
    table = Table(table.ids, table.images, table.split, {"ferplus": undecided}, {}, table.meta)
    map_file = tmp_path / "map.toml"
    map_file.write_text('[labels_map]\ncontempt = ""\n[labels_map.rafdb]\nfear = ""\n')
    result = merge([save(table)], out=tmp_path / "t.parquet", label_map=map_file)
    merged = read_table(result.out)
    assert len(merged) == 7 and merged.sources["labels"].soft.shape == (7, 7)
    assert f"{map_file} has a part for rafdb, which is none of the data: ferplus" in result.notes


def test_a_label_source_that_nothing_has_is_not_passed_over(save, tmp_path):
    map_file = tmp_path / "map.toml"
    map_file.write_text("[labels_map]\n")
    paths, out = [save(make("fer2013"))], tmp_path / "t.parquet"
    with pytest.raises(UsageError, match="expected a label source out of fer2013, got 'fer2031'; did you mean"):
        merge(paths, out=out, label_map=map_file, sources=["fer2031"])
    with pytest.raises(UsageError, match="expected a label map with the source fer2013, got none: give --label-map"):
        merge(paths, out=out, sources=["fer2013"])
    assert not out.exists()


def test_of_several_label_sources_one_is_to_be_named(save, tmp_path):
    table, other = make("fer2013"), make("fer2013", source="ferplus").sources["ferplus"]
    both = Table(table.ids, table.images, table.split, {**table.sources, "ferplus": other}, {}, table.meta)
    map_file = tmp_path / "map.toml"
    map_file.write_text("")
    paths = [save(both), save(make("ck48"))]
    with pytest.raises(UsageError, match="expected one label source of fer2013 to map, got fer2013, ferplus: name one"):
        merge(paths, out=tmp_path / "t.parquet", label_map=map_file)
    result = merge(paths, out=tmp_path / "t.parquet", label_map=map_file, sources=["ferplus"])
    assert read_table(result.out).sources["labels"].names()[:8] == other.names()
    map_file.write_text('name = "fer2013"')  # what a table has under this name was mapped before
    result = merge(paths, out=tmp_path / "u.parquet", label_map=map_file)
    assert read_table(result.out).sources["fer2013"].names()[:8] == table.sources["fer2013"].names()


def test_sizes_and_colours_are_brought_to_one(save, tmp_path):
    paths = [save(make("fer2013", size=12)), save(make("rafdb", size=20, color=True))]
    with pytest.raises(
        DataError, match=r"got 12x12 grey in fer2013, 20x20 colour in rafdb: .* --size PX, --gray"
    ) as caught:
        merge(paths, out=tmp_path / "t.parquet")
    assert "\n" not in str(caught.value)
    with pytest.raises(DataError, match="12x12 grey in fer2013, 12x12 colour in rafdb"):
        merge(paths, out=tmp_path / "t.parquet", size=12)
    table = read_table(merge(paths, out=tmp_path / "t.parquet", size=10, gray=True).out)
    assert table.images.shape == (16, 10, 10) and table.meta["size"] == "10x10" and table.meta["colour"] == "gray"
    same = read_table(merge(paths[0], out=tmp_path / "u.parquet", size=12, gray=True).out)
    np.testing.assert_array_equal(same.images, make("fer2013", size=12).images)


def test_two_tables_of_one_data_set_are_called_by_their_files(save, tmp_path):
    one, two = make("fer2013"), make("fer2013", seed=1)
    two = Table(np.array([f"b-{k}" for k in range(8)]), two.images, two.split, two.sources, {}, two.meta)
    merged = merge([save(one, "a"), save(two, "b")], out=tmp_path / "t.parquet")
    assert list(merged.images) == ["a", "b"]
    again = merge([merged.out, save(make("ck48"))], out=tmp_path / "u.parquet")
    assert list(again.images) == ["a", "b", "ck48"]
    with pytest.raises(DataError, match="expected data without a common image, got 8 ids more than once"):
        merge([tmp_path / "a.parquet", save(one, "c")], out=tmp_path / "v.parquet")
    with pytest.raises(UsageError, match="expected tables of different names, got a 2 times"):
        merge([tmp_path / "a.parquet"] * 2, out=tmp_path / "v.parquet")


def test_data_sets_as_they_are_distributed(save, tmp_path):
    for k, label in enumerate(("happy", "angry")):
        (tmp_path / "own" / label).mkdir(parents=True)
        write_image(tmp_path / "own" / label / "1.png", face("happiness", seed=k, size=12))
    result = merge([save(make("fer2013")), f"folder={tmp_path / 'own'}"], out=tmp_path / "t.parquet", gray=True)
    assert result.images["own"] == {"train": 2}
    assert read_table(result.out).ids.tolist()[-2:] == ["folder-angry/1.png", "folder-happy/1.png"]


def test_what_cannot_be_done(save, tmp_path):
    path = save(make("fer2013"))
    with pytest.raises(UsageError, match="expected tables to merge, got none"):
        merge([], out=tmp_path / "t.parquet")
    with pytest.raises(UsageError, match="expected a size of 1 to 4096 pixels, got 0"):
        merge([path], out=tmp_path / "t.parquet", size=0)
    with pytest.raises(OutputError, match="expected no file at"):
        merge([path], out=path)
    map_file = tmp_path / "map.toml"
    map_file.write_text(
        'labels = ["bored"]\n[labels_map]\n' + "\n".join(f'{each} = ""' for each in LABEL_SETS["fer2013"])
    )
    with pytest.raises(DataError, match="expected images for the table, got none"):
        merge([path], out=tmp_path / "t.parquet", label_map=map_file)


def test_the_command(save, tmp_path, capsys):
    paths = [str(save(make("fer2013"))), str(save(make("ck48")))]
    out = str(tmp_path / "t.parquet")
    assert main(["data", "merge", *paths, "--out", out]) == 0
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[:4] == [
        ["data", "set", "train", "valid"],
        ["fer2013", "6", "2"],
        ["ck48", "6", "2"],
        ["(all)", "12", "4"],
    ]
    assert ["(none)", "6", "2"] in lines and "wrote" in said.err
    assert main(["data", "merge", *paths, "--out", out, "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["images"]["ck48"] == {"train": 6, "valid": 2}
    assert main(["data", "merge", *paths, "--out", out]) == 2
    assert "expected no file at" in capsys.readouterr().err
    assert main(["data", "merge", "--help"]) == 0
    assert "mien data merge ferplus.parquet" in capsys.readouterr().out
