"""The shipped detector's errors on rendered clips, where the truth is known, beside what imitates them.

    python benchmarks/detector_noise.py [--clips 80] [--cache runs/rendered] [--table FILE]
    python benchmarks/detector_noise.py --clips 48 --subjects training --places-only --cache FOLDER

The clips of `benchmarks/rendered.py`; the tracker's keypoints before anything is cleaned.
`vibe.evaluate.open_benchmark_clips` (the open benchmark) and `vibe.synthetic.keypoint_noise` (training) imitate
this; both are given the same true keypoints here, often enough for their chance to even out. What can be told without
a truth is told of two of the shared videos as well. Millimetres at the joint's distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import keypoint_errors as measure
import numpy as np
import rendered
import report
import torch
import tyro
from keypoint_errors import Seen
from numpy.typing import NDArray
from watcher import Watcher

from vibe import skeletons
from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import carrier, joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import pose_joints
from vibe.body.record import Body
from vibe.cameras import project
from vibe.evaluate import open_benchmark_clips
from vibe.inference import track
from vibe.parallel import one_thread
from vibe.refine.energies import BONES
from vibe.synthetic import keypoint_noise
from vibe.video.read import open_video

VIDEOS = ("two_people/cam01", "street/street")
FOLDER = Path("../shared/data/videos")
LEAST = 60
"""Frames in which a person of a shared video is seen, for them to be measured."""


@dataclass(frozen=True)
class Options:
    clips: int = 80
    subjects: Literal["held-out", "training"] = "held-out"
    places_only: bool = False
    """Where points are marked, and nothing of their errors."""
    often: int = 8
    """How often each clip is imitated."""
    cache: Path = Path("runs/rendered")
    table: Path | None = None


@dataclass(frozen=True)
class Marked:
    """Where the detector marks one clip's points (`skeletons.DETECTED27`), in space."""

    detected_px: NDArray[np.floating]
    points_cam: NDArray[np.floating]
    """COCO's own, and where hands and feet begin and end (`ON_BODY`), [time, 27, 3]."""
    R_cam_joint: NDArray[np.floating]
    """[time, 24, 3, 3]."""
    K_px: NDArray[np.floating]


def watched(take: rendered.Take, body: Body) -> tuple[Seen, Marked]:
    """One rendered clip."""
    smpl, K_px = as_tensors(take.motion.smpl), take.camera.K_px
    betas, trans = smpl.betas, smpl.pelvis[:, None]
    joints, marked = joints_and_keypoints(body, take.rotmat, betas, "detected27")
    marked = marked - joints[:, :1] + trans
    points, turns = marked[:, :17], pose_joints(body, take.rotmat, betas)[0]
    places = [carrier(name) for name in skeletons.DETECTED27]
    offsets = torch.tensor([offset for _, offset in places])
    own = marked - (turns[:, [joint for joint, _ in places]] @ offsets[..., None])[..., 0]
    metre_px = (K_px[0, 0] / points[..., 2]).numpy()
    seen = Seen(take.detected_px, project(points, K_px).numpy(), metre_px)
    whole = take.landmarks[:, skeletons.index(skeletons.BLAZEPOSE, skeletons.DETECTED27)]
    detected_px = np.concatenate([whole[..., :2], whole[..., 5:].prod(-1, keepdims=True)], -1)
    return seen, Marked(detected_px, own.numpy(), turns.numpy(), K_px.numpy())


def benchmarked(seen: Seen, seed: int) -> Seen:
    """The open benchmark's imitation of one clip."""
    assert seen.truth_px is not None and seen.metre_px is not None
    made = open_benchmark_clips.imitate_detections(seen.truth_px, seen.metre_px, np.random.RandomState(seed))
    return Seen(made, seen.truth_px, seen.metre_px)


def trained(seen: Seen, seed: int) -> Seen:
    """The imitation of one clip that training sees."""
    assert seen.truth_px is not None and seen.metre_px is not None
    random = torch.Generator().manual_seed(seed)
    points, metre = torch.from_numpy(seen.truth_px)[None], torch.from_numpy(seen.metre_px)[None]
    everywhere = torch.full((1, 2), torch.inf)
    made = keypoint_noise.imitate_detector(
        points.float(), metre.float(), everywhere, keypoint_noise.NoiseConfig(), random
    )[0]
    return Seen(made.double().numpy(), seen.truth_px, seen.metre_px)


