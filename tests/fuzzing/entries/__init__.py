"""The entries by kind; importing this registers them all."""

from fuzzing.entries import clips, data_sets, models, pictures, runs, tables, texts
from fuzzing.entry import ENTRIES

__all__ = ["ENTRIES", "clips", "data_sets", "models", "pictures", "runs", "tables", "texts"]
