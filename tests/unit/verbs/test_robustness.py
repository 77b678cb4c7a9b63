"""`evaluate --robustness`: every cell is the accuracy on faces that were changed so."""

import json

import numpy as np
import pytest

from mien.cli.app import main
from mien.core.corruptions import CORRUPTIONS
from mien.core.errors import UsageError
from mien.core.labels import LABEL_SETS
from mien.datasets import LabelColumn, Table, write_table
from mien.evaluation.robustness import accuracy_of
from mien.verbs.evaluate import evaluate
from mien.verbs.robustness import cell_count
from mien.zoo.store import load_classifier


def make_table(model, *, source="ferplus", colour=False):
    """Faces labelled as the model answers on them as they are, but for every fifth; some have no label."""
    chance = np.random.default_rng(3)
    images = chance.integers(0, 256, (40, 12, 12), dtype=np.uint8).repeat(4, 1).repeat(4, 2)
    if colour:
        images = np.stack([images, images // 2, 255 - images], axis=3)
    names = LABEL_SETS["ferplus"].labels
    ids = load_classifier(model).predict(images).argmax(1)
    ids[::5] = (ids[::5] + 1) % 3
    own = LABEL_SETS[source]
    translated = np.array([own.labels.index(names[k]) if names[k] in own.labels else -1 for k in ids], np.int16)
    translated[1] = -1
    return Table([f"f{k}" for k in range(40)], images, ["valid"] * 40, {source: LabelColumn(own, translated)})


@pytest.mark.parametrize("colour", [False, True])
def test_every_cell_is_the_accuracy_on_changed_faces(tiny_model, colour):
    table, told = make_table(tiny_model, colour=colour), []
    result = evaluate(tiny_model, data=table, robustness=True, tell=lambda *each: told.append(each))
    found = result.robustness["tiny"]
    assert found.n == 39 and found.clean == result.evaluations[0].metrics["accuracy"].value
    kinds = dict.fromkeys(each.corruption for each in found.cells)
    assert list(kinds) == [name for name in CORRUPTIONS if colour or name != "grey"]
    assert len(found.cells) + 1 == cell_count(table.images)
    assert told[-1] == (40 * (2 + len(found.cells)),) * 2
    classifier, ids = load_classifier(tiny_model), table.sources["ferplus"].ids
    labelled, ids = table.images[ids >= 0], ids[ids >= 0]
    for each in found.cells[::7]:
        change = CORRUPTIONS[each.corruption].apply
        changed = np.stack([change(face, each.strength, number) for number, face in enumerate(labelled)])
        assert each.accuracy == accuracy_of(classifier.predict(changed), ids)
        assert each.relative == each.accuracy / found.clean
    assert min(each.relative for each in found.cells) < 1


def test_labels_of_another_order_are_translated(tiny_model):
    same = evaluate(tiny_model, data=make_table(tiny_model), robustness=True).robustness["tiny"]
    table = make_table(tiny_model, source="affectnet")
    other = evaluate(tiny_model, data=table, head="ferplus", robustness=True).robustness["tiny"]
    assert [each.accuracy for each in other.cells] == [each.accuracy for each in same.cells]


def test_files_and_the_printed_table(tiny_model, tmp_path, capsys):
    data = tmp_path / "table.parquet"
    write_table(make_table(tiny_model), data)
    assert main(["evaluate", str(tiny_model), "--data", str(data), "--robustness", "--out", str(tmp_path / "o")]) == 0
    said = capsys.readouterr().out
    written = json.loads((tmp_path / "o" / "robustness-valid.json").read_text("utf-8"))
    assert written["n"] == 39 and {"corruption", "strength", "accuracy", "relative"} <= set(written["cells"][0])
    assert f"mean {written['mean']:.1%}; lowest of moderate strength: " in said and "0.05*" in said
    with pytest.raises(UsageError, match="expected a model to measure its robustness, got prediction tables only"):
        evaluate(tmp_path / "o" / "predictions-valid.parquet", robustness=True)
