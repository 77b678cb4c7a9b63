"""What every reader keeps to, in each form in which its data set goes round.

The forms are written by the modules in `tests/layouts`, which also say what a reader must find in them. A new reader
is tested by having such a module; one without fails.
"""

import importlib
import inspect
import pickle
import pkgutil
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import layouts
import numpy as np
import pytest

from mien.core import stores
from mien.core.errors import DataError, InputError, UsageError
from mien.core.labels import CANONICAL, LABEL_SETS
from mien.datasets import NO_OPTIONS, READERS, open_dataset, read_table, write_table
from mien.datasets.check import check
from mien.datasets.dataset import DataSet
from mien.datasets.mirror import DESCRIBES, ON_DISK_ONLY

FORMS = {
    f"{module.name}-{form}": writer
    for module in pkgutil.iter_modules(layouts.__path__)
    for form, writer in getattr(importlib.import_module(f"layouts.{module.name}"), "FORMS", {}).items()
}
UNCOUNTED = ("mmi",)  # their authors say nothing of how many there are
OWN_LABELS = ("folder", "csv", "parquet")  # their users bring labels of any name
BY_PATH = ("affectnet", "csv", "parquet")  # their label files name a picture by its path
ANNOTATIONS = (*DESCRIBES, ".parquet")  # suffixes of files that hold labels


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """Each form, written once, for tests that only read."""
    made = {}

    def layout(form):
        if form not in made:
            made[form] = FORMS[form](tmp_path_factory.mktemp(re.sub(r"\W", "-", form)))
        return made[form]

    return layout


@pytest.fixture(params=FORMS)
def form(request):
    return request.param


@pytest.fixture
def layout(form, written):
    return written(form)


@pytest.fixture
def own_layout(form, tmp_path):
    """A form that the test may damage."""
    return FORMS[form](tmp_path / "written")


def read(layout, **options):
    return READERS[layout.name](layout.root, **layout.options, **options)


def differences(data: DataSet, layout: layouts.Layout) -> Iterator[str]:
    """Where a data set is not as its layout says."""
    whole = {"name": data.name, "form": data.form, "faces": data.faces, "original": data.original}
    for name, got in whole.items():
        if got != getattr(layout, name):
            yield f"expected {name} {getattr(layout, name)!r}, got {got!r}"
    expected = [row.id for row in layout.rows]
    if data.ids.tolist() != expected:
        yield f"expected the ids {expected}, got {data.ids.tolist()}"
        return
    for sample, row in zip(data, layout.rows, strict=True):
        if (sample.split, sample.labels) != (row.split, dict(row.labels)):
            yield f"{row.id}: expected {row.split}, {dict(row.labels)}, got {sample.split}, {sample.labels}"
        for kind, got, want in (("extra", sample.extra, row.extra), ("soft", sample.soft, row.soft)):
            for name, value in want.items():
                if not same(got.get(name), value):
                    yield f"{row.id}: expected {kind} {name} {value!r}, got {got.get(name)!r}"


def same(got, value):
    """Equal, in float32 where they are fractions; NaN is NaN."""
    if got is None or value is None or np.shape(got) != np.shape(value):
        return False
    if np.asarray(value).dtype.kind == "f":
        return np.allclose(np.float32(got), np.float32(value), rtol=1e-6, atol=0, equal_nan=True)
    return bool(np.all(np.asarray(got) == np.asarray(value)))


def assert_one_line(error, *parts):
    assert "\n" not in str(error)
    for part in parts:
        assert part in str(error)


# What is read --------------------------------------------------------------------------------------------------------


def test_every_reader_has_a_layout(written):
    assert {written(form).name for form in FORMS} == set(READERS)


def test_rows_are_exactly_those_written(layout):
    assert list(differences(read(layout), layout)) == []


def test_reading_twice_gives_the_same(layout):
    one, two = read(layout), READERS[layout.name](str(layout.root), **layout.options)
    assert list(differences(two, layout)) == [] and two.notes == one.notes and two.published == one.published


def test_a_split_holds_its_rows_and_ids_do_not_move(layout):
    for split in {row.split for row in layout.rows}:
        rows = tuple(row for row in layout.rows if row.split == split)
        assert list(differences(read(layout, splits=[split]), replace(layout, rows=rows))) == []


