"""Where the motion discriminator pays: the share of windows with 3D truth swept, for G with and without D_M and MPoser.

    python benchmarks/regimes.py [--steps 80] [--start WEIGHTS] [--rows NAME ...] [--shares S ...] [--seeds N ...]

Design. Every run begins from the weights that ship (as the paper's from SPIN's), or with `--start none` a small network
from nothing but the mean pose of real motion; runs of one seed have the same first parameters (but for D_M's) and see
the same windows. Of a share of the windows (1, 0.4, 0.1, 0.02, 0) the 3D truth is known; the
others have no loss of joints, rotations or shape, and teach by the detected keypoints alone. At 0 there is 2D evidence
and, for D_M and MPoser, real motion of the training subjects. Sizes are such that a run takes less than a minute of one
core. D_M's variants are chosen on the subjects that are set aside among the training's (`TRIALS`, little truth or
none), and all rows are measured on the held-out ones: windows as long as the training's, imitated detections.

Each run is a folder, STEPS-START/ROW-SHARE-SEED: started again, finished ones are skipped, the others go on where they
stand; with another motion file or other weights to begin from it is refused. The table is written anew after each run.
Reads the motion capture in VIBE_MOTION.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import report
import scipy.linalg
import scipy.stats
import torch
import tyro
from ablations import planned
from jaxtyping import Float
from torch import Tensor

from vibe.assets import weights_path, write_whole
from vibe.bench.measure import machine_name
from vibe.body.load import load_body
from vibe.data.motion import HELD_OUT, Motions, clip_weights, find_motion, load_motions
from vibe.errors import check_distinct
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.models.discriminator import DiscriminatorConfig
from vibe.models.gru import EncoderConfig
from vibe.models.keypoint_embedding import EmbeddingConfig
from vibe.models.network import NetworkConfig, load_network
from vibe.models.priors import load_prior
from vibe.models.regressor import RegressorConfig
from vibe.skeletons import SMPL, index
from vibe.synthetic.examples import example_points, synthesise
from vibe.train.checkpoints import data_checksum, open_run_folder
from vibe.train.labels import LabelConfig
from vibe.train.loop import train_generator
from vibe.train.losses import flexion
from vibe.train.recipes import OPEN, AdversarialConfig, PriorConfig, Recipe, ablation_base
from vibe.train.task_keypoints import STRAIGHT
from vibe.train.trainer import WEIGHTS, seeded_generator

WIDTH, UNITS = 128, 64
BASE = ablation_base(OPEN, rate=5e-4)
BASE = replace(BASE, synthesis=replace(BASE.synthesis, batch=16, frames=16, ends=0.0))
"""16 windows of 16 frames, COCO's 17 keypoints alone, poses as captured, no rendered evidence."""
SMALL = replace(
    BASE,
    rate=OPEN.rate,
    network=NetworkConfig(
        EmbeddingConfig(WIDTH, blocks=1),
        EncoderConfig(features=WIDTH, hidden=96, bidirectional=True),
        RegressorConfig(features=WIDTH, hidden=192, dropout=0.0, activation="relu"),
    ),
)
"""For those that begin from nothing."""
SHARES = (1.0, 0.4, 0.1, 0.02, 0.0)
SCARCE = (0.0, 0.02)
"""Where D_M's variants are tried."""
SIZES = DiscriminatorConfig(hidden=UNITS, attention_units=UNITS)
PLAIN = AdversarialConfig(weight=0.1, rate=1e-3)


def variant(sizes: Mapping[str, Any], **adversarial: Any) -> dict[str, Any]:
    """Changes of the recipe: D_M's sizes and input, and how it is trained."""
    return {"discriminator": replace(SIZES, **sizes), "adversarial": replace(PLAIN, **adversarial)}


