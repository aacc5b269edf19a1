"""The paper's ablations on open data: every row trained with the same budget, then measured on the open benchmark.

    python benchmarks/ablations.py [--hours 6] [--steps N] [--only NAME ...] [--runs runs/ablations] [--table FILE]

Each run is a folder of its own, ROW-SEED: started again, finished rows are skipped and the others go on where they
stand. How many steps all rows take is found at the first start, from the time of a few steps of each, and kept in
`plan.json`; the table is written anew whenever a run is finished. Reads the motion capture in VIBE_MOTION.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

import report
import tyro

from vibe.assets import write_whole
from vibe.bench.measure import machine_name
from vibe.errors import check_distinct
from vibe.evaluate.open_benchmark import SMPL24, open_benchmark
from vibe.evaluate.open_benchmark_clips import MANIFEST, build_open_benchmark
from vibe.evaluate.scores import WHOLE, System, systems
from vibe.evaluate.tables import FORMATS, report_table
from vibe.models.network import load_network
from vibe.train.loop import train_generator
from vibe.train.recipes import ABLATION_BATCH, ABLATION_FRAMES, ABLATIONS, FRAME, Recipe, ablation_base
from vibe.train.trainer import WEIGHTS

SEEDS = 3
STEPS_BEFORE = 3
"""Of the single-frame weights that all rows begin from, for each step of a row."""
TRIED = 6
"""Steps that are timed before the plan is made."""
SPARE = 0.85
"""Share of the hours that steps are planned for; the rest goes to the measuring of each run."""
SCORES = "scores.json"
ALONE: tuple[System, ...] = systems(refine=False, smoothing="none")
ERRORS = ("pa_mpjpe_mm", "mpjpe_mm", "acceleration_error_mm")


@dataclass(frozen=True)
class Options:
    hours: float = 6.0
    """For all rows together, on this machine."""
    steps: int | None = None
    """Of every row, in place of those that the hours allow."""
    only: tuple[str, ...] = ()
    """Rows to train now; all the others stay as they are."""
    runs: Path = Path("runs/ablations")
    data: Path = Path("runs/open_benchmark")
    """The open benchmark; made if it is not there."""
    table: Path | None = Path("benchmarks/results/ablations.md")


@dataclass(frozen=True)
class Line:
    """One line of a table."""

    says: str
    row: str
    paper: tuple[str, str, str] = ("", "", "")
    """PA-MPJPE, MPJPE and acceleration error that the paper reports, on 3DPW."""


TABLE_2 = ("frame", "g", "g-dm", "g-mposer", "g-dm-smplify")
"""The rows that are trained with several seeds."""
TABLES: Mapping[str, Sequence[Line]] = {
    "Discriminator and prior (the paper's table 2, features of SPIN)": (
        Line("single frame, same evidence", "frame", ("60.1", "102.4", "29.2")),
        Line("G only", "g", ("56.9", "90.2", "28.0")),
        Line("G + D_M", "g-dm", ("51.9", "82.9", "23.4")),
        Line("G + D_M, weight 0.5 and rate 1e-4 as published", "g-dm-published"),
        Line("G + MPoser", "g-mposer", ("54.1", "87.0", "28.2")),
        Line("G + D_M + SMPLify in the loop", "g-dm-smplify", ("54.7", "93.6", "27.7")),
    ),
    "Pooling in the discriminator (table 3)": (
        Line("mean and max, side by side", "dm-concat", ("53.7", "85.9", "")),
        Line("attention, 2 layers of 1024", "g-dm", ("51.9", "82.9", "")),
        Line("attention, 2 layers of 512", "dm-attention-2x512", ("54.2", "86.6", "")),
        Line("attention, 3 layers of 1024", "dm-attention-3x1024", ("52.4", "82.7", "")),
        Line("attention, 3 layers of 512", "dm-attention-3x512", ("53.6", "85.3", "")),
    ),
    "Encoders, G only": (
        Line("GRU, both directions", "g"),
        Line("GRU, one direction", "one-direction"),
        Line("convolutional", "convolutional"),
        Line("attention", "attention"),
        Line("transformer", "transformer"),
    ),
    "Frames of a window, G only": (Line("16", "g"), Line("32", "t-32"), Line("64", "t-64")),
}
NOTE = (
    "Means, and where there are several seeds the spread from the lowest to the highest. The network alone on the open "
    "benchmark: 24 joints about the pelvis. The paper's figures are those of 3DPW's test set, from pictures: orderings "
    "can be compared, numbers can't. MPoser against VPoser stands in `priors.md`."
)


def runs() -> list[tuple[str, int]]:
    """Every run as row and seed, so that each row has its first seed before any has its second."""
    every = [(row, seed) for seed in range(SEEDS) for row in ABLATIONS if seed == 0 or row in TABLE_2]
    assert {line.row for lines in TABLES.values() for line in lines} == set(ABLATIONS)
    return every


def planned(recipe: Recipe, steps: int, seed: int, start: Path | None) -> Recipe:
    """The recipe of one run, which begins from single-frame weights, as published."""
    warmup = max(1, min(300, steps // 10))
    every = max(1, steps // 10)
    begun = None if start is None else str(start)
    return replace(recipe, steps=steps, warmup=warmup, seed=seed, save_every=every, validate_every=steps, start=begun)


def begin(steps: int, options: Options) -> Path:
    """The single-frame weights that every row begins from (embedding and regressor), trained if they are not there."""
    folder = options.runs / "begin"
    for record in train_generator(planned(ablation_base(FRAME), STEPS_BEFORE * steps, SEEDS, None), folder):
        print(f"{folder.name}: step {record['step']:.0f}, loss {record['loss']:.4f}", flush=True)
    return folder / WEIGHTS


def seconds_a_step(recipe: Recipe) -> float:
    """The median of a few steps in a folder that is thrown away."""
    with tempfile.TemporaryDirectory() as folder:
        records = train_generator(replace(planned(recipe, TRIED, 0, None), log_every=1), Path(folder))
        ends = [record["seconds_a_step"] * record["step"] for record in records]
    return statistics.median(end - start for start, end in pairwise(ends[:-1]))


def plan(options: Options) -> int:
    """The steps of every row: as planned before, as asked for, or as many as the hours allow.

    Raises ValueError if other runs are in the folder already.
    """
    path = options.runs / "plan.json"
    if path.exists():
        steps = int(json.loads(path.read_text(encoding="utf-8"))["steps"])
        if options.steps not in (None, steps):
            raise ValueError(f"the runs in {options.runs} take {steps} steps, not {options.steps}: give other --runs")
        return steps
    price = {} if options.steps else {name: seconds_a_step(recipe) for name, recipe in ABLATIONS.items()}
    whole = sum(price.get(row, 0.0) for row, _ in runs()) + STEPS_BEFORE * price.get("frame", 0.0)
    steps = options.steps or int(SPARE * 3600 * options.hours / whole)
    write_whole(path, json.dumps({"steps": steps, "seconds_a_step": price}, indent=1).encode())
    return steps


def finish(row: str, seed: int, steps: int, start: Path, options: Options) -> None:
    """Train and measure one run, unless both are done."""
    folder = options.runs / f"{row}-{seed}"
    if (folder / SCORES).exists():
        return
    for record in train_generator(planned(ABLATIONS[row], steps, seed, start), folder):
        print(f"{folder.name}: step {record['step']:.0f} of {steps}, loss {record['loss']:.4f}", flush=True)
    measure(row, folder, options)


def measure(row: str, folder: Path, options: Options) -> None:
    """Score a run's weights, which read windows as long as those that they were trained on, as published."""
    network = replace(load_network(folder / WEIGHTS), window=ABLATIONS[row].synthesis.frames)
    write_whole(folder / SCORES, FORMATS["json"](report_table(open_benchmark(options.data, network, ALONE))).encode())


