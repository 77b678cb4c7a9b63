"""Hostile and broken input: every way in which bytes of strangers reach mien, and damage that knows their formats.

    python -m fuzzing START STOP REPORT ENTRY     (with `tests` and `src` on PYTHONPATH)

works through numbered inputs of one entry, each made from a seed by `damage.py`, and watches what is opened on the way
(`watch.py`). `tests/e2e/test_hostile_input.py` runs a few of each in every suite, `tests/soak/test_hostile_input.py`
ten thousand. What once broke something stands in `corpus/ENTRY/`, and is read again by both.
"""
