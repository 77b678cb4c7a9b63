"""The numbers about a table, against plain numpy and counts by hand."""

import cv2
import numpy as np
import pytest

from mien.core.errors import DataError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.datasets.explore import ALL, classes_of, explore_table, moments
from mien.datasets.measures import laplacian_variance, measure, noise_sigma
from mien.datasets.table import LabelColumn, Table

SPLITS = ("train", "train", "train", "valid", "valid", "test")
LABELS = ("happy", "happy", "anger", "anger", None, "neutral")


def column(labels, name="fer2013", soft=None):
    ids = [-1 if label is None else LABEL_SETS[name].index(label) for label in labels]
    return LabelColumn(LABEL_SETS[name], np.array(ids, np.int16), soft)


def table(images=None, *, splits=SPLITS, sources=None, **extra):
    images = np.random.default_rng(1).integers(0, 256, (6, 12, 10), dtype=np.uint8) if images is None else images
    ids = np.array([f"t-{k}" for k in range(len(images))])
    given = {"fer2013": column(LABELS)} if sources is None else sources
    return Table(ids, images, np.array(splits), given, {name: np.array(each) for name, each in extra.items()})


def test_classes_are_counted_by_split_in_canonical_order():
    found = explore_table(table())
    assert found.classes.labels == ("neutral", "happiness", "anger")
    assert found.classes.absent == ("surprise", "sadness", "disgust", "fear")
    assert found.table.splits == ("train", "valid", "test")
    assert found.counts.tolist() == [[0, 2, 1, 0], [0, 0, 1, 1], [1, 0, 0, 0]]  # the last: without a label
    assert found.classes.of.tolist() == [1, 1, 2, 2, -1, 0]


def test_labels_that_are_no_emotions_keep_the_order_of_their_source():
    source = LabelColumn(LabelSet("own", ("zebra", "ant", "sadness")), np.array([0, 1, 2, 0, 1, 2], np.int16))
    assert classes_of(table(sources={"own": source})).labels == ("sadness", "zebra", "ant")


def test_the_source_is_that_of_the_tables_own_name_unless_told_otherwise():
    sources = {"fer2013": column(LABELS), "ferplus": column(("fear",) * 6, "ferplus")}
    plain = table(sources=sources)
    named = Table(plain.ids, plain.images, plain.split, plain.sources, {}, {"name": "ferplus"})
    assert classes_of(plain).source == "fer2013"
    assert classes_of(named).source == "ferplus"
    assert classes_of(named, "fer2013").source == "fer2013"
    with pytest.raises(DataError, match="expected labels of 'rafdb' in the data, got those of fer2013, ferplus"):
        classes_of(named, "rafdb")


def test_mean_and_deviation_are_of_train_alone():
    data = table()
    train = data.images[:3] / 255
    found = moments(data)
    assert found.split == "train"
    assert found.mean.tolist() == [pytest.approx(train.mean())]
    assert found.std.tolist() == [pytest.approx(train.std())]


def test_mean_and_deviation_of_colours_and_of_a_table_without_train():
    images = np.random.default_rng(2).integers(0, 256, (6, 5, 4, 3), dtype=np.uint8)
    found = moments(table(images, splits=("valid",) * 6))
    assert found.split == "all"
    np.testing.assert_allclose(found.mean, images.mean((0, 1, 2)) / 255)
    np.testing.assert_allclose(found.std, images.std((0, 1, 2)) / 255)


def test_mean_and_deviation_faces():
    data = table()
    found = explore_table(data).faces
    happy = data.images[:2].astype(float)
    np.testing.assert_allclose(found.mean[1], happy.mean(0))
    np.testing.assert_allclose(found.std[1], happy.std(0), atol=1e-6)
    assert found.mean.shape == found.std.shape == (3, 12, 10)


def test_grey_levels_by_class_and_by_split():
    data = table()
    found = explore_table(data)
    for k, rows in enumerate(([5], [0, 1], [2, 3])):
        assert found.class_levels[k].tolist() == np.bincount(data.images[rows].ravel(), minlength=256).tolist()
    for k, rows in enumerate(([0, 1, 2], [3, 4], [5])):
        assert found.split_levels[k].tolist() == np.bincount(data.images[rows].ravel(), minlength=256).tolist()


@pytest.mark.parametrize("sigma", [2.0, 8.0, 20.0])
def test_the_noise_that_was_put_on_a_slope_is_found(sigma):
    slope = np.linspace(60, 190, 64, dtype=np.float32)
    noisy = slope + slope[:, None] / 10 + np.random.default_rng(3).normal(0, sigma, (20, 64, 64))
    assert noise_sigma(noisy.astype(np.float32)).mean() == pytest.approx(sigma, rel=0.05)


def test_a_slope_alone_has_no_noise_and_a_tiny_image_no_estimate():
    slope = np.linspace(0, 255, 32, dtype=np.float32)
    assert noise_sigma((slope + slope[:, None])[None] / 2)[0] == pytest.approx(0, abs=1e-2)
    assert np.isnan(noise_sigma(np.zeros((2, 7, 30), np.float32))).all()


