"""The card: what is written is read again, and what is wrong is named."""

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import ModelError
from mien.core.labels import LABEL_SETS, LabelSet
from mien.runtime.card import Card, CropGeometry, Figure, Head, InputSpec, RobustnessCell, WeightFile

SHA256 = "0123456789abcdef" * 4

GRAY = InputSpec(size=48, color="gray", mean=(0.5,), std=(0.25,))


def make_card(**changes: Any) -> Card:
    fields: dict[str, Any] = {
        "name": "small",
        "input": GRAY,
        "heads": {name: Head(LABEL_SETS[name], f"probabilities_{name}") for name in ("ferplus", "fer2013")},
        "default_head": "ferplus",
        "files": {"float32": WeightFile("small.onnx", SHA256, 17)},
        "default_file": "float32",
    }
    return Card(**(fields | changes))


# --------------------------------------------------------------------------------------------------- what is written

text = st.text(max_size=12)
names = st.text(min_size=1, max_size=8).filter(str.strip)
numbers = st.floats(-10, 10)
heads = st.dictionaries(
    names,
    st.builds(
        Head,
        st.builds(LabelSet, names, st.lists(names, min_size=1, max_size=5, unique_by=str.lower).map(tuple)),
        names,
        st.floats(0.01, 100),
    ),
    min_size=1,
    max_size=3,
)
files = st.dictionaries(
    names,
    st.builds(
        WeightFile,
        names.filter(lambda name: not set(name) & set("/\\:\0") and name not in (".", "..")),
        st.just(SHA256),
    ),
    min_size=1,
    max_size=3,
)
inputs = st.sampled_from([("gray", 1), ("rgb", 3)]).flatmap(
    lambda each: st.builds(
        InputSpec,
        st.integers(1, 4096),
        st.just(each[0]),
        st.lists(numbers, min_size=each[1], max_size=each[1]),
        st.lists(st.floats(0.01, 10), min_size=each[1], max_size=each[1]),
    )
)
figures = st.builds(
    lambda value, low, high, **rest: Figure(value=value, low=value - low, high=value + high, **rest),
    value=numbers,
    low=st.floats(0, 1) | st.just(math.nan),
    high=st.floats(0, 1) | st.just(math.nan),
    data=text,
    split=text,
    head=text,
    n=st.integers(1, 10**9),
    metric=text,
    rule=text,
    file=text,
)
cells = st.builds(RobustnessCell, text, numbers, st.floats(0, 1), st.floats(0, 2), text)


@st.composite
def cards(draw: st.DrawFn) -> Card:
    some_heads, some_files = draw(heads), draw(files)
    return make_card(
        name=draw(names),
        title=draw(text),
        data=draw(text),
        features=draw(text),
        input=draw(inputs),
        crop=CropGeometry(draw(st.floats(0.01, 10)), draw(numbers), draw(numbers), draw(st.booleans())),
        heads=some_heads,
        default_head=draw(st.sampled_from(sorted(some_heads))),
        files=some_files,
        default_file=draw(st.sampled_from(sorted(some_files))),
        parameters=draw(st.integers(0, 2**40)),
        figures=tuple(draw(st.lists(figures, max_size=2))),
        robustness=tuple(draw(st.lists(cells, max_size=2))),
        train=draw(
            st.dictionaries(
                text, text | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.booleans(), max_size=3
            )
        ),
    )


@given(cards())
@settings(max_examples=60, deadline=None)
def test_what_is_written_is_read_again(card: Card) -> None:
    assert Card.parse(card.dump()) == card


def test_load_reads_a_file(tmp_path: Path) -> None:
    card = make_card(title='Überraschung \\ "quoted"\n表情', train={"command": "mien train", "epochs": 3})
    (tmp_path / "karte-表.toml").write_text(card.dump(), "utf-8")
    assert Card.load(tmp_path / "karte-表.toml") == card


def test_a_head_may_carry_a_label_set_of_another_name() -> None:
    card = make_card(heads={"main": Head(LABEL_SETS["ferplus"], "p")}, default_head="main")
    assert Card.parse(card.dump()).heads["main"].label_set == LABEL_SETS["ferplus"]


def test_other_spellings_are_read_and_never_written() -> None:
    head = Head(LabelSet("mine", ("Happy", "angry", "bored")), "p")
    assert head.label_set.labels == ("happiness", "anger", "bored")
    with pytest.raises(ModelError, match="expected distinct labels"):
        Card.parse(make_card().dump().replace('"happiness"', '"fear"'))


def test_describe_says_what_a_person_asks() -> None:
    figure = Figure("FER+", "valid", "ferplus", 3199, "accuracy", 0.87, 0.86, 0.88, "official majority")
    card = make_card(license="Apache-2.0", data="FER2013", parameters=1_472_095, figures=(figure,), title="")
    rows = dict(card.describe())
    assert rows["license"] == "Apache-2.0" and rows["data"] == "FER2013" and "title" not in rows
    assert "1,472,095 parameters" in rows["size"]
    assert rows["head ferplus (default)"].startswith("neutral, happiness") and "head fer2013" in rows
    figures_row = "accuracy 0.8700 (95 % interval 0.8600 to 0.8800), n = 3,199, official majority"
    assert rows["FER+ valid, head ferplus"] == figures_row


# ----------------------------------------------------------------------------------------------------- what is wrong