ROWS: Mapping[str, Mapping[str, Any]] = {
    "g": {},
    "g-dm": variant({}),
    "6d-velocity": variant({"form": "6d_velocity"}),
    "g-mposer": {"prior": PriorConfig(weight=0.01)},
    "g-dm-fit": variant({}) | {"labels": LabelConfig(fit=True, evaluations=6)},
}
TRIALS: Mapping[str, Mapping[str, Any]] = {
    "g": ROWS["g"],
    "g-mposer": ROWS["g-mposer"],
    "mposer-1": {"prior": PriorConfig(weight=0.1)},
    "g-dm": ROWS["g-dm"],
    "published": variant({}, weight=0.5, rate=1e-4),
    "6d": variant({"form": "6d"}),
    "6d-velocity": ROWS["6d-velocity"],
    "spectral": variant({"form": "6d_velocity", "spectral": True}),
    "penalty": variant({"form": "6d_velocity"}, penalty=1.0),
    "logistic": variant({"form": "6d_velocity"}, penalty=1.0, loss="logistic"),
    "slow": variant({"form": "6d_velocity"}, penalty=1.0, rate=3e-4),
    "weight-0.5": variant({"form": "6d_velocity"}, penalty=1.0, weight=0.5),
    "weight-2": variant({"form": "6d_velocity"}, penalty=1.0, weight=2.0),
}
SAYS: Mapping[str, str] = {
    "g": "G",
    "g-dm": "G + D_M, axis-angle, squares, weight 0.1, rate 1e-3",
    "g-mposer": "G + MPoser, weight 0.01",
    "mposer-1": "G + MPoser, weight 0.1",
    "g-dm-fit": "G + D_M + fitting in the loop, 6 evaluations",
    "published": "D_M: axis-angle, weight 0.5, rate 1e-4 as published",
    "6d": "D_M: reads 6D alone",
    "6d-velocity": "G + D_M, reads 6D and velocities",
    "spectral": "D_M: 6D and velocities, spectral norm",
    "penalty": "D_M: 6D and velocities, penalty R1 of 1",
    "logistic": "D_M: the same, logistic loss",
    "slow": "D_M: the same as with R1, a third of the rate",
    "weight-0.5": "D_M: the same as with R1, weight 0.5",
    "weight-2": "D_M: the same as with R1, weight 2",
}
GOALS: Mapping[str, float] = {
    "PA-MPJPE mm": 0, "MPJPE mm": 0, "acceleration error mm": 0, "speed kept": 1, "straight knees deg": 0,
    "log jerk": 0, "motion Frechet": 0,
}  # fmt: skip
"""The measures of a row, and what each is at its best."""
WINDOWS = 256
"""Windows that are measured."""
ENDS = index(SMPL, ["left_wrist", "right_wrist", "left_ankle", "right_ankle"])
FPS = 30.0


@dataclass(frozen=True)
class Options:
    steps: int = 80
    """Of every run."""
    start: str = "open"
    """Weights that all runs begin from, or `none`: a small network, fresh."""
    seeds: tuple[int, ...] = (0, 1, 2)
    rows: tuple[str, ...] = ()
    """Rows of the sweep, or of the trials, to train now; none: all."""
    shares: tuple[float, ...] = SHARES
    runs: Path = Path("runs/regimes")
    table: Path | None = Path("benchmarks/results/regimes.md")


def log_jerk(joints: Float[Tensor, "window time 24 3"]) -> Float[np.ndarray, "_"]:
    """Common logarithm of the third difference's length of each joint about the pelvis, m/s^3, of all windows."""
    jerk = (joints - joints[..., :1, :])[..., 1:22, :].diff(n=3, dim=1).norm(dim=-1) * FPS**3
    return jerk.clamp_min(0.1).log10().flatten().numpy()


def frechet_distance(one: Float[np.ndarray, "row number"], other: Float[np.ndarray, "row number"]) -> float:
    """Between normal distributions fitted to both: |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)) (Heusel et al. 2017)."""
    covariances = [np.cov(each, rowvar=False) for each in (one, other)]
    root = np.real(scipy.linalg.sqrtm(covariances[0] @ covariances[1]))
    apart = one.mean(0) - other.mean(0)
    return float(apart @ apart + np.trace(covariances[0] + covariances[1] - 2 * root))


