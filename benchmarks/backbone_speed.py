"""ResNet-50 on crops: ours, and what runtimes make of it, against plain eager PyTorch in the same run.

    python benchmarks/backbone_speed.py [--rounds 10] [--threads 2] [--table FILE]

Plain: the published arrangement, one convolution and one batch norm after the other in PyTorch's usual layout, 16 crops
at once. All ways read the same crops, from bytes to features, in turns; peak memory is that of a process of its own
that reads 64 crops. Runtimes that are not installed are left out. The weights are random, which changes no time.

Where other programs run too, set OMP_WAIT_POLICY=PASSIVE: threads that wait for one another then leave the cores to
them, and CPU time stays comparable.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import report
import torch
import tyro
from torch import Tensor

from vibe.features.extractor import BATCH, MEAN_RGB, STD_RGB, Extractor
from vibe.features.onnx_graph import eight_bit, write_graph
from vibe.features.resnet import ResNet50
from vibe.features.runtimes import RUNTIMES

CROPS = 16
Way = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Options:
    rounds: int = 10
    """Turns of each way; the best one counts, since other work can only slow it down."""
    threads: int = 2
    """Of PyTorch; the runtimes take all cores."""
    table: Path | None = None


def plain(network: ResNet50) -> Way:
    """Textbook use of the network."""
    mean, std = torch.tensor(MEAN_RGB), torch.tensor(STD_RGB)

    @torch.inference_mode()
    def read(crops: Tensor) -> Tensor:
        return network(((crops.float() - mean) / std).permute(0, 3, 1, 2).contiguous())

    return read


def in_parts(read: Way, batch: int) -> Way:
    """`batch` crops at once."""
    return lambda crops: torch.cat([read(part) for part in crops.split(batch)])


def runtime(name: str) -> Callable[[], Way]:
    extractor = Extractor(weights())
    return lambda: in_parts(RUNTIMES[name](extractor, partial(write_graph, extractor)), BATCH)


def small_integers() -> Way:
    return in_parts(eight_bit(Extractor(weights()), some_crops(CROPS)).read, BATCH)


def weights() -> ResNet50:
    torch.manual_seed(0)
    return ResNet50().eval().requires_grad_(False)


def some_crops(count: int) -> Tensor:
    return torch.randint(0, 256, (count, 224, 224, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


WAYS: dict[str, Callable[[], Way]] = {
    "eager PyTorch, 16 at once": lambda: plain(weights()),
    "eager PyTorch, 2 at once": lambda: in_parts(plain(weights()), 2),
    f"eager PyTorch, {BATCH} at once": lambda: in_parts(plain(weights()), BATCH),
    f"torch (default), {BATCH} at once": runtime("torch"),
    f"onnxruntime, {BATCH} at once": runtime("onnxruntime"),
    f"openvino, {BATCH} at once": runtime("openvino"),
    f"openvino, 8-bit, {BATCH} at once": small_integers,
}


def peak_mb(name: str) -> float | None:
    """Peak memory of a process that reads with one way; None where its runtime is not installed."""
    done = subprocess.run([sys.executable, __file__, "--only", name], check=True, stdout=subprocess.PIPE, text=True)
    return json.loads(done.stdout.splitlines()[-1])


def read_alone(name: str) -> None:
    """Read with one way and print the peak memory, MB; null where its runtime is not installed."""
    try:
        read = WAYS[name]()
    except ImportError as error:
        print(f"{name} is left out: {error}", file=sys.stderr)
        print("null")
        return
    for part in some_crops(64).split(CROPS):
        read(part)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit))


def main(options: Options) -> None:
    torch.set_num_threads(options.threads)
    # First of all, since a new process counts its parent's memory as its own.
    peaks = {name: peak for name in WAYS if (peak := peak_mb(name)) is not None}
    ways, crops = {name: WAYS[name]() for name in peaks}, some_crops(CROPS)
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(options.rounds + 1):
        for name, read in ways.items():
            began, worked = time.perf_counter(), time.process_time()
            read(crops)
            if turn:
                seconds[name].append((time.perf_counter() - began, time.process_time() - worked))
    first = [min(times) for times in zip(*seconds["eager PyTorch, 16 at once"], strict=True)]
    rows = []
    for name, turns in seconds.items():
        wall, work = (min(times) for times in zip(*turns, strict=True))
        ratios = f"{first[0] / wall:.2f}", f"{first[1] / work:.2f}"
        rows.append([name, CROPS / wall, ratios[0], 1000 * work / CROPS, ratios[1], peaks[name]])
    report.table(
        "ResNet-50, from crops to 2048 features",
        ["way", "crops a second", "times the first", "CPU ms a crop", "times the first", "peak memory MB"],
        rows,
        f"{options.threads} threads, best of {options.rounds} turns, one way after the other in every turn",
        options.table,
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--only"]:
        read_alone(sys.argv[2])
    else:
        main(tyro.cli(Options, description=__doc__))
