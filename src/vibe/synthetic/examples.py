"""Training examples: real motion, random bodies, synthetic cameras, imitated detections; exact truth beside them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, fields

import roma
import torch
from jaxtyping import Bool, Float
from torch import Tensor
from torch.nn import functional

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.pose import turn_root
from vibe.body.record import Body
from vibe.data.motion import FPS, Motions, draw_windows
from vibe.models.keypoint_embedding import observe
from vibe.records import Observation
from vibe.skeletons import COCO, SMPL
from vibe.synthetic.keypoint_noise import NoiseConfig, imitate_detector, imitate_ends
from vibe.synthetic.poses import PoseConfig, widen


@dataclass(frozen=True)
class ViewConfig:
    """Ranges of the cameras."""

    fov_deg: tuple[float, float] = (25.0, 90.0)
    """Angle of view across the diagonal."""
    known: float = 0.3
    """Share of the windows whose angle of view is known; the others are taken for the default camera's."""
    depth: tuple[float, float] = (1.5, 12.0)
    """Metres, log-uniform."""
    pitch_deg: float = 14.0
    roll_deg: float = 8.0
    tilted: float = 0.35
    """Share of the windows with pitch and roll 2.2 times as wide."""
    moving: float = 0.6
    """Share of the cameras that turn and drift; half of these follow the person."""


@dataclass(frozen=True)
class SyntheticCamera:
    """A moving camera for each window, in units in which the assumed camera has focal length 1."""

    R_cam_world: Float[Tensor, "batch time 3 3"]
    pelvis_cam: Float[Tensor, "batch time 3"]
    """Where the pelvis is, metres."""
    zoom: Float[Tensor, "batch"]
    """True focal length over the assumed one."""
    half_picture: Float[Tensor, "batch 2"]
    """Half the width and height of the picture."""