def filmed(path: Path) -> list[Seen]:
    """Everyone in a shared video, at 30 frames a second, in their longest run without a gap."""
    follower = Watcher()
    with open_video(path) as video:
        clip = track.track_frames(video, follower).clip
    people: dict[int, list[tuple[int, NDArray]]] = {}
    for frame in range(0, len(follower.seen), max(round(clip.fps / measure.FPS), 1)):
        for one in follower.seen[frame]:
            people.setdefault(one.number, []).append((frame, one.landmarks.keypoints_px))
    found = []
    for rows in people.values():
        frames = np.array([frame for frame, _ in rows])
        step = max(round(clip.fps / measure.FPS), 1)
        runs = np.split(np.arange(len(rows)), np.flatnonzero(np.diff(frames) > step) + 1)
        longest = max(runs, key=len)
        if len(longest) * step >= LEAST:
            found.append(Seen(np.stack([rows[place][1] for place in longest])))
    return found


def offset_mm(clips: Sequence[Marked], keypoint: int) -> NDArray[np.floating]:
    """Steady offset [3] of a keypoint from its place on the body in its joint's axes, robust over all clips."""
    rows, aims = [], []
    joint, _ = carrier(skeletons.DETECTED27[keypoint])
    for seen in clips:
        sure = seen.detected_px[:, keypoint, 2] > 0.8
        point, K_px = seen.points_cam[sure, keypoint], seen.K_px
        ray = (seen.detected_px[sure, keypoint, :2] - K_px[:2, 2]) / K_px[0, 0]
        turn = seen.R_cam_joint[sure, joint]
        rows.append(turn[:, :2] - ray[..., None] * turn[:, 2:])
        aims.append(ray * point[:, 2:] - point[:, :2])
    row, aim, offset = np.concatenate(rows), np.concatenate(aims), np.zeros(3)
    for _ in range(30):
        weight = 1 / (np.square(aim - row @ offset).sum(-1) + 0.03**2)
        offset = np.linalg.solve(
            np.einsum("n,nij,nik->jk", weight, row, row), np.einsum("n,nij,ni->j", weight, row, aim)
        )
    return offset * 1000


def places(clips: Sequence[Marked]) -> list[list[object]]:
    """Where the detector marks each keypoint, beside where the body's `detected17` has it."""
    rows = []
    for keypoint, name in enumerate(skeletons.DETECTED27):
        joint, offset = carrier(name)
        texts = [" ".join(f"{value:.0f}" for value in three)
                 for three in (offset_mm(clips, keypoint), np.array(offset) * 1000)]  # fmt: skip
        rows.append([name, skeletons.SMPL[joint], *texts])
    return rows


def bones(takes: Sequence[rendered.Take], body: Body) -> list[list[object]]:
    """Sines by which limbs point away from the camera: those of the model's places in space beside the true ones."""
    rows = []
    for (near, far), bias in BONES.items():
        said, true = [], []
        for take in takes:
            smpl = as_tensors(take.motion.smpl)
            points = joints_and_keypoints(body, take.rotmat, smpl.betas)[1]
            sight = torch.nn.functional.normalize(smpl.pelvis, dim=-1)
            for side in ("left", "right"):
                ends = [f"{side}_{end}" for end in (near, far)]
                first, last = skeletons.index(skeletons.COCO, ends)
                bone = torch.nn.functional.normalize(points[:, last] - points[:, first], dim=-1)
                here, there = (torch.from_numpy(take.landmarks[:, place]).float()
                               for place in skeletons.index(skeletons.BLAZEPOSE, ends))  # fmt: skip
                sure = here[:, 5:].prod(-1) * there[:, 5:].prod(-1) > 0.25
                apart = torch.nn.functional.normalize(there[:, 2:5] - here[:, 2:5], dim=-1)
                said.append(apart[sure, 2])
                true.append((bone * sight).sum(-1)[sure])
        both = torch.stack([torch.cat(said), torch.cat(true)])
        off = both[0] - both[1]
        numbers = float(torch.corrcoef(both)[0, 1]), float(off.mean()), bias, float(off.std())
        rows.append([f"{near} to {far}", len(off), *(f"{value:.3f}" for value in numbers)])
    return rows


def write(title: str, head: Sequence[str], rows: Sequence[Sequence[object]], note: str, path: Path | None) -> None:
    """One table more in the file."""
    before = path.read_text(encoding="utf-8") + "\n" if path and path.exists() else ""
    report.table(title, head, rows, note, path)
    if path and before:
        path.write_text(before + path.read_text(encoding="utf-8"), encoding="utf-8")


