"""A step of training, and how much of it the data path is: augmentation, normalisation, mixing.

    python benchmarks/train.py
    python benchmarks/train.py --preset mien-s --set batch=64

Full steps and steps on a batch that is there already, in turns, on made-up faces at the net's full size; once with the
preset's own augmentation and once with every change that there is. The same figures as `mien bench training`.
"""

import argparse

from mien.training.config import load_config
from mien.training.speed import measure_steps

ALL = {
    "yaw": 30.0, "exposure": 1.0, "gamma": 0.4, "downscale": 0.6, "blur": 0.03, "noise": 0.05, "jpeg": 80.0,
    "mixup": 0.2, "cutmix": 1.0,
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mien-s")
    parser.add_argument("--set", dest="changes", action="append", default=[], metavar="KEY=VALUE")
    parser.add_argument("--steps", type=int, default=10)
    options = parser.parse_args()
    print("| augmentation | full step | on a resident batch | full / resident | making a batch | faces/s | on |")
    print("|---|---|---|---|---|---|---|")
    for name, changes in (("the preset's", []), ("every change", [f"augment.{key}={ALL[key]}" for key in ALL])):
        config = load_config(preset=options.preset, changes=[*changes, *options.changes])
        times = measure_steps(config, steps=options.steps)
        on = f"{times.device}, {times.precision}, {times.threads} thread(s), batch {times.batch}"
        print(
            f"| {name} | {1000 * times.full:,.0f} ms | {1000 * times.resident:,.0f} ms | "
            f"{times.full / times.resident:.3f} | {1000 * times.data:,.1f} ms ({times.data / times.resident:.1%}) | "
            f"{times.batch / times.full:,.0f} | {on} |"
        )


if __name__ == "__main__":
    main()
