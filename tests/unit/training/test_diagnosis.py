"""Each sentence on curves that were made to show it, and none of them on curves that do not."""

import pytest

from mien.training.diagnosis import diagnose, read_curves

HEALTHY = "the curves show neither over- nor underfitting"


def rows(train_loss, valid_loss, train_accuracy, valid_accuracy):
    """A log; its best epoch is that of the best validation accuracy."""
    columns = zip(train_loss, valid_loss, train_accuracy, valid_accuracy, strict=True)
    names = ("train_loss", "valid_loss", "train_accuracy_ferplus", "valid_accuracy_ferplus")
    return [
        {"epoch": str(epoch), **dict(zip(names, map(str, values), strict=True)), "selection": str(values[3])}
        for epoch, values in enumerate(columns)
    ]


def falling(start, end, n=20, rate=0.7):
    """Falls fast, then levels off, as a loss does that was trained well."""
    return [end + (start - end) * rate**k for k in range(n)]


def healthy(n=20, **other):
    curves = {
        "train_loss": falling(2, 0.6, n),
        "valid_loss": falling(1.9, 0.65, n),
        "train_accuracy": [1 - each / 2 for each in falling(1.6, 0.5, n)],
        "valid_accuracy": [1 - each / 2 for each in falling(1.6, 0.48, n)],
    }
    return rows(**(curves | other))


def test_a_healthy_training():
    assert diagnose(healthy()) == (HEALTHY,)


def test_too_few_epochs_to_judge():
    assert diagnose(healthy(n=4)) == ("too few epochs to judge the curves: 4, expected 5 or more",)
    assert diagnose([]) == ("too few epochs to judge the curves: 0, expected 5 or more",)


def test_a_gap_between_training_and_validation():
    log = healthy(valid_accuracy=[0.60 - 0.2 * 0.7**k for k in range(20)])
    (said,) = diagnose(log)
    assert said.startswith(
        "overfitting: at the best epoch (19) accuracy is 74.9 % in training and 60.0 % in validation"
    )
    assert "15.0 points apart" in said
    near = healthy(valid_accuracy=[0.66 - 0.2 * 0.7**k for k in range(20)])  # 9 points
    assert diagnose(near) == (HEALTHY,)


def test_a_validation_loss_that_rises():
    fall = falling(2, 0.7, 10)
    (said,) = diagnose(healthy(valid_loss=[*fall, *(fall[-1] + 0.02 * k for k in range(1, 11))]))
    assert said.startswith("overfitting: validation loss rose from 0.752 at epoch 9 to 0.932 at the end")
    late = healthy(valid_loss=[*falling(2, 0.7, 18), 0.9, 0.9])  # two epochs may be chance
    assert diagnose(late) == (HEALTHY,)
    little = healthy(valid_loss=[*fall, *[fall[-1] * 1.04] * 10])
    assert diagnose(little) == (HEALTHY,)


def test_an_accuracy_that_still_rises():
    rising = [0.3 + 0.02 * k for k in range(20)]
    (said,) = diagnose(healthy(valid_accuracy=rising))
    assert said.startswith(
        "underfitting: validation accuracy still rose by 4.0 points from the last but one to the last 2"
    )
    memorised = healthy(valid_accuracy=[each / 2 for each in rising])
    assert diagnose(memorised)[0].startswith("overfitting: at the best epoch")
    assert not any("underfitting" in each for each in diagnose(memorised))


def test_nothing_learnt():
    flat = [0.25 + 0.001 * (k % 3) for k in range(20)]
    said = diagnose(healthy(train_accuracy=flat, valid_accuracy=flat))
    assert said == (
        "nothing learnt: training accuracy went from 25.0 % to 25.2 % at best: look at the labels, then try a lower "
        "and a higher learning_rate",
    )
    known = [0.99] * 20  # fine-tuning what is known already
    assert diagnose(healthy(train_accuracy=known, valid_accuracy=known)) == (HEALTHY,)


def test_a_learning_rate_that_is_too_high():
    loss = falling(2, 0.6)
    one = [*loss[:8], 1.3 * loss[7], *loss[9:]]
    (said,) = diagnose(healthy(train_loss=one))
    assert said.startswith("learning rate too high: training loss jumped by more than 20 % in epoch 8: lower")
    (said,) = diagnose(healthy(train_loss=[*one[:15], 2 * loss[15], *one[16:]]))
    assert "in 2 epochs, first in epoch 8" in said
    (said,) = diagnose(healthy(train_loss=[0.6 + 0.05 * k for k in range(20)]))
    assert said.startswith("learning rate too high: training loss ended higher than it began (1.550 after 0.600)")


def test_a_learning_rate_that_is_too_low():
    (said,) = diagnose(healthy(train_loss=[2 - 0.01 * k for k in range(20)]))
    assert said.startswith("learning rate too low: training loss fell evenly to the end, from 2.000 to 1.810 only")
    assert diagnose(healthy(train_loss=[2 - 0.08 * k for k in range(20)])) == (HEALTHY,)  # even, but far


def test_several_things_are_said_side_by_side():
    fall = falling(2, 0.7, 10)
    said = diagnose(
        healthy(
            valid_loss=[*fall, *(fall[-1] + 0.02 * k for k in range(1, 11))],
            valid_accuracy=[0.60 - 0.2 * 0.7**k for k in range(20)],
        )
    )
    assert [each.split(":")[0] for each in said] == ["overfitting", "overfitting"]


def test_heads_are_averaged_and_what_is_missing_is_left_out():
    log = [
        {"epoch": k, "train_loss": 1.0, "valid_accuracy_a": 0.5, "valid_accuracy_b": 0.7, "selection": k % 3}
        for k in range(6)
    ]
    curves = read_curves(log)
    assert curves.valid_accuracy == pytest.approx([0.6] * 6)
    assert (curves.valid_loss, curves.train_accuracy, curves.best) == ((), (), 2)
    assert diagnose(log) == (HEALTHY,)
