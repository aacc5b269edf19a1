"""People who pass before one another, rendered, with the real detector: who is followed, and under which number.

    python benchmarks/crossings.py [--cache runs/crossings] [--table FILE]

Two to four people in a clip of 100 frames, whose truth is known. A person counts in the frames in which at least half
of their outline shows. Videos are kept in the cache: delete it after a change to what is rendered.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import report
import roma
import torch
import tyro
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.lbs import vertices
from vibe.body.load import load_body
from vibe.body.pose import pose_joints, rest_joints
from vibe.body.record import Body
from vibe.cameras import default_camera, project
from vibe.inference.track import track_video
from vibe.parallel import one_thread
from vibe.records import Track
from vibe.render import rasterizer
from vibe.render.shading import DAYLIGHT
from vibe.skeletons import SMPL
from vibe.synthetic import background
from vibe.synthetic.clips import NOISE, render_people, walk
from vibe.synthetic.clothing import dress, random_look
from vibe.video.write import VideoWriter

FRAMES, FPS = 100, 30.0
CAMERA = default_camera(640, 480, 70.0)
GROUND = background.ground_below(1.45, 0.07)
RIGHT, LEFT, TOWARDS, AWAY = math.pi / 2, -math.pi / 2, 0.0, math.pi
NEAR, FAR = 3.0, 4.8
"""Metres from the camera."""
MET = 1.6
"""Seconds after which people meet."""
LEAST_VISIBLE = 0.5
"""Share of the outline of somebody who counts."""
SAME = 0.15
"""Mean distance of keypoints over the person's size up to which a reading is of that person."""


@dataclass(frozen=True)
class Actor:
    """Somebody who walks through a clip."""

    depth: float
    """Metres from the camera in the middle of the clip."""
    turn: float
    """Where they walk: radians to the left of towards the camera."""
    meets: float = 0.0
    """Where they are, metres to the right of the picture's middle, at `MET`."""
    look: int = 0
    shape: int = 0
    """Seeds."""
    back: bool = False
    """Whether they turn back at `MET`."""
    stands: bool = False
    sits: bool = False
    """Whether they sit down at `MET` in place of walking."""
    stops: bool = False
    """Whether they walk no further from `MET` on."""
    pace: float = 1.0
    """Over the usual one."""