def errors(row: str, evidence: str, folder: Path) -> dict[str, list[float]]:
    """The errors of a row's finished runs."""
    found: dict[str, list[float]] = {name: [] for name in ERRORS}
    for seed in range(SEEDS):
        path = folder / f"{row}-{seed}" / SCORES
        if not path.exists():
            continue
        scores = json.loads(path.read_text(encoding="utf-8"))
        [score] = [
            each for each in scores if (each["part"], each["evidence"], each["joints"]) == (WHOLE, evidence, SMPL24)
        ]
        for name in ERRORS:
            found[name].append(score[name])
    return found


def cell(values: Sequence[float]) -> str:
    spread = f" ({min(values):.1f} to {max(values):.1f})" if len(values) > 1 else ""
    return f"{statistics.mean(values):.1f}{spread}" if values else ""


def ordering(lines: Sequence[Line], folder: Path) -> str:
    """Which of the paper's orderings in PA-MPJPE hold here, by the means of the rows that are there.

    A difference counts as within the spread if it is at most the widest range of the table's rows over their seeds.
    """
    there = {line.says: errors(line.row, "noisy", folder)["pa_mpjpe_mm"] for line in lines if line.paper[0]}
    known = [line for line in lines if there.get(line.says)]
    pairs = [(a.says, b.says) for a in known for b in known if float(a.paper[0]) < float(b.paper[0])]
    if not pairs:
        return ""
    mean = {says: statistics.mean(values) for says, values in there.items() if values}
    spread = max(max(values) - min(values) for values in there.values() if values)
    wrong = [(a, b) for a, b in pairs if mean[a] >= mean[b]]
    clear = [f"{a} ({mean[a]:.1f} mm) is behind {b} ({mean[b]:.1f})" for a, b in wrong if mean[a] - mean[b] > spread]
    said = f"Of the paper's {len(pairs)} orderings in PA-MPJPE {len(pairs) - len(wrong)} hold here, on noisy keypoints"
    if wrong:
        said += f"; of the others {len(wrong) - len(clear)} are reversed by no more than the spread over seeds of a row"
        said += f" ({spread:.1f} mm)" + (", and " + "; ".join(clear) if clear else "")
    return said + "."