def test_sharpness_is_what_opencv_says_inside_the_border():
    image = np.random.default_rng(4).integers(0, 256, (20, 30), dtype=np.uint8)
    theirs = cv2.Laplacian(image, cv2.CV_32F)[1:-1, 1:-1].var()
    assert laplacian_variance(image[None].astype(np.float32))[0] == pytest.approx(theirs, rel=1e-4)
    blurred = cv2.GaussianBlur(image, (5, 5), 2)
    assert laplacian_variance(blurred[None].astype(np.float32))[0] < theirs / 10
    assert np.isnan(laplacian_variance(np.zeros((1, 2, 9), np.float32))).all()


def test_brightness_and_contrast_of_colours_are_those_of_luma():
    red = np.zeros((1, 9, 9, 3), np.uint8)
    red[..., 0] = 255
    found = measure(red)
    assert found.brightness[0] == 76  # 0.299 of 255
    assert found.contrast[0] == 0
    assert len(measure(np.empty((0, 9, 9), np.uint8)).noise) == 0


def test_duplicates_with_what_crosses_splits_and_what_contradicts_itself():
    images = np.random.default_rng(5).integers(0, 256, (6, 8, 8), dtype=np.uint8)
    images[3] = images[0]  # happiness in train, anger in valid
    images[1] = images[2] = 7  # happiness and anger in train
    images[4] = 7  # no label, in valid
    found = explore_table(table(images)).duplicates
    assert [rows.tolist() for rows in found.groups] == [[1, 2, 4], [0, 3]]
    assert found.crossing.tolist() == [True, True]
    assert found.conflicts["fer2013"].tolist() == [True, True]
    assert found.images == 5
    assert np.flatnonzero(found.copies(6)).tolist() == [2, 3, 4]


def test_an_image_without_a_label_contradicts_none():
    images = np.arange(6, dtype=np.uint8)[:, None, None] * np.ones((1, 8, 8), np.uint8)
    images[4] = images[3]
    assert not explore_table(table(images)).duplicates.conflicts["fer2013"].any()


def test_agreement_of_two_sources():
    other = column(("happy", "anger", "anger", "contempt", "fear", "neutral"), "ferplus")
    found = explore_table(table(sources={"fer2013": column(LABELS), "ferplus": other}))
    assert found.agreement.rows == "ferplus"
    assert found.agreement.row_labels == ("neutral", "happiness", "anger", "fear", "contempt")
    assert found.agreement.counts.tolist() == [[1, 0, 0], [0, 1, 0], [0, 1, 1], [0, 0, 0], [0, 0, 1]]
    assert found.agreement.share == pytest.approx(3 / 4)  # contempt is none of the other's labels


def test_sources_that_label_different_images_are_not_compared():
    other = column((*[None] * 4, "fear", None), "ferplus")
    assert explore_table(table(sources={"fer2013": column(LABELS), "ferplus": other})).agreement is None


def test_entropy_of_soft_labels():
    soft = np.zeros((6, 7), np.float32)
    soft[:, 0] = 1
    soft[1, :2] = 0.5
    soft[2] = np.nan
    found = explore_table(table(sources={"fer2013": column(LABELS, soft=soft)})).votes
    np.testing.assert_allclose(found.entropy, [0, 1, np.nan, 0, 0, 0], atol=1e-9)
    assert found.labels == LABEL_SETS["fer2013"].labels


def test_subjects_and_attributes():
    found = explore_table(table(subject=["b", "a", "a", "", "c", "a"], group_age=["", *["4-19"] * 5])).groups
    assert [(each.name, each.values, each.counts.tolist(), each.unknown) for each in found] == [
        ("subject", ("a", "b", "c"), [3, 1, 1], 1),
        ("group_age", ("4-19",), [5], 1),
    ]


def test_sizes_are_those_of_boxes_where_they_are_known():
    boxes = np.tile(np.array([10, 20, 40, 60], np.float32), (6, 1))
    boxes[2] = np.nan
    assert explore_table(table(box=boxes)).found_sizes.tolist() == [[30, 40]] * 5
    assert explore_table(table(box=np.full((6, 4), np.nan))).found_sizes is None
    assert explore_table(table()).found_sizes is None


def test_valence_and_arousal():
    valence = np.array([0.5, np.nan, 0, 0, 0, 0])
    assert explore_table(table(valence=valence, arousal=np.zeros(6))).affect.shape == (6, 2)
    assert explore_table(table(valence=np.full(6, np.nan), arousal=np.zeros(6))).affect is None
    assert explore_table(table(valence=valence)).affect is None


def test_without_labels_all_images_are_one_class():
    found = explore_table(table(sources={}))
    assert found.classes.labels == (ALL,)
    assert found.classes.source == ""
    assert found.counts.tolist() == [[3, 0], [2, 0], [1, 0]]


def test_a_source_that_labels_nothing_here():
    found = explore_table(table(sources={"fer2013": column((None,) * 6)}))
    assert found.classes.labels == ()
    assert found.counts.tolist() == [[3], [2], [1]]
    assert found.faces.mean.shape == (0, 12, 10)


def test_a_table_without_rows():
    with pytest.raises(DataError, match="expected a table with images to explore, got one without rows"):
        explore_table(table().select([]))
