# ruff: noqa: E501 - tables of Markdown are wide
"""Write MODEL_CARD.md out of the cards beside the shipped weights, so that no figure stands in two places.

python scripts/model_card.py
"""

from pathlib import Path

from mien.runtime.card import Card, Figure

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "MODEL_CARD.md"
CARDS = (ROOT / "src" / "mien" / "zoo" / "weights" / "mien-s.toml", ROOT / "models" / "mien-m.toml")

BEFORE = """# Model cards

What the two shipped models are, what they are for and what they are worth. This page is written by `python scripts/model_card.py`
out of the cards beside the weights, which `mien models show mien-s` prints; how the models came about stands in
[Models](docs/models.md).

## For what, and for what not

| | |
|---|---|
| meant for | naming the expression that raters would most likely name, of faces in photographs, clips and camera pictures: research, teaching, art, interfaces that their users know of |
| not meant for | telling what somebody feels, thinks or intends; judging persons; use at work, in schools, at borders, in court: [Responsible use](docs/responsible-use.md) |
| input | a face of 40 pixels or more, found by MTCNN (or Haar, dlib); it is cut out as the card says, made grey and 48 x 48 |
| output | calibrated probabilities of eight emotions (head `ferplus`, the default) or seven (head `fer2013`) |
| groups of people | the data name none, so that no figure by age, gender or skin is known; they are not balanced |
| known to be weak at | disgust, contempt, fear and sadness ([figures](docs/responsible-use.md#how-wrong-it-is-and-for-whom)); strong profiles; covered mouths and eyes; strong blur |
| privacy | the weights hold no picture; that a face was in the training data cannot be ruled out by looking at answers, and was not tested |
"""

AFTER = """
## How it was measured

FER2013's PublicTest is the validation split, on which the epoch was chosen and the temperatures were fitted (for the calibration error in
cross-fitting); PrivateTest took no part in anything. Intervals are of 95 %: Wilson for accuracy, bootstrap for the rest, by person for
photographs. To measure again: `mien evaluate mien-s --data ferplus=DIR --split valid --head ferplus`.
"""


def page() -> str:
    """The whole page."""
    return BEFORE + "".join(map(_model, map(Card.load, CARDS))) + AFTER


def _model(card: Card) -> str:
    files = ", ".join(f"`{each.file}` ({name}, {each.bytes / 1e6:.1f} MB)" for name, each in sorted(card.files.items()))
    heads = "; ".join(f"`{name}`: {', '.join(head.label_set.labels)}" for name, head in sorted(card.heads.items()))
    facts = {
        "what": card.title,
        "version": card.version,
        "parameters, multiply-accumulates a face": f"{card.parameters:,}, {card.macs / 1e6:.1f} M",
        "files": f"{files}; `{card.default_file}` is the default",
        "labels": heads,
        "learnt from": card.data,
        "licence": card.license,
        "made by": f"`{card.train['command']}`",
    }
    lines = ["", f"## {card.name}", "", "| | |", "|---|---|", *(f"| {name} | {said} |" for name, said in facts.items())]
    lines += [
        "",
        "| measured on | head | rule | n | figure | value (95 %) | weights |",
        "|---|---|---|---|---|---|---|",
    ]
    lines += [_row(each) for each in card.figures]
    cells = card.robustness
    mean, worst = sum(each.relative for each in cells) / len(cells), min(cells, key=lambda each: each.relative)
    lines += [
        "",
        f"On changed faces (blurred, small, dark, turned; {len(cells)} cells, head `{cells[0].head}`) {mean:.1%} of the accuracy is left on "
        f"average; least, {worst.relative:.1%}, with {worst.corruption} {worst.strength:g}.".replace("%", " %"),
    ]
    return "\n".join(lines) + "\n"


def _row(figure: Figure) -> str:
    return (
        f"| {figure.data}, {figure.split} | `{figure.head}` | {figure.rule} | {figure.n:,} | {figure.metric} "
        f"| {said(figure)} | {figure.file} |"
    )


def said(figure: Figure) -> str:
    """A figure with its interval as the pages write it: shares in percent, F1 with three digits."""
    if figure.metric == "macro_f1":
        return f"{figure.value:.3f} ({figure.low:.3f} to {figure.high:.3f})"
    return f"{figure.value:.1%} ({100 * figure.low:.1f} to {100 * figure.high:.1f})".replace("%", " %")


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
