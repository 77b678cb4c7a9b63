"""TOML that Python's reader understands as what was written."""

import math
import time
import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import UsageError
from mien.core.toml import parse_setting, parse_toml, to_toml

SCALARS = st.one_of(st.booleans(), st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False), st.text())
KEYS = st.text(min_size=1)
LEAVES = st.one_of(SCALARS, st.lists(SCALARS, max_size=4))
TABLES = st.recursive(
    st.dictionaries(KEYS, LEAVES, max_size=4),
    lambda inner: st.dictionaries(KEYS, st.one_of(LEAVES, inner, st.lists(inner, min_size=1, max_size=3)), max_size=4),
    max_leaves=12,
)


@given(TABLES)
def test_what_is_written_is_read_again(values):
    assert tomllib.loads(to_toml(values)) == values


def test_not_a_number_is_kept():
    assert math.isnan(tomllib.loads(to_toml({"value": math.nan}))["value"])


def test_plain_values_stand_above_tables_whatever_their_order():
    assert to_toml({"a": {"b": 1}, "c": 2}) == "c = 2\n\n[a]\nb = 1\n"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ("[" * 3000, "too deep"),
        ("[" * 150 + "]" * 150, "too deep"),
        (f"{{{'.'.join('a' * 2000)} = 1}}", "too deep"),
        ("9" * 5000, "4300 digits"),
        ("[{b = 9223372036854775808}]", "more than 64 bits"),
        ("0x" + "F" * 9000, "more than 64 bits"),
    ],
)
def test_what_no_other_reader_of_toml_would_take(value, why):
    with pytest.raises(tomllib.TOMLDecodeError, match=why):
        parse_toml(f"a = {value}")


@pytest.mark.parametrize(
    ("text", "setting"),
    [
        ("a=3", ("a", 3)),
        (" a.b = [1, 2]", ("a.b", [1, 2])),
        ("on=true", ("on", True)),
        ("form=aligned", ("form", "aligned")),
        ("path=C:\\x=y", ("path", "C:\\x=y")),
        ("empty=", ("empty", "")),
    ],
)
def test_a_setting_as_it_is_typed(text, setting):
    assert parse_setting(text) == setting


@pytest.mark.parametrize("text", ["a", "", "=3"])
def test_what_is_no_setting(text):
    with pytest.raises(UsageError, match=f"expected --set key=value, got '{text}'"):
        parse_setting(text)


LONG = ".".join("a" * 20_000)


@pytest.mark.parametrize(
    "text",
    [
        ".".join("a" * 2000) + " = 1",
        " . ".join("a" * 101) + " = 1",
        f"[{LONG}]\n" + "".join(f"b{k}.c = 1\n" for k in range(2000)),
        LONG.replace(".", '.",=".') + " = 1",
        LONG.replace(".", ".'\"'.") + " = 1",
        f'x = """a"""" # \\\n{LONG} = 1',
        f"x = '''a''''' # '\n{LONG} = 1",
    ],
    ids=[
        "a key",
        "with spaces",
        "a header",
        "quoted",
        "in single quotes",
        "after a text",
        "after one in single quotes",
    ],
)
def test_keys_of_many_parts_are_refused_at_once(text):
    began = time.perf_counter()
    with pytest.raises(tomllib.TOMLDecodeError, match="tables, lists or brackets too deep in each other"):
        parse_toml(text)
    assert time.perf_counter() - began < 2  # of what took up to minutes


def test_dots_in_texts_and_comments_are_no_keys():
    dots = "a." * 1000
    text = f'a = "{dots}"\nb = \'{dots}\'\nc = """\n{dots}"\n""""\n' + f"d = '''{dots}''' # {dots}\n"
    assert parse_toml(text) == {"a": dots, "b": dots, "c": f'{dots}"\n"', "d": dots}
    assert repr(parse_toml(".".join("a" * 100) + " = 1.5")).count("'a'") == 100


def test_a_setting_that_is_too_deep_is_taken_as_text():
    assert parse_setting(f"a={{{LONG}=1}}") == ("a", f"{{{LONG}=1}}")
