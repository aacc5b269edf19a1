"""The clips of the benchmark `open-world`: captured motion on a floor, before cameras that stand, turn and travel."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import roma
import torch
from jaxtyping import Bool, Float
from numpy import ndarray
from torch import Tensor

from vibe.assets import whole_file, write_whole
from vibe.body.load import load_body
from vibe.body.pose import joints, rest_joints, turn_root
from vibe.body.record import Body
from vibe.data.motion import FPS, find_motion, read_motion_clips
from vibe.records import Progress, SmplParams
from vibe.synthetic.camera_paths import MOTIONS, Filming, film, virtual_pan
from vibe.synthetic.clips import render_world_clip
from vibe.synthetic.scenery import make_scenery
from vibe.synthetic.standing import foot_points, stand_on_floor

MANIFEST = "open_world.json"
MOTION = "open2_30fps.npz"
FRAMES = 130
R_ZUP_YUP = np.array([[0.0, 0.0, 1.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
"""Motion files have y up and people who face z; here z is up and they face x."""
SHAPE = 0.8
"""Standard deviation of the shapes."""
VIRTUAL = "virtual pan"
"""What a turning camera is called that is laid over a real video."""
ENDINGS = (".mp4", ".mov", ".webm", ".mkv", ".avi")
APART = 0.9
"""Metres that two people keep between their pelvises."""


@dataclass(frozen=True)
class Shot:
    """What a clip shows."""

    camera: str
    """Of `MOTIONS`."""
    people: tuple[tuple[str, int], ...]
    """Clip of the motion file and its first frame, of each person."""


HELD_OUT_SHOTS = (
    Shot("still", (("cmu_06_01", 0),)),
    Shot("still", (("cmu_06_13", 0),)),
    Shot("still", (("cmu_06_07", 10), ("cmu_55_01", 0))),
    Shot("still", (("cmu_09_12", 40),)),
    Shot("still", (("cmu_06_03", 0), ("cmu_06_10", 100))),
    Shot("still", (("cmu_55_01", 140),)),
    Shot("still", (("cmu_06_15", 0),)),
    Shot("still", (("cmu_06_13", 300), ("cmu_06_12", 60))),
    Shot("pan", (("cmu_06_02", 20),)),
    Shot("pan", (("cmu_06_13", 450),)),
    Shot("pan", (("cmu_55_01", 300),)),
    Shot("pan", (("cmu_06_11", 0),)),
    Shot("pan", (("cmu_09_12", 180),)),
    Shot("pan", (("cmu_06_14", 0), ("cmu_06_07", 10))),
    Shot("handheld", (("cmu_06_03", 0),)),
    Shot("handheld", (("cmu_06_13", 600),)),
    Shot("handheld", (("cmu_55_01", 60), ("cmu_06_12", 160))),
    Shot("along", (("cmu_06_02", 40),)),
    Shot("along", (("cmu_06_13", 760),)),
    Shot("along", (("cmu_06_01", 0),)),
    Shot("along", (("cmu_09_12", 300),)),
    Shot("dolly", (("cmu_06_07", 0),)),
    Shot("dolly", (("cmu_06_13", 920),)),
    Shot("dolly", (("cmu_55_01", 200), ("cmu_06_10", 20))),
)
"""Reported: of subjects that no weights are trained on. Those of subject 03 are not among them, whose floor climbs."""
TRAINING_SHOTS = (
    Shot("still", (("accad_walkingForward", 80),)),
    Shot("still", (("cmu_12_02", 20), ("cmu_64_26", 0))),
    Shot("still", (("cmu_94_02#1", 100),)),
    Shot("still", (("cmu_35_04", 0), ("cmu_137_38", 200))),
    Shot("still", (("cmu_16_09", 0),)),
    Shot("still", (("accad_Female1_B21_PutDownBoxToWalk", 120),)),
    Shot("pan", (("cmu_16_15", 0),)),
    Shot("pan", (("cmu_94_12", 300), ("cmu_69_73", 40))),
    Shot("handheld", (("cmu_137_38", 60),)),
    Shot("along", (("accad_walkingForward", 120),)),
    Shot("along", (("cmu_12_03", 0),)),
    Shot("dolly", (("cmu_94_11#1", 200),)),
    Shot("dolly", (("cmu_91_48", 0),)),
    Shot("handheld", (("cmu_13_30", 500), ("cmu_12_01", 0))),
    Shot("pan", (("accad_walkingForward", 60),)),
    Shot("pan", (("cmu_16_16", 0),)),
    Shot("along", (("accad_walkBackwards", 150),)),
    Shot("dolly", (("cmu_12_02", 20),)),
)
"""To choose settings on."""
SHOTS = {"held-out": HELD_OUT_SHOTS, "training": TRAINING_SHOTS}


@dataclass(frozen=True)
class StagedPerson:
    """Somebody in the world of a clip."""

    smpl: SmplParams
    """In the world: right-handed, z up, the floor at 0, metres."""
    contacts: Bool[ndarray, "time 4"]
    """Which of `vibe.synthetic.standing.FEET` stand."""


def build_open_world(
    out: Path, subjects: str = "held-out", progress: Progress | None = None, videos: Path | None = None
) -> int:
    """Renders the clips into a folder, each a video and its truth; says how many.

    With `videos`, a folder of videos that still cameras took, also a virtual pan of each. A clip that is there is left
    as it is. Raises FileNotFoundError without the motion file or a video, ValueError if it is another one or the folder
    has other subjects' clips, OSError where nothing can be written.
    """
    body, shots = load_body(), SHOTS[subjects]
    motion = _motion(find_motion(MOTION), shots)
    out.mkdir(parents=True, exist_ok=True)
    if (out / MANIFEST).exists() and (held := read_clip_list(out)["subjects"]) != subjects:
        raise ValueError(f"{out} holds clips of {held} subjects: choose another folder for those of {subjects}")
    names = [f"{number:02d}_{shot.camera}" for number, shot in enumerate(shots)]
    for number, (name, shot) in enumerate(zip(names, shots, strict=True)):
        if progress:
            progress("clips", number, len(shots))
        if not (out / f"{name}.npz").exists():
            _build(out / name, shot, motion, body, number + 1000 * (subjects == "training"))
    clips = {name: {"camera": MOTIONS[shot.camera].kind, "people": shot.people} for name, shot in zip(names, shots)}
    clips |= {name: {"camera": VIRTUAL, "people": ()} for name in _virtual_pans(out, videos, body)}
    manifest = {"set": "open-world", "subjects": subjects, "body": body.origin.sha256, "fps": FPS, "clips": clips}
    write_whole(out / MANIFEST, (json.dumps(manifest, indent=1) + "\n").encode())
    return len(clips)


def _virtual_pans(out: Path, videos: Path | None, body: Body) -> list[str]:
    """Names of the clips that are made of the videos in a folder, in its order; raises FileNotFoundError for none."""
    paths = [] if videos is None else sorted(path for path in videos.rglob("*") if path.suffix.lower() in ENDINGS)
    if videos is not None and not paths:
        raise FileNotFoundError(
            f"{videos} holds no video ({', '.join(ENDINGS)}): give a folder of still cameras' videos"
        )
    names = [f"virtual_{number:02d}_{path.stem}" for number, path in enumerate(paths)]
    for seed, (name, path) in enumerate(zip(names, paths, strict=True)):
        if not (out / f"{name}.npz").exists():
            filming = virtual_pan(path, out / f"{name}.mp4", np.random.default_rng(seed))
            _write_truth(out / f"{name}.npz", truth_arrays(body, (), filming))
    return names


def read_clip_list(data: Path) -> dict[str, Any]:
    """What a folder of clips says of itself; raises FileNotFoundError or ValueError, with what to do."""
    path = data / MANIFEST
    if not path.is_file():
        raise FileNotFoundError(f"{data} has no {MANIFEST}: run `vibe prepare open-world -o {data}`")
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error}): run `vibe prepare open-world` into an empty folder") from error
    if not isinstance(manifest, dict) or {"subjects", "body", "clips"} - manifest.keys():
        raise ValueError(f"{path} is no list of clips: run `vibe prepare open-world` into an empty folder")
    return manifest


def _motion(path: Path, shots: Sequence[Shot]) -> dict[str, tuple[ndarray, ndarray]]:
    """Poses and places of the clips that are shown."""
    poses, trans, offsets, names = read_motion_clips(path)
    rows = {name: slice(*ends) for name, *ends in zip(names, offsets[:-1], offsets[1:], strict=True)}
    wanted = {name: start for shot in shots for name, start in shot.people}
    for name, start in wanted.items():
        if name not in rows or rows[name].stop - rows[name].start <= start + 3:
            raise ValueError(f"{path} has no clip {name} of more than {start} frames: get the motion file {MOTION}")
    return {name: (poses[rows[name]], trans[rows[name]]) for name in wanted}


def _build(path: Path, shot: Shot, motion: dict[str, tuple[ndarray, ndarray]], body: Body, seed: int) -> None:
    rng = np.random.default_rng(seed)
    frames = min(FRAMES, *(len(motion[name][0]) - start for name, start in shot.people))
    rows = [(motion[name], slice(start, start + frames)) for name, start in shot.people]
    people = [stage(poses[part], trans[part], body, rng) for (poses, trans), part in rows]
    people = placed(people, rng)
    points = np.concatenate([joints_world(body, each.smpl).numpy() for each in people], 1)
    filming = film(points, shot.camera, FPS, rng)
    reach = max(float(np.linalg.norm(each[..., :2], axis=-1).max()) for each in (points, filming.t_world_cam))
    times, place = torch.arange(frames, dtype=torch.float64) / FPS, make_scenery(seed, reach + 0.6)
    render_world_clip(path.with_suffix(".mp4"), body, [each.smpl for each in people], filming, times, place, seed)
    _write_truth(path.with_suffix(".npz"), truth_arrays(body, people, filming))


def _write_truth(path: Path, arrays: Mapping[str, ndarray]) -> None:
    with whole_file(path) as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)


def stage(
    poses: Float[ndarray, "time 72"], trans: Float[ndarray, "time 3"], body: Body, rng: np.random.Generator
) -> StagedPerson:
    """Captured motion, y up, as somebody of a shape by chance does it on the floor, facing anywhere."""
    turn = rng.uniform(-math.pi, math.pi)
    R_z = np.array([[math.cos(turn), -math.sin(turn), 0], [math.sin(turn), math.cos(turn), 0], [0, 0, 1]])
    R_world_motion = torch.from_numpy(R_z @ R_ZUP_YUP).float()
    rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses.astype(np.float32)).unflatten(-1, (-1, 3)))
    betas = torch.from_numpy(SHAPE * rng.standard_normal(10)).float()
    pelvis = torch.from_numpy(trans.astype(np.float32)) @ R_world_motion.mT
    return StagedPerson(*stand_on_floor(body, SmplParams(turn_root(R_world_motion, rotmat), betas, pelvis), FPS))


def placed(people: Sequence[StagedPerson], rng: np.random.Generator) -> list[StagedPerson]:
    """The people around the world's origin, never closer to each other than `APART`."""
    paths = [each.smpl.pelvis.numpy() for each in people]
    shifts = [-(path[:, :2].min(0) + path[:, :2].max(0)) / 2 for path in paths]
    for number in range(1, len(people)):
        away = 0.5
        while True:
            angle = rng.uniform(-math.pi, math.pi)
            shift = shifts[number] + away * np.array([math.cos(angle), math.sin(angle)])
            others = [path[:, :2] + moved for path, moved in zip(paths[:number], shifts)]
            if all(np.linalg.norm(paths[number][:, :2] + shift - other, axis=1).min() > APART for other in others):
                break
            away += 0.05
        shifts[number] = shift
    ends = np.concatenate([path[:, :2] + shift for path, shift in zip(paths, shifts, strict=True)])
    middle = (ends.min(0) + ends.max(0)) / 2
    return [
        replace(each, smpl=replace(each.smpl, pelvis=each.smpl.pelvis + torch.tensor([*(shift - middle), 0.0]).float()))
        for each, shift in zip(people, shifts, strict=True)
    ]


