"""How each data set is laid out on disk: one reader a data set, with what it needs beside it under the same name.

A new reader is a function ``(root, *, splits=None, **options) -> DataSet`` under ``@READERS.register("name")``.
"""

from mien.core.registry import Registry
from mien.datasets.dataset import DataSet
from mien.datasets.readers.affectnet import read_affectnet
from mien.datasets.readers.ck48 import read_ck48
from mien.datasets.readers.ckextended import read_ckextended
from mien.datasets.readers.ckplus import read_ckplus
from mien.datasets.readers.csv_file import read_csv
from mien.datasets.readers.fer2013 import read_fer2013
from mien.datasets.readers.ferplus import read_ferplus
from mien.datasets.readers.folder import read_folder
from mien.datasets.readers.jaffe import read_jaffe
from mien.datasets.readers.mmi import read_mmi
from mien.datasets.readers.parquet_file import read_parquet
from mien.datasets.readers.rafdb import read_rafdb

__all__ = ["READERS", "READS_STORES"]

# Readers that take addresses in object stores themselves; see `mien.datasets.mirror` for the others.
READS_STORES = ("parquet",)

READERS: Registry[DataSet] = Registry("data set")
READERS.register("affectnet")(read_affectnet)
READERS.register("ck48")(read_ck48)
READERS.register("ckextended")(read_ckextended)
READERS.register("ckplus")(read_ckplus)
READERS.register("csv")(read_csv)
READERS.register("fer2013")(read_fer2013)
READERS.register("ferplus")(read_ferplus)
READERS.register("folder")(read_folder)
READERS.register("jaffe")(read_jaffe)
READERS.register("mmi")(read_mmi)
READERS.register("parquet")(read_parquet)
READERS.register("rafdb")(read_rafdb)