def motion_features(rotmat: Float[Tensor, "window time 24 3 3"]) -> Float[np.ndarray, "window 64"]:
    """MPoser's latent means of each window's last frame and of the one half a window before."""
    z = load_prior("mposer").model.encode(rotmat[..., 1:, :, :]).mean
    return torch.cat([z[:, -1], z[:, z.shape[1] // 2 - 1]], -1).double().numpy()


@torch.no_grad()
def measure(weights: Path, motions: Motions) -> dict[str, float]:
    """The measures of a run's weights on windows of some subjects."""
    body, network = load_body(), load_network(weights).model
    config = replace(BASE.synthesis, batch=WINDOWS, fastest=1.0)
    batch = synthesise(motions, clip_weights(motions), body, config, seeded_generator(12345, 0))
    made = network(batch.evidence)
    joints, truth = example_points(body, made.rotmat, made.betas)[..., :24, :], batch.points[..., :24, :]
    bent, wanted = (flexion(each)[..., :2] for each in (joints, truth))
    moved, true = (each[..., ENDS, :].diff(dim=1).reshape(-1, 3) for each in (joints, truth))
    speed = true.norm(dim=-1)
    fast = speed >= speed.quantile(0.9)
    kept = ((moved * true).sum(-1)[fast] / speed[fast]).sum() / speed[fast].sum()
    values = (
        float(pa_mpjpe_mm(joints, truth).mean()),
        float(mpjpe_mm(joints, truth).mean()),
        float(acceleration_error_mm(joints, truth).mean()),
        float(kept),
        float((bent - wanted)[wanted < STRAIGHT].mean().rad2deg()),
        float(scipy.stats.wasserstein_distance(log_jerk(joints), log_jerk(truth))),
        frechet_distance(motion_features(made.rotmat), motion_features(batch.rotmat)),
    )
    return dict(zip(GOALS, values, strict=True))


def jobs(options: Options) -> list[tuple[str, float, int]]:
    """Rows with their shares and seeds; trials have the first seed and little truth alone."""
    every = [(row, share, seed) for seed in options.seeds for share in options.shares for row in {**ROWS, **TRIALS}]
    return [
        (row, share, seed)
        for row, share, seed in every
        if (row in options.rows or not options.rows) and (row in ROWS or (share in SCARCE and seed == options.seeds[0]))
    ]


def finish(row: str, share: float, seed: int, options: Options, people: Mapping[str, Motions], commit: str) -> None:
    """Train and measure one run, unless both are done."""
    folder = options.runs / f"{options.steps}-{Path(options.start).stem}" / f"{row}-{share:g}-{seed}"
    if (folder / "scores.json").exists():
        return
    base, start = (SMALL, None) if options.start == "none" else (BASE, Path(options.start))
    changes, synthesis = {**ROWS, **TRIALS}[row], replace(base.synthesis, labelled=share)
    recipe: Recipe = replace(base, name=f"regime-{row}", synthesis=synthesis, **changes)
    last = {}
    for last in train_generator(planned(recipe, options.steps, seed, start), folder):
        print(f"{folder.name}: step {last['step']:.0f}, loss {last['loss']:.4f}", flush=True)
    terms = {name: last[name] for name in ("real", "fake", "adversarial", "seconds_a_step") if name in last}
    scores = {name: measure(folder / WEIGHTS, each) for name, each in people.items()}
    write_whole(folder / "scores.json", json.dumps({"commit": commit, "last": terms} | scores).encode())
    print(f"{folder.name}: {scores}", flush=True)


def found(row: str, share: float, people: str, runs: Path) -> dict[str, list[float]]:
    """The measures of a row's finished runs."""
    paths = sorted(runs.glob(f"{row}-{share:g}-*/scores.json"))
    scores = [json.loads(path.read_text(encoding="utf-8"))[people] for path in paths]
    return {name: [score[name] for score in scores] for name in GOALS} if scores else {}


def cell(name: str, values: Sequence[float], plain: Sequence[float]) -> str:
    """The mean and range; bold if all of a row's runs are nearer to the best than all of G's, italics if farther."""
    digits = 2 if name in ("speed kept", "log jerk") else 1
    text = f"{statistics.mean(values):.{digits}f}"
    if len(values) > 1:
        text += f" ({min(values):.{digits}f} to {max(values):.{digits}f})"
    off, other = ([abs(value - GOALS[name]) for value in each] for each in (values, plain))
    if len(values) > 1 and len(plain) > 1:
        text = f"**{text}**" if max(off) < min(other) else f"*{text}*" if min(off) > max(other) else text
    return text


def table(rows: Sequence[str], shares: Sequence[float], people: str, runs: Path) -> list[str]:
    """Lines of a Markdown table."""
    head = ["share with 3D truth", "trained", "seeds", *GOALS]
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    if (start := runs / "start.json").exists():
        values = json.loads(start.read_text(encoding="utf-8"))[people]
        lines.append(
            "| | the weights before | | " + " | ".join(cell(name, [values[name]], []) for name in GOALS) + " |"
        )
    for share in shares:
        plain = found("g", share, people, runs)
        for row in rows:
            if values := found(row, share, people, runs):
                cells = [cell(name, values[name], plain.get(name, [])) for name in GOALS]
                lines.append("| " + " | ".join([f"{share:g}", SAYS[row], str(len(values["MPJPE mm"])), *cells]) + " |")
    return lines


NOTE = (
    "{batch} windows of {frames} frames a step, COCO's keypoints; a small network has {width} features. "
    "Means, and the range over seeds; bold: every run is better than every run of G at that share; italics: every one "
    "is worse (rows of fewer seeds too, against all of G's). 24 joints; speed kept: of the fastest tenth of wrists and "
    "ankles, along the true velocity; straight knees: how much too bent; log jerk: Wasserstein distance of the "
    "distributions of log10 jerk (decades); motion Frechet: in the latent space of the MPoser that ships (trained on "
    "the training subjects; it favours the row that learns from it)."
)


def write_table(options: Options) -> None:
    """All tables from the runs that are finished; what is below `## How to read it` stays."""
    if options.table is None:
        return
    before = options.table.read_text(encoding="utf-8") if options.table.exists() else ""
    kept = before[before.index("## How to read it") :] if "## How to read it" in before else ""
    note = NOTE.format(width=WIDTH, batch=BASE.synthesis.batch, frames=BASE.synthesis.frames)
    text = ["# Regimes of 3D truth", "", note]
    for folder in sorted(options.runs.glob("*-*/"), reverse=True):
        steps, start = folder.name.split("-", 1)
        begun = "a fresh small network" if start == "none" else f"the weights `{start}`"
        text += ["", f"## {steps} steps from {begun}", "", "On the held-out subjects:", ""]
        text += table(list(ROWS), SHARES, "held out", folder)
        text += ["", "What was tried for D_M, on the subjects set aside, by which it was chosen:", ""]
        text += table(list(TRIALS), SCARCE, "set aside", folder)
    scores = options.runs.glob("*/*/scores.json")
    commits = {json.loads(path.read_text(encoding="utf-8"))["commit"] for path in scores}
    text += ["", f"Trained on commits {', '.join(sorted(commits))}; {machine_name()}.", "", kept]
    write_whole(options.table, ("\n".join(text).rstrip() + "\n").encode())


def main(options: Options) -> None:
    if unknown := set(options.rows) - {*ROWS, *TRIALS}:
        raise ValueError(f"there is no row {', '.join(sorted(unknown))}: choose among {', '.join({**ROWS, **TRIALS})}")
    for name in ("rows", "shares", "seeds"):
        check_distinct(getattr(options, name), f"--{name}")
    commit, path, fresh = report.commit(), find_motion(BASE.motion[0]), options.start == "none"
    people = {
        name: load_motions([path], held_out=True, subjects=subjects)
        for name, subjects in (("held out", HELD_OUT), ("set aside", BASE.set_aside))
    }
    group, files = options.runs / f"{options.steps}-{Path(options.start).stem}", {path.name: path}
    files |= {"mposer": weights_path("mposer")} | ({} if fresh else {"start": weights_path(options.start)})
    open_run_folder(group, SMALL if fresh else BASE, data_checksum(files))
    start = group / "start.json"
    if not fresh and not start.exists():
        scores = {name: measure(Path(options.start), each) for name, each in people.items()}
        write_whole(start, json.dumps(scores).encode())
    write_table(options)
    for row, share, seed in jobs(options):
        finish(row, share, seed, options, people, commit)
        write_table(options)


if __name__ == "__main__":
    raise SystemExit(report.run(main, tyro.cli(Options, description=__doc__)))