WHOLE = make_card(figures=(Figure("FER+", "valid", "ferplus", 9, "accuracy", 0.5, 0.4, 0.6),)).dump()


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("format = 1", "format = 2", "expected format = 1, got 2"),
        ("format = 1\n", "", "expected format = 1, got None"),
        ('name = "small"', "", "expected the key name, got 'none'"),
        ('name = "small"', 'name = " "', "expected a name, got ' '"),
        ('name = "small"', "name = 3", "expected str as name, got 3"),
        ('name = "small"', 'nmae = "small"', "expected keys out of name, .* got 'nmae'"),
        (
            'default_head = "ferplus"',
            'default_head = "rafdb"',
            "expected default_head out of ferplus, fer2013, got 'rafdb'",
        ),
        ('default_file = "float32"', 'default_file = "int8"', "expected default_file out of float32, got 'int8'"),
        ("parameters = 0", "parameters = -1", "expected parameters of 0 or more, got -1"),
        ("macs = 0", "macs = 0.5", "expected int as macs, got 0.5"),
        ("size = 48", "size = 0", "expected input.size in 1..4096, got 0"),
        ("size = 48", "size = true", "expected int as input.size, got True"),
        ("size = 48", "", "expected the key input.size"),
        ('color = "gray"', 'color = "bgr"', "expected input.color out of gray, rgb, got 'bgr'"),
        ('color = "gray"', 'color = "rgb"', "expected 3 finite number\\(s\\), one a channel, in input.mean"),
        ("mean = [0.5]", "mean = 0.5", "expected 1 finite number.* in input.mean, got 0.5"),
        ("mean = [0.5]", "mean = [nan]", "expected 1 finite number.* in input.mean"),
        ("std = [0.25]", "std = [0]", "expected input.std above 0"),
        ("scale = 0.9", "scale = 0", "expected crop.scale in 0..10, got 0"),
        ("scale = 0.9", 'scale = "big"', "expected float as crop.scale, got 'big'"),
        ("shift_x = 0.0", "shift_x = inf", "expected a number as crop.shift_x, got inf"),
        ("align = false", "align = 1", "expected true or false as crop.align, got 1"),
        ("[heads.ferplus]\nlabels", "[heads.ferplus]\nlables", "expected names as heads.ferplus.labels, got None"),
        ('"contempt"]', "7]", "expected names as heads.ferplus.labels"),
        (
            "temperature = 1.0\n\n[heads.fer2013]",
            "temperature = 0\n\n[heads.fer2013]",
            "expected a temperature in 0.01..100",
        ),
        ('file = "small.onnx"', 'file = "../small.onnx"', "expected the name of a file beside the card"),
        ('file = "small.onnx"', 'file = "C:small.onnx"', "expected the name of a file beside the card"),
        (SHA256, SHA256[1:], "expected 64 hexadecimal digits as sha256 of small.onnx"),
        (f'sha256 = "{SHA256}"\n', "", "expected the key files.float32.sha256"),
        ("n = 9", "n = 0", "expected figures.n of 1 or more, got 0"),
        ("low = 0.4", "low = 0.55", "expected figures.value between figures.low and figures.high"),
        ("[[figures]]", "[figures]", "expected figures as \\[\\[figures\\]\\]"),
        ("robustness = []", "robustness = [{corruption = 'blur'}]", "expected the key robustness.strength, got 'none'"),
        (
            "robustness = []",
            "robustness = [{corruption = 'blur', strength = 0.1, accuracy = 1.5, relative = 1}]",
            "expected robustness.accuracy in 0..1, got 1.5",
        ),
        ("robustness = []", "robustness = 3", "expected robustness as \\[\\[robustness\\]\\], got 3"),
        ("[input]", "[inputs]", "expected a table \\[input\\], got None"),
        ("[crop]", "[crop", "expected TOML in the model card"),
    ],
)
def test_what_is_wrong_is_named(old: str, new: str, said: str, tmp_path: Path) -> None:
    assert old in WHOLE
    path = tmp_path / "wrong.toml"
    path.write_text(WHOLE.replace(old, new), "utf-8")
    with pytest.raises(ModelError, match=said) as caught:
        Card.load(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [None, b"\xff\xfe", b"", b"format = 1\n" + b"a = " + b"[" * 5000])
def test_what_is_no_card_is_said(data: bytes | None, tmp_path: Path) -> None:
    path = tmp_path / "card.toml"
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(ModelError, match=r"card\.toml"):
        Card.load(path)


toml_values = st.sampled_from(
    ["0", "-1", "1e400", "9" * 400, '""', '"x"', "[]", "[1, 'a']", "{}", "{a = 1}", "true", "nan"]
)


@given(st.integers(0, WHOLE.count(" = ") - 1), toml_values)
@settings(max_examples=150, deadline=None)
def test_any_value_at_any_key_gives_a_card_or_a_model_error(which: int, value: str) -> None:
    lines = WHOLE.splitlines()
    at = [i for i, line in enumerate(lines) if " = " in line][which]
    lines[at] = f"{lines[at].partition(' = ')[0]} = {value}"
    try:
        card = Card.parse("\n".join(lines))
    except ModelError as error:
        assert "\n" not in str(error)
    else:
        assert Card.parse(card.dump()) == card


def test_a_training_fact_that_toml_cannot_hold() -> None:
    with pytest.raises(ModelError, match="as train.seeds, got"):
        make_card(train={"seeds": object()})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"heads": {}}, "expected at least one head"),
        ({"files": {}}, "expected at least one weight file"),
    ],
)
def test_a_card_is_checked_when_it_is_made(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        make_card(**changes)
