"""RAF-DB's aligned pictures sorted into a folder a class, as Kaggle and the code of several papers have them."""

from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import DataError, UsageError
from mien.core.images import SUFFIXES
from mien.datasets.readers.csv_rows import read_rows
from mien.datasets.readers.listing import files_in, folders_in
from mien.datasets.readers.rafdb_names import EXAMPLE, HANDED_OUT, LABELS, RafPicture, RafPictures, class_of, name_of

# The folders a split, and the split that the pictures in them have; `valid` is what some call the test split.
_SPLITS = {"train": "train", "test": "test", "valid": "test", "val": "test"}
_PLACES = ("DATASET", "")
_LISTS = {"train": "train_labels.csv", "test": "test_labels.csv"}


def find_folders(root: Path) -> Path | None:
    """The folder under `root` that holds train or test with a folder a class; None if there is none."""
    for place in _PLACES:
        base = root / place
        if any(_is_class(each) for _, folder in _split_folders(base) for each in folders_in(folder)):
            return base
    return None


def read_folders(root: Path, base: Path) -> RafPictures:
    """The pictures in class folders, and those that a csv beside them names.

    The name of a picture says its split, whatever folder it lies in.

    Raises:
        DataError: a folder is no class, a picture stands in two, a csv contradicts the folders, or there is no picture.
    """
    found, notes = _list_pictures(root, base)
    lists = {split: path for split, name in _LISTS.items() if (path := _find_list(name, base, root))}
    for split, path in lists.items():
        _compare(path, found, (base / split).relative_to(root).as_posix())
    if not found:
        raise DataError(f"expected pictures named as {EXAMPLE} in the folders of {base}, got none: {HANDED_OUT}")
    folders = " and ".join(name for name, _ in _split_folders(base))
    with_lists = f", with {' and '.join(path.name for path in lists.values())}" if lists else ""
    return RafPictures(
        form=f"a folder a class under {folders}{with_lists}",
        rows=sorted(found.values(), key=lambda row: row.place),
        rule="the folder of the picture",
        file="names of folders",
        faces=True,
        original=False,
        notes=(_rework(kaggle=bool(lists) or base != root), *notes),
    )


def _split_folders(base: Path) -> Iterator[tuple[str, Path]]:
    return ((name, base / name) for name in _SPLITS if (base / name).is_dir())


def _find_list(name: str, *folders: Path) -> Path | None:
    return next((folder / name for folder in folders if (folder / name).is_file()), None)


def _list_pictures(root: Path, base: Path) -> tuple[dict[str, RafPicture], list[str]]:
    """Name -> picture, and what to know about them, a sentence each."""
    found: dict[str, RafPicture] = {}
    strange: list[str] = []
    moved: list[str] = []
    for split, class_id, path in _walk(root, base):
        name = name_of(path.rpartition("/")[2])
        if name is None:
            strange.append(path)
            continue
        picture = RafPicture(name, class_id, path)
        if found.setdefault(name, picture) is not picture:
            raise DataError(
                f"expected each picture once in {base}, got {found[name].path} and {path}: remove one; {HANDED_OUT}"
            )
        if picture.split != _SPLITS[split]:
            moved.append(path)
    return found, list(_notes(base, strange, moved))


def _walk(root: Path, base: Path) -> Iterator[tuple[str, int, str]]:
    """Name of the split folder, class id, and path under the root of every picture."""
    for split, split_folder in _split_folders(base):
        for class_folder in folders_in(split_folder):
            folder = split_folder / class_folder
            files = [file for file in files_in(folder) if file.lower().endswith(SUFFIXES)]
            if files:
                class_id, above = _class_of_folder(folder), folder.relative_to(root).as_posix()
                yield from ((split, class_id, f"{above}/{file}") for file in files)


def _compare(path: Path, found: dict[str, RafPicture], above: str) -> None:
    """See that a csv says what the folders below `above` say; pictures that it alone knows are added to `found`."""
    lines: dict[str, int] = {}
    for line, (file, number) in read_rows(path, ("image", "label"), handed_out=HANDED_OUT):
        name, class_id = name_of(file), class_of(number, f"{path}, line {line}")
        if name is None:
            raise DataError(
                f"expected a picture named as {EXAMPLE} in {path}, line {line}, got {file[:60]!r}: {HANDED_OUT}"
            )
        if name in lines:
            raise DataError(
                f"expected each picture once in {path}, got {file} in lines {lines[name]} and {line}; {HANDED_OUT}"
            )
        lines[name] = line
        picture = found.setdefault(name, RafPicture(name, class_id, f"{above}/{number}/{file}"))
        if picture.class_id != class_id:
            raise DataError(
                f"expected the class of the folder, {LABELS.labels[picture.class_id]}, for {picture.path} in {path}, "
                f"line {line}, got {number} ({LABELS.labels[class_id]}): {HANDED_OUT}"
            )


def _is_class(folder: str) -> bool:
    try:
        _class_of_folder(Path(folder))
    except DataError:
        return False
    return True


def _class_of_folder(folder: Path) -> int:
    """The class id of a folder that is called by its number or as its emotion."""
    try:
        return LABELS.index(folder.name)
    except UsageError:
        return class_of(folder.name, f"the name of the folder {folder}, or one of {', '.join(LABELS)}")


def _rework(*, kaggle: bool) -> str:
    what = "the Kaggle rework (shuvoalok/raf-db-dataset)" if kaggle else "somebody's rework"
    return (
        f"this is {what}, not the original: the aligned pictures sorted into a folder a class, without photographs, "
        "landmarks, gender, race and age"
    )


def _notes(base: Path, strange: list[str], moved: list[str]) -> Iterator[str]:
    if any((base / each).is_dir() for each in ("valid", "val")):
        yield "its valid is RAF-DB's test split under another name, and is read as such: choose nothing by it"
    if moved:
        yield (
            f"pictures in the folder of another split than their name says: {len(moved):,}, such as {moved[0]}; "
            "the name counts"
        )
    if strange:
        yield f"pictures that are not named as {EXAMPLE} is, left out: {len(strange):,}, such as {strange[0]}"
