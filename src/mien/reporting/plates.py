"""The exploratory figures: what each is called, how it is read, and what it needs."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from mien.datasets.explore import Exploration
from mien.reporting import figures_classes, figures_labels, figures_pixels, findings


def _none(e: Exploration) -> str:
    return ""


@dataclass(frozen=True)
class Plate:
    """One figure.

    Attributes:
        name: of its files. title: over it. reading: how it is read.
        draw: makes it for a width in inches.
        finding: a sentence on what it shows in these data.
        absent: says why it cannot be drawn from these data; "" if it can.
    """

    name: str
    title: str
    reading: str
    draw: Callable[[Exploration, float], Figure]
    finding: Callable[[Exploration], str] = _none
    absent: Callable[[Exploration], str] = _none


def _no_labels(e: Exploration) -> str:
    if not e.classes.source:
        return "the table has no labels"
    return "" if e.classes.labels else f"no image has a label of {e.classes.source}"


def _no_classes(e: Exploration) -> str:
    return "" if e.classes.labels else _no_labels(e)


def _too_small(e: Exploration, measure: str) -> str:
    values = e.measures.columns()[measure]
    measured = np.isfinite(values) & (e.classes.of >= 0)
    return _no_classes(e) or ("" if measured.any() else "the images are too small to measure it")


def _no_votes(e: Exploration) -> str:
    if e.votes is None:
        return "no label source holds votes or soft labels"
    known = np.isfinite(e.votes.entropy) & (e.classes.of >= 0)
    return _no_classes(e) or ("" if known.any() else f"no image has a label and votes of {e.votes.source}")


def _one_size(e: Exploration) -> str:
    height, width = e.table.images.shape[1:3]
    unknown = "the table does not say how large the faces were where they were found"
    return "" if e.found_sizes is not None else f"all images are {width} × {height} pixels, and {unknown}"


# Section -> its figures, in the order of the page.
PLATES: Mapping[str, tuple[Plate, ...]] = {
    "Classes": (
        Plate(
            "classes",
            "Class distribution",
            "A bar a class: its share of the labelled images of the split; the number of images stands at the right. "
            "Bars of very different length mean that accuracy alone says little: look at the macro F1, too.",
            figures_classes.class_distribution,
            findings.class_distribution,
            _no_labels,
        ),
        Plate(
            "samples",
            "Samples",
            "Images drawn by lot, a row a class, from train where there is one; copies of one image are shown once. "
            "Look for faces that do not fit their row, for watermarks, hands, drawings, and pictures without a face.",
            figures_classes.sample_grid,
            absent=_no_classes,
        ),
        Plate(
            "mean-faces",
            "Mean face",
            "The mean of all images of a class, and their number. Where eyes and mouth stay visible, faces lie in the "
            "same place; a blurred mean tells of loose alignment, a grainy one of few images.",
            figures_classes.mean_faces,
            findings.mean_faces,
            _no_classes,
        ),
        Plate(
            "std-faces",
            "Standard deviation face",
            "How much each pixel varies among the images of a class: dark blue little, yellow much. Yellow corners are "
            "backgrounds and hair; what is bright inside the face is what differs between its members.",
            figures_classes.std_faces,
            findings.std_faces,
            _no_classes,
        ),
    ),
    "Pixels": (
        Plate(
            "intensities-by-class",
            "Pixel intensities by class",
            "Filled: how often each grey level occurs in a class; the line: in all images. A hill that differs from "
            "the line means that light alone gives part of the class away; spikes at 0 and 255 are clipped pixels.",
            figures_pixels.class_intensities,
            findings.class_intensities,
            _no_labels,
        ),
        Plate(
            "intensities-by-split",
            "Pixel intensities by split",
            "The same for each split. The hills should match the line: where one does not, that split was made "
            "otherwise, and a figure measured on it says less about the others.",
            figures_pixels.split_intensities,
            findings.split_intensities,
            lambda e: "" if len(e.table.splits) > 1 else f"all images are in {e.table.splits[0]}",
        ),
        Plate(
            "brightness-contrast",
            "Brightness and contrast",
            "Each image by its mean grey level and the standard deviation of its grey levels; darker where there are "
            "many. Dashed: the medians of all images; the cross: those of the class. Images at the bottom are blank.",
            figures_pixels.brightness_and_contrast,
            findings.brightness_and_contrast,
            _no_classes,
        ),
    ),
    "Image quality": (
        Plate(
            "noise",
            "Noise",
            "The noise in each image, from the median of its finest diagonal wavelet coefficients (Donoho and "
            "Johnstone 1994). The hill shows how the images of a class are spread, the thin line reaches from the 5th "
            "to the 95th percentile, the thick one covers the middle half, the dot is the median.",
            figures_pixels.noise,
            findings.noise,
            lambda e: _too_small(e, "noise"),
        ),
        Plate(
            "sharpness",
            "Sharpness",
            "The variance of the Laplacian, read like the figure above: the further left, the more blurred. It grows "
            "with contrast and noise and depends on the size of the images: compare within one table only.",
            figures_pixels.sharpness,
            findings.sharpness,
            lambda e: _too_small(e, "sharpness"),
        ),
        Plate(
            "sizes",
            "Image sizes",
            "Width and height of the faces in the photographs that they were cut from, on logarithmic scales; larger "
            "dots are more faces. What lies below or left of the square was enlarged: it has no more detail than that.",
            figures_pixels.sizes,
            findings.sizes,
            _one_size,
        ),
    ),
    "People": (
        Plate(
            "groups",
            "Subjects and attributes",
            "How many images each subject, or each value of an attribute, has. A model learns most of whom it sees "
            "most; judge it for each group by itself, and keep a subject's images in one split.",
            figures_labels.groups,
            findings.groups,
            lambda e: "" if e.groups else "the table names no subjects and no attributes",
        ),
    ),
    "Duplicates": (
        Plate(
            "duplicates",
            "Images that occur several times",
            "Images that are in the data several times, equal in every pixel: how often, in which splits, with which "
            "labels. First come those whose labels contradict each other, then those that stand in several splits: a "
            "test image that was trained on measures memory.",
            figures_labels.duplicates,
            findings.duplicates,
            lambda e: "" if e.duplicates.groups else "no two images are equal in every pixel",
        ),
    ),
    "Agreement": (
        Plate(
            "vote-entropy",
            "Entropy of the votes",
            "How far those who labelled an image disagree, in bits: 0 where all say the same, 1 where two labels are "
            "even. A bar a class, the fainter the more its raters agree. Where they are undecided, no model can be "
            "expected to be sure.",
            figures_labels.vote_entropy,
            findings.vote_entropy,
            _no_votes,
        ),
        Plate(
            "most-and-least-agreed",
            "Most and least agreed",
            "The images of each class on which raters agree most and least, with the two labels that most of them "
            "give, in per cent of the votes. Where these are not the label of the row, its source and the raters "
            "contradict each other.",
            figures_labels.most_and_least_agreed,
            absent=_no_votes,
        ),
        Plate(
            "agreement",
            "Agreement of two label sources",
            "A row: the images with one label of the first source, and how the second labels them, in per cent. Off "
            "the diagonal the two contradict each other; a whole row that is pale has no clear counterpart.",
            figures_labels.agreement,
            findings.agreement,
            lambda e: "" if e.agreement is not None else "no second source labels the same images",
        ),
    ),
    "Valence and arousal": (
        Plate(
            "affect",
            "Valence and arousal",
            "Where the images of each class are between unpleasant and pleasant, calm and excited; darker where "
            "there are many, a cross at the medians.",
            figures_labels.affect,
            findings.affect,
            lambda e: "the table holds no valence and arousal" if e.affect is None else _no_classes(e),
        ),
    ),
}