def test_a_split_that_is_not_there(layout):
    there = [each for each in ("train", "valid", "test") if any(row.split == each for row in layout.rows)]
    assert read(layout).splits == tuple(there)
    for split in {"train", "valid", "test"} - set(there):
        message = rf"expected the split '{split}' in .*, got {', '.join(there)} only; .* handed out"
        with pytest.raises(DataError, match=message):
            read(layout, splits=[split])
    with pytest.raises(UsageError, match="expected a split out of train, valid, test, got 'dev'"):
        read(layout, splits=["dev"])


def test_labels_are_canonical_and_say_their_rule(layout):
    folder = layout.root.parent if layout.root.is_file() else layout.root
    for name, column in read(layout).sources.items():
        assert column.rule and column.file
        for file in re.findall(r"[\w.-]+\.(?:csv|txt|xml|npy)", column.file):
            assert any(folder.rglob(file)), file
        if layout.name not in OWN_LABELS:
            assert name in LABEL_SETS and column.label_set == LABEL_SETS[name]
            assert set(column.label_set) <= set(CANONICAL)
        if column.soft is not None:
            known = ~np.isnan(column.soft).any(1)
            assert known.any() and (column.soft[known] >= 0).all()
            np.testing.assert_allclose(column.soft[known].sum(1), 1, atol=1e-5)


def test_published_counts_are_of_a_source_and_its_labels(layout):
    data = read(layout)
    assert data.origin and (data.published is not None or layout.name in (*OWN_LABELS, *UNCOUNTED))
    if data.published is not None:
        assert data.published.source in data.sources
        for counts in data.published.counts.values():
            assert set(counts) <= set(data.sources[data.published.source].label_set)


def test_extra_columns_have_the_shared_kinds(layout):
    kinds = {"subject": "U", "clip_id": "U", "frame": "i", "time_s": "f", "valence": "f", "arousal": "f"}
    kinds |= {"group_gender": "U", "group_race": "U", "group_age": "U", "box": "f", "landmarks": "f"}
    for name, values in read(layout).extra.items():
        assert values.dtype.kind == kinds.get(name, values.dtype.kind), name
        assert values.ndim == (2 if name in ("box", "landmarks", "votes") else values.ndim), name
        if name == "box":
            assert values.shape[1] == 4


def test_an_option_that_is_not_there(layout):
    known = [each for each in inspect.signature(READERS[layout.name]).parameters if each not in NO_OPTIONS]
    with pytest.raises(UsageError, match=rf"option.* got 'colour'.* options of {layout.name}") as caught:
        open_dataset(f"{layout.name}={layout.root}", options={"colour": 1})
    assert_one_line(caught.value, *known)


# In an object store --------------------------------------------------------------------------------------------------


@pytest.fixture
def bucket(monkeypatch):
    """A store in memory: puts a layout into it, and gives its address and the options that go with it."""
    memory = pytest.importorskip("fsspec").filesystem("memory")
    monkeypatch.setattr(stores, "SCHEMES", (*stores.SCHEMES, "memory"))

    def put(layout):
        base = layout.root.parent if layout.root.is_file() else layout.root
        for path in base.rglob("*"):
            if path.is_file():
                memory.pipe_file(f"/bucket/{base.name}/{path.relative_to(base).as_posix()}", path.read_bytes())
        address = f"memory://bucket/{base.name}"
        options = {**layout.options}
        if isinstance(options.get("images"), Path):
            options["images"] = f"{address}/{Path(options['images']).relative_to(base).as_posix()}"
        return f"{address}/{layout.root.name}" if layout.root.is_file() else address, options

    yield put
    memory.rm("/bucket", recursive=True)


