"""Each form of each data set becomes a table with the rows that its layout says, whoever reads it."""

import importlib
import pkgutil
from pathlib import Path

import layouts
import numpy as np
import pytest
from layouts import Writer

from mien.datasets import open_dataset, read_table
from mien.verbs.prepare import prepare

FORMS: dict[str, Writer] = {
    f"{module.name}-{form}": writer
    for module in pkgutil.iter_modules(layouts.__path__)
    for form, writer in getattr(importlib.import_module(f"layouts.{module.name}"), "FORMS", {}).items()
}
SIZE = 32


@pytest.mark.parametrize("form", FORMS)
def test_every_form_becomes_a_table(form: str, tmp_path: Path) -> None:
    layout = FORMS[form](tmp_path / "data")
    spec = f"{layout.name}={layout.root}"
    result = prepare(spec, out=tmp_path / "t.parquet", options=layout.options, detector="none", size=SIZE)
    data, table = open_dataset(spec, options=layout.options), read_table(tmp_path / "t.parquet")
    assert not result.failed and result.digest == table.digest()
    assert table.ids.tolist() == [row.id for row in layout.rows]
    assert table.split.tolist() == [row.split for row in layout.rows]
    for name, column in data.sources.items():
        assert table.sources[name].names() == [row.labels[name] for row in layout.rows]
        assert (table.sources[name].soft is None) == (column.soft is None)
        np.testing.assert_array_equal(table.sources[name].soft, column.soft)
    assert list(table.extra) == list(data.extra)
    for name, values in data.extra.items():
        np.testing.assert_array_equal(table.extra[name], values)
        assert table.extra[name].dtype.kind == values.dtype.kind
    assert table.images.shape == (len(layout.rows), SIZE, SIZE) + (() if data.gray else (3,))
    assert table.meta["form"] == layout.form == data.form and result.notes == data.notes