def draw_views(trans: Float[Tensor, "batch time 3"], config: ViewConfig, seed: torch.Generator) -> SyntheticCamera:
    """A camera for each window of a person whose pelvis goes along `trans` (y-up world)."""
    batch, frames = trans.shape[:2]

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(batch, *shape, generator=seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(batch, *shape, generator=seed)

    tangent = [math.tan(math.radians(angle) / 2) for angle in config.fov_deg]
    focal = 0.5 / torch.exp(uniform(math.log(tangent[0]), math.log(tangent[1])))
    assumed = torch.where(uniform(0, 1) < config.known, focal, 1.0)
    aspect = torch.tensor([16 / 9, 9 / 16, 4 / 3, 3 / 4, 1.0])[torch.randint(5, (batch,), generator=seed)]
    half_height = 0.5 / (1 + aspect**2).sqrt()
    half_picture = torch.stack([aspect * half_height, half_height], -1) / assumed[:, None]

    wide = torch.where(uniform(0, 1) < config.tilted, 2.2, 1.0)
    pitch = math.radians(config.pitch_deg) * wide * normal() + math.radians(4.0)
    roll = math.radians(config.roll_deg) * wide * normal()
    yaw = uniform(-math.pi, math.pi)
    upright = torch.tensor([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    R_start = _turn(roll, 2) @ _turn(pitch, 0) @ upright @ _turn(yaw, 1)

    moves = (uniform(0, 1) < config.moving)[:, None]
    follows = (uniform(0, 1) < 0.5)[:, None, None]
    seconds = (torch.arange(frames) - frames / 2) / FPS
    rate = normal(3) * torch.tensor([0.25, 0.45, 0.12]) * moves
    R_cam_world = roma.rotvec_to_rotmat(rate[:, None] * seconds[:, None]) @ R_start[:, None]

    depth = torch.exp(uniform(math.log(config.depth[0]), math.log(config.depth[1])))
    place = uniform(-0.7, 0.7, 2) * half_picture * (assumed / focal)[:, None]
    middle = torch.cat([place, torch.ones(batch, 1)], -1) * depth[:, None]
    walk = (R_cam_world @ (trans - trans[:, frames // 2 : frames // 2 + 1])[..., None])[..., 0]
    drift = normal(1, 3) * 0.15 * moves[..., None] * seconds[:, None]
    pelvis_cam = middle[:, None] + walk * ~(follows & moves[..., None]) + drift
    nearest = torch.tensor([-math.inf, -math.inf, 0.6 * config.depth[0]])
    return SyntheticCamera(R_cam_world, pelvis_cam.maximum(nearest), focal / assumed, half_picture)


def _turn(angle: Float[Tensor, "batch"], axis: int) -> Float[Tensor, "batch 3 3"]:
    return roma.rotvec_to_rotmat(torch.eye(3)[axis] * angle[:, None])


@dataclass(frozen=True)
class SynthesisConfig:
    """How examples are made."""

    batch: int = 96
    frames: int = 24
    """Of a window, at 30 a second."""
    fastest: float = 1.6
    """Motion is played at up to this many times its speed, or as much slower."""
    betas: float = 1.2
    """Standard deviation of each shape number."""
    exact: tuple[float, float] = (0.0, 0.0)
    """Share of the windows whose keypoints are the true ones: at a training's first step, and at its last."""
    ends: float = 0.75
    """Share of the windows with what a pose model says of hands, feet and space; the others have COCO's points."""
    rendered: float = 0.0
    """Share of the windows that come from a recipe's `rendered` stores: the shipped detector's answers."""
    simulated: float = 0.0
    """Share of the windows that a recipe's `simulator` of the shipped detector answers for."""
    pool: int = 20_000
    """Simulated windows that are made before a training begins, or goes on, and drawn from."""
    procedural: float = 0.0
    """Share of the imitated windows whose motion is made by rule (`vibe.synthetic.procedural_motion`), not captured."""
    labelled: float = 1.0
    """Share of the windows whose 3D truth is known; of the others the losses see the detected keypoints alone, and
    nothing of joints, rotations and shape. Parts of a window are rounded at random: the share holds over a run."""
    poses: PoseConfig = field(default_factory=PoseConfig)
    views: ViewConfig = field(default_factory=ViewConfig)
    noise: NoiseConfig = field(default_factory=NoiseConfig)


@dataclass(frozen=True)
class Example:
    """Evidence and truth of a batch of windows; the truth in the view of the crop."""

    evidence: Observation
    """What the generator reads."""
    rotmat: Float[Tensor, "batch time 24 3 3"]
    betas: Float[Tensor, "batch 10"]
    points: Float[Tensor, "batch time 51 3"]
    """24 joints and 27 keypoints about the pelvis, metres."""
    keypoints_2d: Float[Tensor, "batch time 27 2"]
    """Without error, in half crop sides from the crop's centre."""
    half_side: Float[Tensor, "batch time"]
    """Of the crop at unit distance."""
    labelled: Bool[Tensor, "batch"]
    """Windows whose truth the losses may look at; of the others they have the evidence alone."""


def example_points(
    body: Body, rotmat: Float[Tensor, "*b 24 3 3"], betas: Float[Tensor, "*#b 10"]
) -> Float[Tensor, "*b 51 3"]:
    """24 joints and 27 keypoints, where the shipped detector marks them, about the pelvis."""
    joints, keypoints = joints_and_keypoints(body, rotmat, betas, "detected27")
    return torch.cat([joints, keypoints], -2) - joints[..., :1, :]


@dataclass(frozen=True)
class PosedPeople:
    """A person before a camera in each window."""

    rotmat: Float[Tensor, "batch time 24 3 3"]
    """The root's in the camera's frame."""
    betas: Float[Tensor, "batch 10"]
    trans: Float[Tensor, "batch time 3"]
    """The pelvis in a world of y up, metres."""
    view: SyntheticCamera


def draw_people(
    motions: Motions, weights: Float[Tensor, "clip"], config: SynthesisConfig, seed: torch.Generator
) -> PosedPeople:
    """Real motion, widened, of random bodies before random cameras."""
    windows = draw_windows(motions, weights, config.batch, config.frames, config.fastest, seed)
    quaternions, trans = widen(*windows, config.poses, seed)
    betas = config.betas * torch.randn(config.batch, 10, generator=seed)
    view = draw_views(trans, config.views, seed)
    world = roma.unitquat_to_rotmat(quaternions)
    rotmat = turn_root(view.R_cam_world, world)
    return PosedPeople(rotmat, betas, trans, view)


def synthesise(
    motions: Motions, weights: Float[Tensor, "clip"], body: Body, config: SynthesisConfig, seed: torch.Generator,
    noisy: bool = True, done: float = 0.0,
) -> Example:  # fmt: skip
    """One batch for when the share `done` of a training is over; the same for the same generator state.

    Without noise all keypoints are the true ones.
    """
    people = draw_people(motions, weights, config, seed)
    first, last = config.exact if noisy else (1.0, 1.0)
    exact = torch.rand(config.batch, generator=seed) < first + done * (last - first)
    points = example_points(body, people.rotmat, people.betas[:, None])
    truth, metre = see_keypoints(points, people.view.pelvis_cam, people.view.zoom)
    core, chosen = len(COCO), exact[:, None, None, None]
    detected = imitate_detector(truth[:, :, :core], metre[:, :, :core], people.view.half_picture, config.noise, seed)
    sure = functional.pad(truth, (0, 1), value=0.95)
    keypoints = torch.where(chosen, sure[:, :, :core], detected)
    box = steady_boxes(keypoints, truth[:, :, :core], 0.04 * ~exact, seed)
    ends = torch.where(chosen, sure[:, :, core:], imitate_ends(truth, detected, metre, config.noise, seed))
    ends = ends * (torch.rand(config.batch, 1, 1, 1, generator=seed) < config.ends)
    keypoints = torch.cat([keypoints, ends], 2)
    labelled = count_labelled(config, seed)
    return build_example(people.rotmat, people.betas, people.view.zoom, points, truth, keypoints, box, labelled)


def count_labelled(config: SynthesisConfig, seed: torch.Generator) -> int:
    """Windows of a batch whose truth is known: whole ones, and one more as often as the rest of the share says."""
    whole, rest = divmod(round(config.labelled * config.batch, 6), 1)
    return int(whole) + (rest > 0 and float(torch.rand((), generator=seed)) < rest)


def see_keypoints(
    points: Float[Tensor, "batch time 51 3"], pelvis_cam: Float[Tensor, "batch time 3"], zoom: Float[Tensor, "batch"]
) -> tuple[Float[Tensor, "batch time 27 2"], Float[Tensor, "batch time 27"]]:
    """Where the keypoints are in the picture, and a metre's length at each, focal lengths of the assumed camera."""
    keypoints_cam = points[:, :, len(SMPL) :] + pelvis_cam[:, :, None]
    metre = zoom[:, None, None] / keypoints_cam[..., 2].clamp_min(0.3)
    return keypoints_cam[..., :2] * metre[..., None], metre


def build_example(
    rotmat: Float[Tensor, "batch time 24 3 3"], betas: Float[Tensor, "batch 10"], zoom: Float[Tensor, "batch"],
    points: Float[Tensor, "batch time 51 3"], truth: Float[Tensor, "batch time 27 2"],
    keypoints: Float[Tensor, "batch time 27 3"], box: Float[Tensor, "batch time 4"], labelled: int,
    places: Float[Tensor, "batch time 27 3"] | None = None,
) -> Example:  # fmt: skip
    """Evidence and truth of people in the camera's frame as the crops in these boxes see them.

    The truth of the first `labelled` windows is known.
    """
    identity = torch.eye(3)
    true_box = torch.cat([box[..., :2] / zoom[:, None, None], box[..., 2:]], -1)
    R_crop_cam, _, _ = cameras.crop_view(true_box, identity)
    evidence = observe(keypoints, box, identity, places)
    return Example(
        evidence=evidence,
        rotmat=turn_root(R_crop_cam, rotmat),
        betas=betas,
        points=points @ R_crop_cam.mT,
        keypoints_2d=observe(functional.pad(truth, (0, 1), value=1.0), box, identity).keypoints[..., :2],
        half_side=evidence.box[..., 2].exp(),
        labelled=torch.arange(len(rotmat)) < labelled,
    )


def join_examples(one: Example, other: Example) -> Example:
    """The windows of both."""
    both = zip(vars(one.evidence).values(), vars(other.evidence).values(), strict=True)
    names = [each.name for each in fields(Example) if each.name != "evidence"]
    return Example(
        Observation(*map(torch.cat, both)),
        **{name: torch.cat([getattr(one, name), getattr(other, name)]) for name in names},
    )


def steady_boxes(
    keypoints: Float[Tensor, "batch time 17 3"], truth: Float[Tensor, "batch time 17 2"],
    wobble: Float[Tensor, "batch"], seed: torch.Generator,
) -> Float[Tensor, "batch time 4"]:  # fmt: skip
    """Boxes as the tracker gives them: around the keypoints, averaged over a quarter of a second, a little off."""
    box = cameras.box_from_keypoints(keypoints)
    whole = cameras.box_from_keypoints(functional.pad(truth, (0, 1), value=1.0))
    box = torch.where(box.isnan(), whole, box)
    smooth = functional.avg_pool1d(functional.pad(box.mT, (3, 3), mode="replicate"), 7, stride=1).mT
    batch = len(box)
    shift = wobble[:, None, None] * torch.randn(batch, 1, 2, generator=seed) * smooth[..., 2:]
    scale = torch.exp(wobble[:, None, None] * torch.randn(batch, 1, 2, generator=seed))
    return torch.cat([smooth[..., :2] + shift, smooth[..., 2:] * scale], -1)