def test_an_object_store_holds_the_same(layout, bucket):
    address, options = bucket(layout)
    if layout.name in ON_DISK_ONLY:
        with pytest.raises(UsageError, match=f"expected {layout.name} on a disk, .* got {address}: copy it to one"):
            open_dataset(f"{layout.name}={address}", options=options)
        return
    stored, here = open_dataset(f"{layout.name}={address}", options=options), read(layout)
    assert list(differences(stored, layout)) == [] and stored.notes == here.notes and stored.root == address
    for one, other in zip(stored, here, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
    some = pickle.loads(pickle.dumps(stored.select(slice(1))))
    np.testing.assert_array_equal(some[0].image, here[0].image)
    split = here.splits[-1]
    assert len(open_dataset(f"{layout.name}={address}", splits=split, options=options)) == (here.split == split).sum()


@pytest.mark.parametrize("name", [name for name in READERS if name not in ON_DISK_ONLY])
def test_nothing_at_an_address_is_one_line(name, bucket, written):
    address, _ = bucket(written("folder-classes"))
    with pytest.raises(DataError, match="expected") as caught:
        open_dataset(f"{name}={address}/absent")
    assert_one_line(caught.value, f"{address}/absent")


# Pictures ------------------------------------------------------------------------------------------------------------


def test_pictures_are_read_when_asked_for(layout):
    data = read(layout)
    for sample in data:
        assert sample.image.dtype == np.uint8 and sample.image.ndim in (2, 3)
        if data.gray and sample.image.ndim == 3:
            assert (sample.image == sample.image[:, :, :1]).all()
        assert sample.picture.where


def test_a_picture_that_cannot_be_read_keeps_no_other_back(own_layout):
    whole = read(own_layout)
    path = path_of(whole.pictures[0])
    if path is None:
        return  # the pixels stand in the file of the labels
    for damage in (lambda: path.write_bytes(b""), path.unlink):
        damage()
        data = read(own_layout)
        others = {each.id for each in data if path_of(each.picture) != path}
        # Which frames are the last of a clip depends on those that are there.
        assert others <= set(whole.ids.tolist()) or ("clip_id" in whole.extra and not path.exists())
        # Nothing is opened to list it; the frames of a clip can only be counted in it.
        assert len(data) == len(whole) or "clip_id" in whole.extra or not path.exists()
        for sample in data:
            if path_of(sample.picture) != path:
                assert sample.image.size
                continue
            with pytest.raises(InputError) as caught:
                sample.image  # noqa: B018
            assert_one_line(caught.value, path.name)


def test_the_check_names_what_cannot_be_read(own_layout):
    path = path_of(read(own_layout).pictures[0])
    before = check(read(own_layout))
    assert not before.missing and not before.unreadable
    if path is None:
        return  # the pixels stand in the file of the labels
    path.write_bytes(b"")
    report = check(read(own_layout))
    assert {Path(own_layout.root, each.where.split(",")[0]).name for each in report.unreadable} == {path.name}
    assert report.lacking and not report.ok and not check(read(own_layout), decode=False).unreadable


def path_of(picture):
    return getattr(picture, "path", None)


def test_a_subset_of_samples(layout):
    data = read(layout)
    some = data.select(slice(None, None, 2))
    assert list(differences(some, replace(layout, rows=layout.rows[::2]))) == []
    np.testing.assert_array_equal(some[0].image, data[0].image)


def test_clips_hold_their_frames_in_order(layout):
    data = read(layout)
    clips = dict(data.clips())
    named = set(data.extra["clip_id"].tolist()) - {""} if "clip_id" in data.extra else set()
    assert set(clips) == named
    for name, clip in clips.items():
        assert set(clip.extra["clip_id"].tolist()) == {name}
        assert (np.diff(clip.extra["frame"]) > 0).all()


def test_face_crops_of_one_size_make_a_table_and_others_say_how(layout, tmp_path):
    data = read(layout)
    if data.faces and len({sample.image.shape[:2] for sample in data}) == 1:
        table = data.table()
        write_table(table, tmp_path / "table.parquet")
        assert read_table(tmp_path / "table.parquet").digest() == table.digest()
        assert table.ids.tolist() == [row.id for row in layout.rows] and table.meta["name"] == layout.name
        return
    with pytest.raises(DataError, match=r"expected face crops .* prepare it: mien data prepare") as caught:
        data.table()
    assert_one_line(caught.value, str(data.root))


# What is not as it should be -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(READERS))
@pytest.mark.parametrize("place", ["", "absent"])
def test_nothing_there_is_one_line(name, place, tmp_path):
    with pytest.raises(DataError, match=r"expected .* in .*, got .*: .* handed out") as caught:
        READERS[name](tmp_path / place)
    assert_one_line(caught.value, str(tmp_path))


def test_two_files_with_one_name_are_not_passed_over_in_silence(own_layout):
    whole = read(own_layout)
    paths = [path for picture in whole.pictures if (path := path_of(picture)) is not None]
    others = {path.parent for path in paths} - {path.parent for path in paths[:1]}
    if not others or own_layout.name in BY_PATH:
        return  # all pictures lie in one folder, or rows name a picture by its path
    shutil.copy(paths[0], min(others) / paths[0].name)
    try:
        data = read(own_layout)
    except DataError as error:
        assert_one_line(error, str(own_layout.root), "handed out")
        return
    assert check(data).shared_names or len(data) > len(whole) or data.notes != whole.notes


@pytest.mark.timeout(120)
@pytest.mark.parametrize("damage", ["cut", "noise", "empty"])
def test_damaged_annotations_never_end_in_anything_but_a_data_error(own_layout, damage):
    """What is still read is right: a damaged file costs rows or labels, and gives no wrong ones."""
    whole = read(own_layout)
    sources = {column.file for column in whole.sources.values()}
    origin = () if own_layout.name in OWN_LABELS else ("handed out",)
    for path in annotations(own_layout.root):
        content = path.read_bytes()
        for data in damaged(content, damage):
            path.write_bytes(data)
            try:
                samples = list(read(own_layout))
            except DataError as error:
                assert_one_line(error, str(own_layout.root), *origin)
                continue
            assert_no_wrong_label(samples, own_layout)
            if damage != "cut" and path.name in sources:
                assert labelled(samples) < labelled(whole), path
        path.write_bytes(content)


def damaged(content: bytes, damage: str) -> list[bytes]:
    sizes = np.unique(np.linspace(0, max(len(content) - 3, 0), 12).astype(int)).tolist()
    noise = np.random.default_rng(0).integers(0, 256, 3000, np.uint8).tobytes()
    return {"cut": [content[:size] for size in sizes], "noise": [noise], "empty": [b""]}[damage]


def assert_no_wrong_label(samples, layout):
    rows = {row.id: row for row in layout.rows}
    for sample in samples:
        row = rows[sample.id]
        assert sample.split == row.split
        assert all(label in (None, row.labels[name]) for name, label in sample.labels.items()), sample.id
        for name, share in row.soft.items():
            assert name not in sample.soft or np.isnan(sample.soft[name]).all() or same(sample.soft[name], share)


def labelled(samples):
    """How many labels and distributions there are."""
    labels = sum(label is not None for sample in samples for label in sample.labels.values())
    return labels + sum(not np.isnan(soft).any() for sample in samples for soft in sample.soft.values())


def annotations(root: Path) -> list[Path]:
    """The files that hold no picture; of those whose names differ in numbers alone, the first and the last."""
    files = [root] if root.is_file() else sorted(each for each in root.rglob("*") if each.is_file())
    kinds: dict[str, list[Path]] = {}
    for path in files:
        if path.suffix.lower() in ANNOTATIONS and not path.name.startswith("."):
            kinds.setdefault(re.sub(r"\d+", "0", str(path.relative_to(root))), []).append(path)
    return [path for some in kinds.values() for path in dict.fromkeys((some[0], some[-1]))]


# That the battery sees what it is for --------------------------------------------------------------------------------

# Label files of these forms hold numbers: what they mean stands in `LABEL_SETS` alone.
NUMBERED = ("fer2013", "ferplus", "rafdb", "ckplus", "ckextended", "affectnet", "mmi")


@pytest.mark.parametrize("source", NUMBERED)
def test_a_wrong_order_of_labels_is_seen(source, written):
    labels = LABEL_SETS[source].labels
    object.__setattr__(LABEL_SETS[source], "labels", (*labels[1:], labels[0]))
    try:
        forms = [written(form) for form in FORMS if form.startswith(source)]
        seen = [layout.form for layout in forms if list(differences(read(layout), layout))]
    finally:
        object.__setattr__(LABEL_SETS[source], "labels", labels)
    assert seen


def test_wrong_labels_splits_and_counts_are_seen(layout):
    data = read(layout)
    rows = np.arange(len(data))
    moved = np.where(data.split == "train", "test", "train")
    wrong = {"split": replace(data, split=moved), "count": data.select(rows[1:]), "order": data.select(rows[::-1])}
    wrong |= {
        f"labels of {name}": replace(data, sources={**data.sources, name: replace(column, ids=(column.ids + 1) % k)})
        for name, column in data.sources.items()
        if (k := len(column.label_set)) > 1
    }
    for what, each in wrong.items():
        assert list(differences(each, layout)) or (what == "order" and len(data) == 1), what