SCENES = {
    "near before far": (Actor(NEAR, RIGHT, look=1), Actor(FAR, LEFT, look=2, shape=1)),
    "near before far, other way": (Actor(NEAR, LEFT, look=3), Actor(FAR, RIGHT, look=4, shape=2)),
    "same way, near one faster": (Actor(NEAR, RIGHT, look=5), Actor(FAR, RIGHT, look=6, shape=3)),
    "alike, near before far": (Actor(NEAR, RIGHT, look=7), Actor(4.4, LEFT, look=7)),
    "alike, side by side": (Actor(3.6, RIGHT, look=8), Actor(4.1, LEFT, look=8, shape=1)),
    "small ones": (Actor(5.4, RIGHT, look=9), Actor(6.6, LEFT, look=10, shape=1)),
    "before one who stands": (Actor(NEAR, RIGHT, look=11), Actor(4.2, TOWARDS, look=12, stands=True)),
    "behind one who stands": (Actor(3.2, TOWARDS, look=13, stands=True), Actor(4.6, LEFT, look=14, shape=2)),
    "meet and turn back": (
        Actor(3.4, RIGHT, 0.1, look=15, back=True),
        Actor(4.4, LEFT, -0.1, look=16, back=True, shape=1),
    ),
    "meet and turn back, alike": (
        Actor(3.4, RIGHT, 0.2, look=17, back=True),
        Actor(4.4, LEFT, -0.2, look=17, back=True),
    ),
    "sits down behind": (Actor(NEAR, LEFT, look=18), Actor(4.6, TOWARDS, look=19, sits=True, shape=1)),
    "towards and away": (Actor(4.0, TOWARDS, 0.2, look=20), Actor(4.6, AWAY, -0.2, look=21, shape=2)),
    "three": (
        Actor(NEAR, RIGHT, look=22), Actor(4.2, LEFT, look=23, shape=1), Actor(5.2, RIGHT, look=24, shape=2),
    ),
    "three, one stands": (
        Actor(2.8, LEFT, look=25), Actor(4.0, TOWARDS, look=26, stands=True), Actor(5.0, RIGHT, look=27, shape=3),
    ),
    "four": (
        Actor(NEAR, RIGHT, -0.2, look=28), Actor(4.0, LEFT, 0.2, look=29, shape=1),
        Actor(4.8, RIGHT, -0.3, look=30, shape=2), Actor(5.6, LEFT, 0.3, look=31, shape=3),
    ),
    "four, two alike": (
        Actor(NEAR, LEFT, 0.1, look=32), Actor(4.2, TOWARDS, 0.6, look=32, stands=True),
        Actor(4.8, RIGHT, look=33, shape=1), Actor(5.0, TOWARDS, -0.9, look=34, sits=True, shape=2),
    ),
}  # fmt: skip
"""What is reported."""
CHOOSING = {
    "c same way": (Actor(2.7, LEFT, look=41, pace=1.2), Actor(4.4, LEFT, look=42, shape=11, pace=0.9)),
    "c slow behind one who stands": (
        Actor(3.6, AWAY, 0.2, look=43, stands=True), Actor(5.0, RIGHT, look=44, shape=12, pace=0.7),
    ),
    "c behind one who stands, alike": (
        Actor(3.0, TOWARDS, -0.2, look=45, stands=True), Actor(4.1, RIGHT, look=45, shape=13),
    ),
    "c three": (
        Actor(2.8, LEFT, 0.1, look=46, shape=14), Actor(3.8, RIGHT, look=47), Actor(5.6, LEFT, look=48, shape=15),
    ),
    "c three, one stands": (
        Actor(3.2, RIGHT, look=49, shape=16), Actor(4.4, AWAY, 0.1, look=50, stands=True),
        Actor(5.4, LEFT, look=51, shape=17, pace=1.2),
    ),
    "c four": (
        Actor(2.9, LEFT, 0.3, look=52), Actor(3.7, RIGHT, -0.1, look=53, shape=18),
        Actor(4.5, LEFT, 0.2, look=54, shape=19), Actor(6.0, RIGHT, -0.4, look=55, shape=11),
    ),
    "c four, two stand": (
        Actor(3.0, RIGHT, look=56, shape=12), Actor(3.9, TOWARDS, -0.5, look=57, stands=True),
        Actor(4.7, AWAY, 0.5, look=58, shape=13, stands=True), Actor(5.5, LEFT, look=59, shape=14, pace=0.8),
    ),
    "c two alike, side by side": (Actor(3.3, LEFT, look=60), Actor(3.8, RIGHT, look=60, shape=15)),
    "c meet and turn back, alike": (
        Actor(3.2, LEFT, -0.15, look=61, back=True), Actor(4.3, RIGHT, 0.15, look=61, back=True, shape=16),
    ),
    "c aslant": (Actor(3.4, 1.0, look=62, shape=17), Actor(4.5, -1.0, look=63, pace=1.3)),
    "d same way": (Actor(NEAR, RIGHT, look=101), Actor(4.6, RIGHT, look=102, shape=21, pace=0.8)),
    "d four, two alike": (
        Actor(2.9, RIGHT, -0.1, look=103), Actor(4.1, TOWARDS, -0.5, look=103, shape=22, stands=True),
        Actor(4.9, LEFT, 0.1, look=104, shape=23), Actor(5.2, AWAY, 0.9, look=105, stands=True),
    ),
    "d behind one who stands": (
        Actor(2.9, AWAY, 0.1, look=106, shape=24, stands=True), Actor(4.0, LEFT, look=107, shape=25, pace=0.8),
    ),
    "d meet and turn back": (
        Actor(3.3, LEFT, -0.05, look=108, back=True), Actor(4.2, RIGHT, 0.05, look=109, shape=26, back=True),
    ),
    "d stop side by side": (
        Actor(3.4, RIGHT, -0.15, look=110, stops=True), Actor(4.2, LEFT, 0.2, look=111, shape=27, stops=True),
    ),
    "d same way, left": (Actor(3.2, LEFT, look=112, shape=28), Actor(5.0, LEFT, look=113, pace=1.1)),
    "d four, two alike walk": (
        Actor(3.1, LEFT, 0.2, look=114, shape=21), Actor(3.9, RIGHT, 0.1, look=114),
        Actor(4.7, TOWARDS, 0.4, look=115, shape=29, sits=True), Actor(5.4, RIGHT, -0.2, look=116, shape=22),
    ),
    "d behind one who sits down": (
        Actor(3.2, TOWARDS, look=117, shape=23, sits=True), Actor(4.5, RIGHT, 0.1, look=118, pace=0.9),
    ),
    "d turn back, alike": (
        Actor(3.0, RIGHT, 0.15, look=119, back=True), Actor(4.0, LEFT, -0.1, look=119, shape=24, back=True),
    ),
    "d stop, alike": (
        Actor(3.2, LEFT, 0.2, look=120, stops=True), Actor(4.0, RIGHT, -0.15, look=120, shape=25, stops=True),
    ),
    "d same way, alike": (Actor(3.0, RIGHT, look=121), Actor(4.2, RIGHT, look=121, shape=26, pace=0.75)),
    "d four, both ways": (
        Actor(2.8, LEFT, -0.1, look=122, shape=27), Actor(3.6, LEFT, 0.4, look=123, pace=0.8),
        Actor(4.4, RIGHT, 0.1, look=124, shape=28), Actor(5.3, RIGHT, -0.5, look=125, shape=29),
    ),
    "d behind two who stand": (
        Actor(3.0, TOWARDS, -0.3, look=126, stands=True), Actor(3.3, AWAY, 0.4, look=127, shape=21, stands=True),
        Actor(4.5, LEFT, look=128, shape=22),
    ),
    "d one turns back behind": (
        Actor(2.9, LEFT, look=129, shape=23), Actor(4.1, RIGHT, 0.1, look=130, back=True),
    ),
    "d three stop": (
        Actor(3.1, RIGHT, -0.3, look=131, stops=True), Actor(3.8, LEFT, 0.1, look=132, shape=24, stops=True),
        Actor(4.6, LEFT, 0.5, look=133, shape=25, stops=True),
    ),
    "d same way, three": (
        Actor(2.9, LEFT, -0.1, look=134, pace=1.1), Actor(4.0, LEFT, look=135, shape=26, pace=0.9),
        Actor(5.2, LEFT, 0.1, look=136, shape=27, pace=0.8),
    ),
    "d four, two alike, near": (
        Actor(2.8, RIGHT, -0.2, look=137, shape=28), Actor(3.5, LEFT, 0.1, look=137, shape=29),
        Actor(4.6, AWAY, -0.8, look=138, stands=True), Actor(5.5, LEFT, 0.3, look=139, shape=21),
    ),
    "d slow behind a slow one": (
        Actor(3.1, RIGHT, look=140, shape=22, pace=0.6), Actor(4.4, LEFT, look=141, pace=0.6),
    ),
    "d turn back, near together": (
        Actor(3.6, RIGHT, 0.1, look=142, shape=23, back=True), Actor(4.0, LEFT, -0.05, look=143, back=True),
    ),
    "d one stops before one who walks": (
        Actor(3.0, LEFT, look=144, shape=24, stops=True), Actor(4.3, RIGHT, look=145, shape=25),
    ),
    "d same way, overtaken": (Actor(3.4, RIGHT, look=146, pace=0.7), Actor(4.3, RIGHT, look=147, shape=26, pace=1.2)),
    "d four stand and walk": (
        Actor(2.7, LEFT, look=148, shape=27), Actor(4.2, TOWARDS, 0.6, look=149, stands=True),
        Actor(4.3, AWAY, -0.6, look=149, shape=28, stands=True), Actor(5.2, RIGHT, look=150, shape=29),
    ),
    "d behind, aslant": (Actor(3.3, TOWARDS, 0.1, look=151), Actor(4.8, 1.2, look=152, shape=21)),
    "d stop behind": (
        Actor(3.0, AWAY, -0.1, look=153, shape=22, stands=True), Actor(4.2, LEFT, 0.25, look=154, stops=True),
    ),
    "d three, two alike": (
        Actor(3.0, RIGHT, look=155, shape=23), Actor(3.8, LEFT, 0.1, look=156), Actor(4.7, RIGHT, -0.1, look=155),
    ),
    "d same way, small": (Actor(5.0, LEFT, look=157, shape=24), Actor(6.2, LEFT, look=158, pace=0.8)),
}  # fmt: skip
"""On which what the tracker does is chosen."""