def main(options: Options) -> None:
    body = load_body()
    with one_thread():
        takes = [rendered.take(plan, body, options.cache) for plan in rendered.plans(options.clips, options.subjects)]
        both = [watched(take, body) for take in takes]
    clips, marked = [seen for seen, _ in both], [place for _, place in both]
    frames = sum(len(seen.detected_px) for seen in clips)
    note = f"{len(clips)} clips of `rendered.py`, {options.subjects} subjects, {frames} frames"
    if options.table:
        options.table.unlink(missing_ok=True)
    write("Where the shipped detector marks points, from their place on the body, in a joint's axes",
          ["point", "joint", "measured x y z mm", "the body's `detected27` x y z mm"],
          places(marked), f"{note}; points of confidence over 0.8", options.table)  # fmt: skip
    write("The shipped model's bones in space: sine by which they point away from the camera",
          ["bone", "frames", "correlation with the true one", "mean error", "the fit's `BONES`", "spread of the error"],
          bones(takes, body), f"{note}; both ends' confidences multiplied over 0.25", options.table)  # fmt: skip
    if options.places_only:
        return
    again = [(seen, 1000 * turn + place) for turn in range(options.often) for place, seen in enumerate(clips)]
    sources = {
        "detector": clips,
        "open benchmark": [benchmarked(seen, seed) for seen, seed in again],
        "training": [trained(seen, seed) for seen, seed in again],
    }
    real = {f"{name.split('/')[0]}": filmed(FOLDER / f"{name}.mp4") for name in VIDEOS if FOLDER.exists()}
    rows = [
        [part, name, *(f"{value:.1f}" for value in measure.sizes(seen, part))]
        for part in measure.PARTS
        for name, seen in sources.items()
    ]
    lags = [f"change in {lag} frame{'s' if lag > 1 else ''} mm" for lag in measure.LAGS]
    write("Errors beside `detected17`, and what imitates them",
          ["keypoints", "of", "median mm", "90 % mm", "98 % mm", "spread of the clips' medians mm", *lags,
           "confidence 10 %, in %", "confidence 50 %, in %"],
          rows, f"{note}; changes over the square root of 2, robust", options.table)  # fmt: skip
    write(*events(sources), note, options.table)
    write(*alone(sources, real), f"{note}; jitter by fourth differences, over the person's size", options.table)
    write(*bins(sources), note, options.table)


def events(sources: dict[str, list[Seen]]) -> tuple[str, list[str], list[list[object]]]:
    """The table of what happens at times."""
    found = {name: measure.against_truth(seen) for name, seen in sources.items()}
    rows: list[list[object]] = [
        [what, name, *(f"{value:.1f}" for value in found[name][what])] for what in found["detector"] for name in sources
    ]
    head = ["what", "of", "% of the frames", "begins in 1000 frames", "length 50 %, frames", "length 90 %, frames"]
    return "What happens at times, by the truth", head, rows


def alone(sources: dict[str, list[Seen]], real: dict[str, list[Seen]]) -> tuple[str, list[str], list[list[object]]]:
    """The table of what can be told without a truth."""
    found = {name: measure.by_itself(seen) for name, seen in (sources | real).items()}
    rows: list[list[object]] = [[what, *(f"{found[name][what]:.2f}" for name in found)] for what in found["detector"]]
    head = ["what", *("detector, rendered" if name == "detector" else name for name in sources)]
    head += [f"detector, {name} ({len(people)} people)" for name, people in real.items()]
    return "What can be told without a truth", head, rows


def bins(sources: dict[str, list[Seen]]) -> tuple[str, list[str], list[list[object]]]:
    """The table of confidences and errors."""
    found = {name: measure.calibration(seen) for name, seen in sources.items()}
    rows: list[list[object]] = []
    for place, (low, high) in enumerate(zip(measure.BINS[:-1], measure.BINS[1:], strict=True)):
        cells = [", ".join(f"{value:.0f}" for value in found[name][place]) for name in sources]
        rows.append([f"{low:.2f} to {min(high, 1):.2f}", *cells])
    head = ["confidence", *(f"{name}: % of the keypoints, error 50 % and 90 % mm" for name in sources)]
    return "Confidence and error", head, rows


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
