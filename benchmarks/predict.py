"""A 640 x 480 photograph with one face in a warm process, with each detector; and the classifier's faces a second.

    python benchmarks/predict.py

The same figures as `mien bench inference`.
"""

import argparse

from mien.verbs.bench import bench


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mien-s")
    parser.add_argument("--repeats", type=int, default=30)
    options = parser.parse_args()
    result = bench("inference", model=options.model, repeats=options.repeats)
    print(f"{result.processors} processors, median of {options.repeats} runs\n")
    print("| what | median | |")
    print("|---|---|---|")
    for each in result.measurements:
        print(f"| {each.what} | {each.value:,.1f} {each.unit} | {each.note} |")


if __name__ == "__main__":
    main()