def write_table(steps: int, options: Options) -> None:
    """All tables from the runs that are finished."""
    heads = [f"{evidence} {what}" for evidence in ("noisy", "clean") for what in ("PA-MPJPE", "MPJPE", "acceleration")]
    head = ["trained", "seeds", *heads, "paper's PA-MPJPE", "MPJPE", "acceleration"]
    text = [
        "# Ablations",
        "",
        f"{steps} steps of {ABLATION_BATCH * ABLATION_FRAMES} frames each; mm and mm/frame^2. {NOTE}",
        "",
    ]
    for title, lines in TABLES.items():
        text += [f"## {title}", "", "| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
        for line in lines:
            found = [errors(line.row, evidence, options.runs) for evidence in ("noisy", "clean")]
            cells = [cell(each[name]) for each in found for name in ERRORS]
            text.append("| " + " | ".join([line.says, str(len(found[0][ERRORS[0]])), *cells, *line.paper]) + " |")
        text += ["", *([sentence, ""] if (sentence := ordering(lines, options.runs)) else [])]
    text.append(f"Commit {report.commit()}; {machine_name()}.")
    if options.table is not None:
        write_whole(options.table, ("\n".join(text) + "\n").encode())


def main(options: Options) -> None:
    if unknown := set(options.only) - set(ABLATIONS):
        raise ValueError(f"there is no row {', '.join(sorted(unknown))}: choose among {', '.join(ABLATIONS)}")
    check_distinct(options.only, "--only")
    options.runs.mkdir(parents=True, exist_ok=True)
    if not (options.data / MANIFEST).exists():
        build_open_benchmark(options.data)
    steps = plan(options)
    start = begin(steps, options)
    for row, seed in runs():
        if not options.only or row in options.only:
            finish(row, seed, steps, start, options)
            write_table(steps, options)


if __name__ == "__main__":
    raise SystemExit(report.run(main, tyro.cli(Options, description=__doc__)))
