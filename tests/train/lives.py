"""A program: train by a pickled recipe, first undisturbed, then in processes that are killed at random moments.

Arguments: the recipe's file, a folder, how many to kill, a seed. Makes `whole` and `killed-0`, `killed-1` ... in the
folder, all of them finished runs, and prints how many steps each killed process got.
"""

import os
import pickle
import random
import signal
import sys
import time
from pathlib import Path

import torch

from vibe.train import loop
from vibe.train.journal import read_log


def live(recipe, run: Path) -> int:
    """Begin a process that trains, from a parent that holds all modules already."""
    child = os.fork()
    if child == 0:
        list(loop.train(recipe, run))
        os._exit(0)
    return child


def seconds_of_a_life(recipe, run: Path) -> float:
    began = time.monotonic()
    _, status = os.waitpid(live(recipe, run), 0)
    assert status == 0
    return time.monotonic() - began


def steps_so_far(run: Path) -> int:
    return int(read_log(run)[-1]["step"]) if (run / "log.jsonl").exists() and read_log(run) else 0


def main() -> None:
    torch.set_num_threads(1)
    recipe, folder = pickle.loads(Path(sys.argv[1]).read_bytes()), Path(sys.argv[2])
    kills, moments = int(sys.argv[3]), random.Random(int(sys.argv[4]))
    whole, killed = seconds_of_a_life(recipe, folder / "whole"), 0
    runs = 0
    while killed < kills:
        run = folder / f"killed-{runs}"
        while killed < kills and steps_so_far(run) < recipe.steps:
            child = live(recipe, run)
            time.sleep(moments.uniform(0.0, 0.4 * whole))
            os.kill(child, signal.SIGKILL)
            _, status = os.waitpid(child, 0)
            killed += os.WIFSIGNALED(status)
            sys.stdout.write(f"{run.name} {steps_so_far(run)}\n")
        seconds_of_a_life(recipe, run)
        runs += 1


if __name__ == "__main__":
    main()
