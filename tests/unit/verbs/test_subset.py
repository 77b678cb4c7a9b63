"""The verb subset: the same images for the same ids and seed, and nothing that crosses a split or a fold."""

import csv
import json

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.errors import DataError, OutputError, UsageError
from mien.core.images import decode
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, read_table, write_table
from mien.datasets.explore import moments
from mien.datasets.splits import without_duplicates
from mien.datasets.subsets import PRESETS, take
from mien.verbs.subset import subset

FER = LABEL_SETS["fer2013"]
FOUR = ["anger", "happiness", "sadness", "neutral"]


def make(n=140, *, soft=False, seed=0):
    """20 images of each of seven classes, 7 subjects with clips of 5 frames; every third image valid."""
    generator = np.random.default_rng(seed)
    ids = np.arange(n, dtype=np.int16) % 7
    shares = generator.dirichlet(np.ones(7), n).astype(np.float32) if soft else None
    return Table(
        np.array([f"face-{k:03d}" for k in range(n)], np.str_),
        generator.integers(0, 256, (n, 8, 8), dtype=np.uint8),
        np.array([("train", "train", "valid")[k // 7 % 3] for k in range(n)], np.str_),
        {"fer2013": LabelColumn(FER, ids, shares, "all rows", "fer2013.csv")},
        {"subject": np.array([f"S{k % 9}" for k in range(n)], np.str_)},
        {"name": "made up", "failed": "0", "source_sha256": "abc"},
    )


def change(table, images=None, **columns):
    parts = {name: getattr(table, name) for name in ("ids", "split", "sources", "extra", "meta")} | columns
    return Table(images=table.images if images is None else images, **parts)


@pytest.fixture
def save(tmp_path):
    def save(table, name="whole"):
        write_table(table, tmp_path / f"{name}.parquet", overwrite=True)
        return tmp_path / f"{name}.parquet"

    return save


@pytest.fixture
def whole(save):
    return save(make())


def test_some_classes_in_a_given_order(whole, tmp_path):
    result = subset(whole, labels=["sad", "anger"], split="valid", out=tmp_path / "new" / "t.parquet")
    table = read_table(result.out)
    column = table.sources["fer2013"]
    assert column.label_set.labels == ("sadness", "anger") and column.label_set.name == "fer2013"
    expected = [name for name, split, label in rows_of(make()) if split == "valid" and label in ("sadness", "anger")]
    assert table.ids.tolist() == expected
    assert result.labels == {"sadness": {"valid": 6}, "anger": {"valid": 6}} and result.images == {"valid": 12}
    assert result.digest == table.digest() and result.source_digest == make().digest()
    told = json.loads(table.meta["subset"])
    assert told == {"labels": ["sad", "anger"], "split": "valid", "source": "fer2013", "seed": 0}
    assert column.rule == "all rows; sadness, anger alone"
    assert table.meta["subset_of"] == result.source_digest and table.meta["source_sha256"] == "abc"
    np.testing.assert_allclose(json.loads(table.meta["std"]), moments(table).std)


def rows_of(table):
    return zip(table.ids.tolist(), table.split.tolist(), table.sources["fer2013"].names(), strict=True)


def test_distributions_are_over_the_classes_left(save, tmp_path):
    table = make(soft=True)
    part = read_table(subset(save(table), labels=["fear", "anger"], out=tmp_path / "t.parquet").out)
    soft = table.sources["fer2013"].soft[np.isin(table.ids, part.ids)]
    expected = soft[:, [2, 0]] / soft[:, [2, 0]].sum(1, keepdims=True)
    np.testing.assert_allclose(part.sources["fer2013"].soft, expected, rtol=1e-5)


def test_so_many_of_each_class_and_again_for_another_seed(whole, tmp_path):
    ids = {}
    for n in (3, 5):
        for seed in (0, 1):
            out = tmp_path / f"{n}-{seed}.parquet"
            result = subset(whole, labels=FOUR, per_class=n, split="train", seed=seed, out=out)
            assert result.labels == {label: {"train": n} for label in FOUR}
            ids[n, seed] = set(read_table(out).ids.tolist())
    assert ids[3, 0] < ids[5, 0] and ids[3, 1] < ids[5, 1] and ids[5, 0] != ids[5, 1]
    rule = "all rows; anger, happiness, sadness, neutral alone, 5 a class, seed 1"
    assert read_table(tmp_path / "5-1.parquet").sources["fer2013"].rule == rule
    both = subset(whole, per_class=2, out=tmp_path / "both.parquet")
    assert both.images == {"train": 14, "valid": 14}


def test_too_few_images_say_how_many_there_are(whole, tmp_path):
    with pytest.raises(
        DataError, match=r"expected 7 images of each class in valid, got sadness 6, fear 6: take fewer"
    ) as caught:
        subset(whole, labels=["sadness", "fear"], per_class=7, split="valid", out=tmp_path / "t.parquet")
    assert "\n" not in str(caught.value) and not (tmp_path / "t.parquet").exists()


def test_a_part_renamed(whole, tmp_path):
    result = subset(whole, split="valid", as_split="test", out=tmp_path / "t.parquet")
    assert result.images == {"test": 42}
    again = subset(result.out, as_split="valid", out=tmp_path / "u.parquet")
    assert again.images == {"valid": 42}


def test_duplicates_go_first(save, tmp_path):
    table = make()
    images, split = table.images.copy(), table.split.tolist()
    train, valid = (np.flatnonzero(np.array(split) == each) for each in ("train", "valid"))
    images[valid[0]] = images[train[0]]  # stands in train
    images[train[7]] = images[train[14]]  # twice, one label
    images[train[1]] = images[train[2]]  # twice, two labels
    path = save(change(table, images))
    result = subset(path, drop_duplicates=True, out=tmp_path / "t.parquet")
    gone = set(table.ids.tolist()) - set(read_table(result.out).ids.tolist())
    assert gone == {table.ids[row] for row in (valid[0], train[14], train[1], train[2])}
    keys = read_table(result.out).pixel_keys()
    assert len(set(keys)) == len(keys)
    alone = subset(path, split="valid", labels=FOUR, drop_duplicates=True, out=tmp_path / "u.parquet")
    assert table.ids[valid[0]] not in read_table(alone.out).ids, "what stands in train goes, even if train is not taken"


def test_lists_and_tables_of_images_to_leave_out(save, whole, tmp_path):
    table = make()
    (tmp_path / "drop.csv").write_text("id,action\nface-000,drop\nface-001,review\n")
    (tmp_path / "out.csv").write_text("id\nface-002\nelsewhere\n")
    other = change(table, ids=np.array([f"other-{k}" for k in range(140)])).select(slice(3, 5))
    result = subset(
        whole,
        drop=[tmp_path / "drop.csv"],
        exclude=[tmp_path / "out.csv", save(table.select([5]), "a"), save(other, "b")],
        out=tmp_path / "t.parquet",
    )
    assert read_table(result.out).ids.tolist() == [*table.ids[1:2], *table.ids[6:]]
    assert read_table(result.out).sources["fer2013"].rule == "all rows; without those listed"
    one = subset(whole, drop=tmp_path / "drop.csv", exclude=str(tmp_path / "out.csv"), out=tmp_path / "u.parquet")
    assert one.images == {"train": 96, "valid": 42}
    assert json.loads(read_table(result.out).meta["subset"])["exclude"] == ["out.csv", "a.parquet", "b.parquet"]


@pytest.mark.parametrize("group", [None, "subject"])
def test_folds_keep_together_what_belongs_together(group, save, tmp_path):
    table = make()
    images = table.images.copy()
    images[49:58] = images[40:49]  # each of the same subject
    clips = np.array([f"c{k % 9}" if k < 27 else "" for k in range(140)])
    path = save(change(table, images, extra={**table.extra, "clip_id": clips, "frame": np.arange(140)}))
    result = subset(path, folds=4, group=group, out=tmp_path / "t.parquet")
    part = read_table(result.out)
    fold = part.extra["fold"]
    assert sum(result.folds.values()) == 140 and set(result.folds) == {0, 1, 2, 3}
    np.testing.assert_array_equal(fold[40:49], fold[49:58])
    for clip in set(clips.tolist()) - {""}:
        assert len(set(fold[clips == clip].tolist())) == 1
    if group:
        for subject in set(part.extra["subject"].tolist()):
            assert len(set(fold[part.extra["subject"] == subject].tolist())) == 1
    else:
        counts = np.array([np.bincount(part.sources["fer2013"].ids[fold == k], minlength=7) for k in range(4)])
        assert (np.ptp(counts, axis=0) <= 2).all()


def test_one_subject_is_left_out_at_a_time(save, whole, tmp_path):
    part = read_table(subset(whole, folds="loso", out=tmp_path / "t.parquet").out)
    assert part.extra["fold"].tolist() == [int(each[1:]) for each in part.extra["subject"].tolist()]
    table = make()
    nobody = save(change(table, extra={"subject": np.where(np.arange(140) == 4, "", table.extra["subject"])}))
    with pytest.raises(
        DataError, match="expected a subject of every image to leave one out, got none of 1, such as face-004"
    ):
        subset(nobody, folds="loso", out=tmp_path / "u.parquet")
    with pytest.raises(DataError, match="expected the column 'person' to group by, got subject: name another"):
        subset(whole, folds=3, group="person", out=tmp_path / "u.parquet")


def test_a_validation_split_is_carved_out(save, whole, tmp_path):
    with pytest.raises(DataError, match="expected no valid split where one is carved out, got 42 images"):
        subset(whole, carve=0.25, out=tmp_path / "t.parquet")
    result = subset(whole, split="train", carve=0.25, out=tmp_path / "t.parquet")
    assert result.labels == {label: {"train": 10, "valid": 4} for label in FER} or result.images["valid"] in range(
        22, 29
    )
    table = make()
    images = table.images.copy()
    images[table.split == "train"][:0] = 0
    part = read_table(subset(whole, split="train", carve=0.3, group="subject", out=tmp_path / "u.parquet").out)
    sides = [set(part.extra["subject"][part.split == split].tolist()) for split in ("train", "valid")]
    assert sides[0] and sides[1] and not sides[0] & sides[1]


@pytest.mark.parametrize(
    "changes",
    [
        {"labels": FOUR, "per_class": 3, "seed": 5},
        {"labels": ["fear", "anger"], "folds": 3},
        {"labels": ["anger", "disgust"]},  # the first of the whole, in its order
        {"split": "train", "carve": 0.2, "group": "subject"},
        {"folds": "loso"},
        {"labels": [*reversed(FER.labels)], "as_split": "test"},
    ],
)
def test_the_list_of_members_makes_the_same_table_again(changes, whole, tmp_path):
    result = subset(whole, out=tmp_path / "t.parquet", **changes)
    again = subset(whole, members=result.members, out=tmp_path / "again.parquet")
    assert again.digest == result.digest and again.folds == result.folds and again.labels == result.labels
    one, two = (read_table(each.out) for each in (result, again))
    assert one.sources["fer2013"].label_set == two.sources["fer2013"].label_set
    with open(result.members, newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == one.ids.tolist() and [row["split"] for row in rows] == one.split.tolist()
    assert [row["label"] for row in rows] == one.sources["fer2013"].names()
    assert result.members.read_bytes() == again.members.read_bytes()


def test_a_list_of_members_that_does_not_fit(save, whole, tmp_path):
    out = tmp_path / "t.parquet"
    result = subset(whole, labels=["fear", "anger"], out=tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"got none for 20 of 40 ids, such as face-070: is it the same data set\?"):
        subset(save(make().select(slice(0, 70)), "half"), members=result.members, out=out)
    other = save(make(seed=1).select(np.arange(140)), "other")
    assert subset(other, members=result.members, out=tmp_path / "b.parquet").digest != result.digest
    text = result.members.read_text()
    (tmp_path / "m.csv").write_text(text.replace("face-000,train,fer2013,anger,1", "face-000,train,fer2013,fear,0"))
    with pytest.raises(DataError, match=r"got 1 others, such as anger for face-000, which is fear there"):
        subset(whole, members=tmp_path / "m.csv", out=out)
    for damaged, message in (
        ("", "expected a column id with rows in .*, got no header"),
        ("id,split\n", "expected a column id with rows"),
        ("id,split\nface-000\n", "expected 2 columns in .*, line 2, got 1"),
        ("id,split\nface-000,dev\n", "splits out of train, valid, test in .*, got 'dev'"),
        ("id,fold\nface-000,x\n", "whole numbers in the column fold of"),
        ("id,source\nface-000,rafdb\n", "expected labels of 'rafdb' in the data"),
    ):
        (tmp_path / "m.csv").write_text(damaged)
        with pytest.raises(DataError, match=message):
            subset(whole, members=tmp_path / "m.csv", out=out)
    with pytest.raises(DataError, match="expected a csv of members at .*absent"):
        subset(whole, members=tmp_path / "absent.csv", out=out)
    (tmp_path / "m.csv").write_text("id\nface-009\nface-003\n")
    assert read_table(subset(whole, members=tmp_path / "m.csv", out=out).out).ids.tolist() == ["face-009", "face-003"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"preset": "six"}, "expected a preset out of four-400, four-1000, five, seven, got 'six'"),
        ({"preset": "five", "labels": FOUR}, "expected preset alone, for it decides labels too"),
        ({"members": "a.csv", "folds": 3}, "expected members alone, for it decides folds too"),
        ({"split": "dev"}, "expected a split out of train, valid, test, got 'dev'"),
        ({"as_split": "dev"}, "expected a split out of train, valid, test, got 'dev'"),
        ({"per_class": 0}, "expected 1 image a class or more, got 0"),
        ({"folds": "all"}, "expected a number of folds, or loso, got 'all'"),
        ({"folds": 1}, "expected 2 folds or more, got 1"),
        ({"group": "subject"}, "expected --folds or --carve beside --group subject"),
        ({"labels": ["boredom"]}, "expected a label out of anger, .*, got 'boredom'"),
        ({"labels": ["sad", "sadness"]}, "expected labels, each once"),
        ({"split": "train", "carve": 2.0}, "expected a share between 0 and 1"),
    ],
)
def test_wrong_use(changes, message, whole, tmp_path):
    with pytest.raises(UsageError, match=message):
        subset(whole, out=tmp_path / "t.parquet", **changes)


def test_data_that_do_not_have_it(save, whole, tmp_path):
    out = tmp_path / "t.parquet"
    with pytest.raises(DataError, match="expected the split 'test' in the data, got train, valid only"):
        subset(whole, split="test", out=out)
    table = make()
    two = save(change(table, sources={"a": table.sources["fer2013"], "b": table.sources["fer2013"]}), "two")
    with pytest.raises(UsageError, match="expected one label source, got a, b: name one with --source"):
        subset(two, per_class=2, out=out)
    assert subset(two, per_class=2, source="b", out=out).source == "b"
    assert subset(two, split="train", out=out, overwrite=True).source is None
    no_fear = save(table.select(table.sources["fer2013"].ids != 2), "no-fear")
    with pytest.raises(DataError, match="expected images of every label, got none of fear: leave it out"):
        subset(no_fear, labels=["fear", "anger"], out=tmp_path / "u.parquet")
    bare = save(change(table, sources={}), "bare")
    assert subset(bare, folds=2, drop_duplicates=True, out=tmp_path / "v.parquet").folds == {0: 70, 1: 70}


def test_files_are_not_replaced_unasked(whole, tmp_path):
    subset(whole, out=tmp_path / "t.parquet", split="train")
    (tmp_path / "t.parquet").unlink()
    with pytest.raises(OutputError, match=r"expected no file at .*t\.members\.csv, got one"):
        subset(whole, out=tmp_path / "t.parquet", split="train")
    subset(whole, out=tmp_path / "t.parquet", split="train", overwrite=True)


def test_the_command(whole, tmp_path, capsys):
    out = str(tmp_path / "t.parquet")
    command = ["data", "subset", str(whole), "--labels", "happy, sad", "--per-class", "4", "--folds", "2", "--out", out]
    assert main(command) == 0
    said = capsys.readouterr()
    lines = [line.split() for line in said.out.splitlines()]
    assert lines[0] == ["labels", "fer2013", "train", "valid"] and ["happiness", "4", "4"] in lines
    assert ["0", "8"] in lines and "t.members.csv" in said.err
    assert main([*command, "--json", "--overwrite"]) == 0
    assert json.loads(capsys.readouterr().out)["folds"] == {"0": 8, "1": 8}
    assert main([*command[:-1], str(tmp_path / "u.parquet"), "--per-class", "99"]) == 2
    assert "expected 99 images of each class in train, got happiness 14, sadness 14" in capsys.readouterr().err
    assert main(["data", "subset", str(whole), "--split", "valid", "--as", "test", "--out", out, "--overwrite"]) == 0
    assert main(["data", "subset", "--help"]) == 0
    assert "--preset four-1000" in capsys.readouterr().out


# FER2013 itself ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def fer2013(data_dir):
    parquet = pytest.importorskip("pyarrow.parquet")
    frame = parquet.read_table(data_dir / "fer2013.parquet", columns=["row", "usage", "emotion", "image"])
    images = np.stack([decode(each.as_py())[:, :, 0] for each in frame["image"]])
    return Table(
        np.array([f"fer2013-{row:05d}" for row in frame["row"].to_pylist()]),
        images,
        np.where(np.array(frame["usage"].to_pylist()) == "Training", "train", "valid"),
        {"fer2013": LabelColumn(FER, np.asarray(frame["emotion"]).astype(np.int16))},
    )


def test_the_four_class_sets_of_fer2013(fer2013):
    small, large = (take(fer2013, "fer2013", PRESETS[name]) for name in ("four-400", "four-1000"))
    where = {"Train_400": (small, "train", 400), "Train_1000": (large, "train", 1000)}
    where |= {"Test_100": (large, "valid", 100), "Test_250": (large, "test", 250)}
    ids = {}
    for name, (table, split, n) in where.items():
        part = table.of_split(split)
        assert np.bincount(part.sources["fer2013"].ids).tolist() == [n] * 4, name
        assert part.sources["fer2013"].label_set.labels == tuple(FOUR)
        ids[name] = set(part.ids.tolist())
    assert ids["Train_400"] < ids["Train_1000"] and not ids["Test_100"] & ids["Test_250"]
    assert ids["Test_100"] == set(small.of_split("valid").ids.tolist())
    usage = dict(zip(fer2013.ids.tolist(), fer2013.split.tolist(), strict=True))
    assert {usage[name] for name in ids["Train_1000"]} == {"train"}
    assert {usage[name] for name in ids["Test_100"] | ids["Test_250"]} == {"valid"}
    keys = large.pixel_keys()
    assert len(set(keys)) == len(keys) == 5400, "no image stands in it twice"


def test_the_larger_sets_of_fer2013(fer2013):
    for name, k in (("five", 5), ("seven", 7)):
        labels = PRESETS[name].labels
        part = take(fer2013, "fer2013", PRESETS[name])
        expected = np.isin([FER.labels[each] for each in fer2013.sources["fer2013"].ids], labels)
        assert len(labels) == k and part.ids.tolist() == fer2013.ids[expected].tolist()
    assert len(take(fer2013, "fer2013", PRESETS["seven"])) == 32_298


def test_no_picture_of_fer2013_stands_on_two_sides_of_what_is_cleaned(fer2013):
    kept = without_duplicates(fer2013.pixel_keys(), fer2013.split, fer2013.sources["fer2013"].ids, fer2013.ids)
    rest = fer2013.select(kept)
    keys = rest.pixel_keys()
    assert len(set(keys)) == len(keys)
    assert len(fer2013) - len(rest) > 1500