def joints_world(body: Body, smpl: SmplParams) -> Float[Tensor, "time 24 3"]:
    """SMPL's joints at their places, metres."""
    return joints(body, smpl.rotmat, smpl.betas) - rest_joints(body, smpl.betas)[0] + smpl.pelvis[:, None]


def truth_arrays(body: Body, people: Sequence[StagedPerson], filming: Filming) -> dict[str, ndarray]:
    """What a clip's file holds, by name: of the camera, and of each person with a number before the name."""
    camera = filming.camera
    arrays = {
        "fps": np.array(FPS),
        "size_px": np.array([camera.width, camera.height]),
        "K_px": camera.K_px.numpy(),
        "R_world_cam": filming.R_world_cam,
        "t_world_cam": filming.t_world_cam,
        "people": np.array(len(people)),
    }
    for number, each in enumerate(people, start=1):
        places, smpl = joints_world(body, each.smpl).numpy(), each.smpl
        person = {
            "rotmat": smpl.rotmat.numpy(),
            "betas": smpl.betas.numpy(),
            "pelvis_world": smpl.pelvis.numpy(),
            "joints_world": places,
            "feet_world": (foot_points(body, smpl) + smpl.pelvis.numpy()[:, None]).astype(np.float32),
            "contacts": each.contacts,
            "joints_px": filming.project(places)[..., :2].astype(np.float32),
        }
        arrays |= {f"{number}/{name}": array for name, array in person.items()}
    return arrays
