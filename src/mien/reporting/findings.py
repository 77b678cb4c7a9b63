"""What each exploratory figure shows in these data: one sentence, computed."""

import itertools

import numpy as np
import numpy.typing as npt

from mien.datasets.explore import Exploration


def class_distribution(e: Exploration) -> str:
    """How unequal the classes are."""
    labels, splits = e.classes.labels, e.table.splits
    first = splits.index("train") if "train" in splits else 0
    counts = e.counts[first, :-1]
    if len(labels) < 2 or not counts.sum():
        return ""
    shares = 100 * counts / counts.sum()
    most, least = int(counts.argmax()), int(counts.argmin())
    if most == least:
        return f"All classes are equally large in {splits[first]}."
    ratio = f": {counts[most] / counts[least]:,.0f} to 1" if counts[least] else ""
    said = (
        f"The largest class, {labels[most]}, is {shares[most]:.1f} % of {splits[first]}, "
        f"the smallest, {labels[least]}, {shares[least]:.1f} %{ratio}."
    )
    other = next((k for k in range(len(splits)) if k != first and e.counts[k, :-1].sum()), None)
    if other is None:
        return said
    right = 100 * e.counts[other, most] / e.counts[other, :-1].sum()
    return f"{said} A model that always says {labels[most]} is right for {right:.1f} % of {splits[other]}."


def mean_faces(e: Exploration) -> str:
    """Which classes look most alike on average."""
    named = zip(e.classes.labels, e.faces.mean, strict=True)
    apart = {(a, b): float(np.abs(x - y).mean()) for (a, x), (b, y) in itertools.combinations(named, 2)}
    if len(apart) < 2:
        return ""
    (a, b), (c, d) = min(apart, key=apart.__getitem__), max(apart, key=apart.__getitem__)
    return (
        f"Most alike are {a} and {b} ({apart[a, b]:.1f} grey levels apart, the mean over all pixels), "
        f"least {c} and {d} ({apart[c, d]:.1f})."
    )


def std_faces(e: Exploration) -> str:
    """Which class varies most."""
    return _extremes(
        e.classes.labels, e.faces.std.mean((1, 2)), "Most varied", "least", "{:.1f} grey levels on average"
    )


def class_intensities(e: Exploration) -> str:
    """Which class is brightest; how many pixels are at the ends of the scale."""
    counts = e.split_levels.sum(0)
    ends = 100 * (counts[0] + counts[255]) / max(1, counts.sum())
    means = e.class_levels @ np.arange(256) / np.maximum(1, e.class_levels.sum(1))
    said = _extremes(e.classes.labels, means, "Brightest", "darkest", "mean grey level {:.0f}")
    return f"{said} {ends:.1f} % of all pixels are 0 or 255.".strip()


def split_intensities(e: Exploration) -> str:
    """The mean of each split."""
    means = e.split_levels @ np.arange(256) / np.maximum(1, e.split_levels.sum(1))
    pairs = zip(e.table.splits, means, strict=True)
    return "Mean grey level: " + ", ".join(f"{split} {mean:.1f}" for split, mean in pairs) + "."


def brightness_and_contrast(e: Exploration) -> str:
    """How many images are nearly blank."""
    brightness, contrast = e.measures.brightness, e.measures.contrast
    blank = int((contrast < 5).sum())
    middle = f"In the middle are brightness {np.median(brightness):.0f} and contrast {np.median(contrast):.0f}."
    return f"{middle} {_count(blank, 'image')} with a contrast under 5: nearly blank."


def noise(e: Exploration) -> str:
    """Which class is noisiest."""
    return _medians(e, e.measures.noise, "Noisiest", "median {:.2f}")


def sharpness(e: Exploration) -> str:
    """Which class is sharpest."""
    return _medians(e, e.measures.sharpness, "Sharpest", "median {:,.0f}")