COLUMNS = ["scene", "people", "tracks", "person-frames", "coverage", "IDF1", "false person-frames"]
COLUMNS += ["exchanged numbers", "longest loss, frames"]


@dataclass(frozen=True)
class Truth:
    """Where everybody is."""

    keypoints_px: NDArray[np.floating]
    """[person, time, 17, 2]"""
    shown: NDArray[np.floating]
    """[person, time]: share of the whole outline that is in the picture and before all others."""


@dataclass
class Score:
    """Counts of one clip or of all."""

    visible: int = 0
    covered: int = 0
    """Person-frames that count, and those of them in which somebody is followed there."""
    right: int = 0
    """Of the readings those under the number that fits the person best."""
    readings: int = 0
    exchanged: int = 0
    """Times at which a person is followed under another number than before."""
    longest: int = 0
    """Frames in a row in which somebody who counts is not followed."""

    def add(self, other: Score) -> None:
        """Count another clip too."""
        for name in ("visible", "covered", "right", "readings", "exchanged"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.longest = max(self.longest, other.longest)

    @property
    def false(self) -> int:
        """Person-frames where nobody is."""
        return self.readings - self.covered

    @property
    def idf1(self) -> float:
        """Ristani et al., Performance measures and a data set for multi-target, multi-camera tracking, 2016."""
        return 2 * self.right / max(self.visible + self.readings, 1)


@dataclass(frozen=True)
class Options:
    cache: Path = Path("runs/crossings")
    only: tuple[str, ...] = field(default_factory=tuple)
    choosing: bool = False
    """The scenes on which choices are made, not those that are reported."""
    table: Path | None = None


def motion(body: Body, actor: Actor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Rotations, shape and pelvis in the camera's frame."""
    times = torch.arange(FRAMES, dtype=torch.float64) / FPS
    betas = 0.8 * torch.randn(10, generator=torch.Generator().manual_seed(actor.shape))
    turn = torch.full_like(times, actor.turn)
    if actor.back:
        turn = turn + math.pi * ((times - MET + 0.3) / 0.6).clamp(0, 1)
    walked = times.clamp(max=MET) if actor.stops else times
    rotmat, pelvis = walk(body, betas, actor.pace * walked, turn)
    met = round(MET * FPS)
    if actor.stands or actor.sits:
        rotmat, pelvis = stand(body, betas, rotmat[:1], times, actor.sits)
    R_cam_world = torch.from_numpy(GROUND.world_axes()).float()
    offset = torch.tensor([actor.meets, -GROUND.height, -actor.depth]) - pelvis[met] * torch.tensor([1.0, 0.0, 1.0])
    pelvis = (pelvis + offset) @ R_cam_world.mT
    return torch.cat([(R_cam_world @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1), betas, pelvis


def stand(body, betas, first, times, sits):
    """Somebody who stands where they are and, if told so, sits down from `MET` on within a second."""
    rotmat = first.repeat(len(times), 1, 1, 1)
    bend = 1.5 * ((times - MET + 0.5).clamp(0, 1) if sits else torch.zeros_like(times)).float()
    for name, sign in (("hip", -1.0), ("knee", 1.0)):
        flexed = roma.rotvec_to_rotmat(torch.nn.functional.pad(sign * bend[:, None], (0, 2)))
        rotmat[:, [SMPL.index(f"left_{name}"), SMPL.index(f"right_{name}")]] = flexed[:, None]
    joints = pose_joints(body, rotmat, betas)[1]
    ankle = joints[:, SMPL.index("left_ankle")] - joints[:, 0]
    return rotmat, torch.tensor([[0.0, 0.09, 0.0]]) - ankle


def render(path: Path, people: tuple[Actor, ...], body: Body, seed: int) -> Truth:
    """Writes the video of a scene."""
    K_px = CAMERA.K_px.numpy().astype(np.float64)
    place = background.background(CAMERA.width, CAMERA.height, K_px, GROUND, seed)
    light = replace(DAYLIGHT, up=tuple(GROUND.up))
    moves = [motion(body, one) for one in people]
    outfits = [dress(body, random_look(one.look)) for one in people]
    pelvises = [rest_joints(body, betas)[0] for _, betas, _ in moves]
    shown = np.zeros((len(people), FRAMES))
    with VideoWriter(path, CAMERA.width, CAMERA.height, FPS) as writer:
        for t in range(FRAMES):
            surfaces = [
                vertices(body, rotmat[t], betas) - rest + pelvis[t]
                for (rotmat, betas, pelvis), rest in zip(moves, pelvises, strict=True)
            ]
            picture = place
            for n in np.argsort([-float(each[:, 2].mean()) for each in surfaces]):
                picture = render_people(picture, [surfaces[n]], [outfits[n]], CAMERA, light, GROUND)
            writer.write(background.sensor(picture, NOISE, 1000 * seed + t), t / FPS)
            shown[:, t] = outlines(surfaces, outfits[0].faces)
    keypoints = []
    for rotmat, betas, pelvis in moves:
        joints, points = joints_and_keypoints(body, rotmat, betas)
        keypoints.append(project(points - joints[:, :1] + pelvis[:, None], CAMERA.K_px).numpy())
    return Truth(np.stack(keypoints), shown)


def outlines(surfaces, faces):
    """Share of each outline that shows, at a quarter of the resolution in a picture twice as wide and high."""
    K_px = CAMERA.K_px.numpy().astype(np.float64) / 4
    width, height = CAMERA.width // 4, CAMERA.height // 4
    K_px[:2, 2] += width / 2, height / 2
    K_px[2, 2] = 1
    depths = np.stack(
        [
            rasterizer.depth_image(each.numpy().astype(np.float32), faces, K_px, 2 * height, 2 * width)
            for each in surfaces
        ]
    )
    inside = np.zeros(depths.shape[1:], bool)
    inside[height // 2 : height // 2 + height, width // 2 : width // 2 + width] = True
    front = np.isfinite(depths) & (depths == depths.min(0)) & inside
    return front.sum((1, 2)) / np.isfinite(depths).sum((1, 2)).clip(1)


def take(name: str, body: Body, cache: Path) -> tuple[Path, Truth]:
    """A scene's video and truth, rendered unless the cache has them."""
    scenes = SCENES | CHOOSING
    seed = list(scenes).index(name)
    path = cache / f"{seed:02d}.mp4"
    if not path.with_suffix(".npz").exists():
        cache.mkdir(parents=True, exist_ok=True)
        truth = render(path, scenes[name], body, seed)
        np.savez(path.with_suffix(".npz"), allow_pickle=False, keypoints_px=truth.keypoints_px, shown=truth.shown)
    with np.load(path.with_suffix(".npz"), allow_pickle=False) as file:
        return path, Truth(file["keypoints_px"], file["shown"])


def compare(truth: Truth, tracks: list[Track]) -> Score:
    """Tracks against the truth: in each frame the assignment of readings to people of least distance."""
    size = np.ptp(truth.keypoints_px, axis=2).max(-1)
    counts = truth.shown >= LEAST_VISIBLE
    owner = np.full(size.shape, -1)
    readings = np.zeros(len(tracks), int)
    for t in range(FRAMES):
        here = [
            (n, track.keypoints_px[row, :, :2].numpy())
            for n, track in enumerate(tracks)
            for row in (track.frames == t).nonzero()[:, 0].tolist()
        ]
        away = (
            np.array(
                [
                    [np.linalg.norm(points - true, axis=-1).mean() for _, points in here]
                    for true in truth.keypoints_px[:, t]
                ]
            ).reshape(len(size), len(here))
            / size[:, t, None]
        )
        taken = set()
        for person, reading in zip(*linear_sum_assignment(np.minimum(away, SAME)), strict=True):
            if away[person, reading] < SAME:
                owner[person, t] = here[reading][0]
                taken.add(reading)
                readings[here[reading][0]] += counts[person, t]
        for reading in set(range(len(here))) - taken:
            readings[here[reading][0]] += 1
    score = Score(int(counts.sum()), int((counts & (owner >= 0)).sum()), 0, int(readings.sum()))
    together = np.array([[(counts[p] & (owner[p] == n)).sum() for n in range(len(tracks))] for p in range(len(size))])
    if len(tracks):
        score.right = int(together[linear_sum_assignment(-together)].sum())
    for person in range(len(size)):
        known = owner[person][(owner[person] >= 0) & counts[person]]
        score.exchanged += int((np.diff(known) != 0).sum())
        missed = "".join(" x"[int(each)] for each in counts[person] & (owner[person] < 0)).split()
        score.longest = max([score.longest, *map(len, missed)])
    return score


def main(options: Options) -> None:
    body, total, rows = load_body(detail="low"), Score(), []
    with one_thread():
        for name in options.only or (CHOOSING if options.choosing else SCENES):
            path, truth = take(name, body, options.cache)
            found = track_video(path)
            tracks, notes = found.tracks, found.notes
            score = compare(truth, tracks)
            total.add(score)
            rows.append(row(name, len(truth.shown), len(tracks), score))
            print(*rows[-1], *notes, sep=" | ", flush=True)
    people, tracks = (sum(int(str(each[column])) for each in rows) for column in (1, 2))
    report.table(
        "People who pass before one another",
        COLUMNS,
        [*rows, row("all", people, tracks, total)],
        f"Rendered, {FRAMES} frames each at {FPS:g} a second, {CAMERA.width}x{CAMERA.height}; default detector",
        options.table,
    )


def row(name: str, people: int, tracks: int, score: Score) -> list[object]:
    """A line of the table."""
    coverage = score.covered / max(score.visible, 1)
    figures = f"{coverage:.3f}", f"{score.idf1:.3f}", score.false, score.exchanged, score.longest
    return [name, people, tracks, score.visible, *figures]


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