def sizes(e: Exploration) -> str:
    """How many pictures had to be enlarged."""
    assert e.found_sizes is not None
    height, width = e.table.images.shape[1:3]
    wide, high = np.median(e.found_sizes, axis=0)
    smaller = 100 * (e.found_sizes < (width, height)).any(1).mean()
    return f"The median is {wide:.0f} × {high:.0f}; {smaller:.1f} % are smaller than the {width} × {height} prepared."


def groups(e: Exploration) -> str:
    """How many values each attribute has."""
    said = []
    for group in e.groups:
        share = 100 * group.counts[0] / group.counts.sum()
        without = f", {_count(group.unknown, 'image')} without" if group.unknown else ""
        values = _count(len(group.values), "value")
        said.append(f"{group.name}: {values}, the most frequent with {share:.0f} % of the images{without}")
    return "; ".join(said) + "."


def duplicates(e: Exploration) -> str:
    """How many copies, how many across splits, how many that contradict each other."""
    found = e.duplicates
    crossing = sum(len(rows) for rows, across in zip(found.groups, found.crossing, strict=True) if across)
    said = f"{_count(len(found.groups), 'group')} with {found.images:,} images"
    if crossing:
        said += f", of which {_count(int(found.crossing.sum()), 'group')} with {crossing:,} images in several splits"
    differ = ", ".join(f"{each.sum():,} by {name}" for name, each in found.conflicts.items())
    return f"{said}; groups with different labels: {differ}." if differ else f"{said}."


def vote_entropy(e: Exploration) -> str:
    """On how many images all agree, and on which class least."""
    assert e.votes is not None
    found = e.classes.known(e.votes.entropy)
    every = np.concatenate([*found.values()])
    said = f"All agree on {100 * (every == 0).mean():.0f} % of these images."
    means = np.array([each.mean() for each in found.values()])
    return f"{said} {_extremes(tuple(found), means, 'Most disputed', 'least', '{:.2f} bits on average')}".strip()


def agreement(e: Exploration) -> str:
    """How often both say the same, and where they differ most often."""
    found = e.agreement
    assert found is not None
    said = f"Both sources label {found.counts.sum():,} images."
    if np.isfinite(found.share):
        said += f" Where both could, they say the same in {100 * found.share:.1f} %."
    differs = found.counts.copy()
    for row, label in enumerate(found.row_labels):
        if label in found.column_labels:
            differs[row, found.column_labels.index(label)] = 0
    if not differs.any():
        return said
    row, column = divmod(int(differs.argmax()), differs.shape[1])
    a, b = found.row_labels[row], found.column_labels[column]
    return f"{said} Most often {found.rows} says {a} and {found.columns} {b}: {differs[row, column]:,} images."


def affect(e: Exploration) -> str:
    """In which half most images are."""
    assert e.affect is not None
    known = e.affect[np.isfinite(e.affect).all(1)]
    valence, arousal = 100 * (known > 0).mean(0)
    return f"{len(known):,} images: {valence:.0f} % on the pleasant side, {arousal:.0f} % on the excited side."


def _count(n: int, what: str) -> str:
    """So many of them."""
    return f"{n:,} {what}" if n == 1 else f"{n:,} {what}s"


def _medians(e: Exploration, values: npt.NDArray[np.float32], most: str, value: str) -> str:
    found = e.classes.known(values)
    medians = np.array([np.median(each) for each in found.values()])
    return _extremes(tuple(found), medians, most, "least", value)


def _extremes(
    labels: tuple[str, ...] | list[str], values: npt.NDArray[np.floating], most: str, least: str, value: str
) -> str:
    """Which class has the highest and which the lowest value; nothing to say of a single class."""
    if len(labels) < 2:
        return ""
    high, low = int(values.argmax()), int(values.argmin())
    if values[high] == values[low]:
        return ""
    top, bottom = value.format(values[high]), value.format(values[low])
    return f"{most} is {labels[high]} ({top}), {least} {labels[low]} ({bottom})."
