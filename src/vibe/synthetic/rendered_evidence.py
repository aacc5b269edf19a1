"""What the shipped pose model says of rendered people, with the truth: motion, shapes and cameras as in training.

Only the crops that the model reads are rendered, no finer than the picture that they would be of. Windows of the stores
that `vibe prepare` makes of it are training examples whose evidence is not imitated.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from pathlib import Path

import cv2
import numpy as np
import roma
import torch
from jaxtyping import Float, Int, UInt8
from numpy import ndarray
from torch import Tensor

from vibe import body as bodies
from vibe.body import Body
from vibe.body.mesh import vertex_normals
from vibe.body.pose import mirror_quaternions
from vibe.data.motion import FPS, HELD_OUT, Motions, load_motions
from vibe.data.recording import RawSet, Recording
from vibe.data.store import open_store
from vibe.errors import check_distinct
from vibe.models.keypoint_embedding import detected_points
from vibe.records import Track
from vibe.render import rasterizer
from vibe.render.shading import DAYLIGHT
from vibe.skeletons import COCO, DETECTED27, SMPL, mirrored
from vibe.synthetic import examples
from vibe.synthetic.background import BackgroundGround, background
from vibe.synthetic.clothing import dress, random_look
from vibe.synthetic.examples import (
    Example,
    PosedPeople,
    SynthesisConfig,
    ViewConfig,
    draw_people,
    example_points,
    see_keypoints,
)
from vibe.synthetic.keypoint_noise import bias, steady_noise
from vibe.synthetic.poses import CAPTURED_POSES, PoseConfig
from vibe.synthetic.procedural_motion import with_procedural
from vibe.tracking.active_track import ActiveTrack, TrackerConfig, is_person
from vibe.tracking.pose_model import SIDE, BlazePose, region_from_circle
from vibe.tracking.postprocess import PostprocessConfig, surest, tidy_keypoints
from vibe.tracking.tracklets import Tracklet

GROUP = 16
"""Windows to train on drawn together, so that they exchange limbs; one of the subjects set aside joins them."""
CONFIG = SynthesisConfig(
    batch=64, frames=48, poses=PoseConfig(limb=0.15, wobble=0.25), views=ViewConfig(depth=(1.5, 8.0))
)
"""Of the windows drawn the first are taken that show enough of the person."""
AS_CAPTURED = replace(CONFIG, batch=8, fastest=1.0, poses=CAPTURED_POSES)
"""For the subjects set aside."""
LEAST_PX, LEAST_INSIDE = 48.0, 0.6
"""A person's size in the picture, and the share of the keypoints inside it, that are worth a look."""
LOST = 0.1
"""Seconds after which a lost person is detected anew."""
DIAGONAL_PX = (400.0, 1600.0)
"""Of the pictures; log-uniform."""
CANVAS_PX, CANVAS_REACH = 480, 1.4
"""Longer side of the painted place, which a moving camera turns away from, and its tangent over the picture's."""
COVERED = 0.3
"""Share of the windows in which something stands in front."""
HEAD_CELL, CELL = 0.007, 0.02
"""Metres within which vertices are drawn as one: a crop shows no more."""
HIPS, SHOULDERS = ([COCO.index(f"{side}_{part}") for side in ("left", "right")] for part in ("hip", "shoulder"))
LEVELS = np.arange(256) / 255


def rendered_evidence(
    windows: int, seed: int, motion: str, set_aside: Sequence[str], procedural: float = 0.0
) -> RawSet:
    """The set that `vibe.data.prepare` makes of a folder with this motion file: about so many windows to train on.

    Subjects set aside are validated on; those held out are not in it. A share of the windows to train on shows motion
    by rule. Raises ValueError for a share that is none.
    """
    if not 0 <= procedural <= 1:
        raise ValueError(f"{procedural:g} of the windows can't show motion by rule: give a share from 0 to 1")
    recipe = {"windows": windows, "seed": seed, "set_aside": sorted(set_aside), "frames": CONFIG.frames}
    return RawSet(
        title="rendered evidence",
        licence="Made of motion capture: for what its licence allows.",
        layout=motion,
        files=lambda raw: [(f"{group:05}", raw / motion) for group in range(-(-windows // GROUP))],
        read=partial(_read_group, seed, tuple(set_aside), procedural),
        recipe=recipe | {"procedural": procedural},
    )


def _read_group(
    seed: int, set_aside: tuple[str, ...], procedural: float, raw: Path, name: str, path: Path
) -> Iterator[Recording]:
    """The windows of one group; those in which the person is not tracked for half of the time are left out."""
    body, pose_model, faces = _models()
    generator = torch.Generator().manual_seed(1_000_003 * seed + int(name))
    for split, config, count in (("train", CONFIG, GROUP), ("validation", AS_CAPTURED, 1)):
        motions, weights = _motions(path, split, set_aside, procedural, seed)
        people = draw_people(motions, weights, config, generator)
        points = example_points(body, people.rotmat, people.betas[:, None])
        truth = see_keypoints(points, people.view.pelvis_cam, people.view.zoom)[0][..., : len(COCO), :]
        random = np.random.default_rng(int(torch.randint(1 << 40, (), generator=generator)))
        inside = (truth.abs() < people.view.half_picture[:, None, None]).all(-1).float().mean((1, 2))
        for window in torch.nonzero(inside > LEAST_INSIDE)[:count, 0].tolist():
            half, zoom = people.view.half_picture[window].numpy(), float(people.view.zoom[window])
            unit_px = math.exp(random.uniform(*np.log(DIAGONAL_PX))) / (2 * float(np.hypot(*half)))
            K_px = np.diag([zoom * unit_px, zoom * unit_px, 1])
            K_px[:2, 2] = half * unit_px
            truth_px = (truth[window].numpy() + half) * unit_px
            draw = camera_roll(people, window, K_px, body, faces, random)
            if np.ptp(truth_px, 1).max(-1).mean() > LEAST_PX and (track := follow(draw, truth_px, pose_model, random)):
                columns = _truth_columns(people, window, body) | _evidence_columns(track)
                number = f"{name}-{split}-{window:02}"
                yield Recording(number, np.arange(CONFIG.frames), FPS, columns, split=split, K_px=K_px)


@lru_cache(1)
def _models() -> tuple[Body, BlazePose, ndarray]:
    body = bodies.load_body()
    return body, BlazePose(), coarse_faces(body)


@lru_cache(2)
def _motions(
    path: Path, split: str, set_aside: tuple[str, ...], procedural: float, seed: int
) -> tuple[Motions, Float[torch.Tensor, "clip"]]:
    """Clips of a split, and how often to draw each."""
    validates = split == "validation"
    motions = load_motions([path], validates, set_aside if validates else (*HELD_OUT, *set_aside))
    return with_procedural(motions, 0.0 if validates else procedural, seed)


def coarse_faces(body: Body) -> Int[ndarray, "face 3"]:
    """The body's faces between one vertex for each small cell of the space at rest, finer on the head."""
    head = body.weights[:, SMPL.index("head")].numpy() > 0.5
    cells = np.floor(body.v_template.numpy() / np.where(head, HEAD_CELL, CELL)[:, None])
    _, first, which = np.unique(np.column_stack([cells, head]), axis=0, return_index=True, return_inverse=True)
    faces = first[which.reshape(-1)][body.faces.numpy()]
    return faces[(faces != np.roll(faces, 1, 1)).all(1)].astype(np.int32)


Draw = Callable[[int, Float[ndarray, "4"]], UInt8[ndarray, "row column 3"]]
"""The crop of a frame that shows a region of the picture, as the pose model reads it."""


def camera_roll(
    people: PosedPeople, window: int, K_px: Float[ndarray, "3 3"], body: Body, faces: Int[ndarray, "face 3"],
    random: np.random.Generator,
) -> Draw:  # fmt: skip
    """Pictures of one of the people, in a look, place and light and by a sensor that chance gives."""
    R_cam_world, pelvis_cam = people.view.R_cam_world[window].numpy().astype(float), people.view.pelvis_cam[window]
    surface = bodies.vertices(body, people.rotmat[window], people.betas[window])
    surface = surface - bodies.rest_joints(body, people.betas[window])[0] + pelvis_cam[:, None]
    outfit = dress(body, random_look(int(random.integers(1 << 30))))
    middle = len(surface) // 2
    size_px = 2 * K_px[:2, 2]
    width, height = np.round(CANVAS_PX * size_px / size_px.max()).astype(int).tolist()
    K_canvas = np.diag([width / size_px[0] / CANVAS_REACH] * 2 + [1]) @ K_px
    K_canvas[:2, 2] = width / 2, height / 2
    stands = float(people.trans[window, middle, 1] - R_cam_world[middle, :, 1] @ pelvis_cam[middle].numpy())
    ground = BackgroundGround(R_cam_world[middle, :, 1], max(0.3, stands))
    place = background(width, height, K_canvas, ground, int(random.integers(1 << 30)))
    seen = surface[middle].numpy() @ K_canvas.T
    front = _thing_in_front(place, seen[:, :2] / seen[:, 2:].clip(0.1), random) if random.random() < COVERED else None
    canvas_to_px = K_px @ R_cam_world @ R_cam_world[middle].T @ np.linalg.inv(K_canvas)
    sun, key = [random.normal(), random.uniform(0.5, 1.5), random.normal()], random.uniform(0.5, 1.1)
    bright = replace(DAYLIGHT, key=tuple(key * part for part in DAYLIGHT.key), sheen=random.uniform(0, 0.2))
    blur_px, quality = max(0.0, random.normal(0.2, 0.6)), int(random.integers(30, 96))
    grain = random.gamma(1.5, 2.0) * random.standard_normal((2 * SIDE, 2 * SIDE, 3), np.float32)
    grain = grain.round().astype(np.int16)
    tone = (random.uniform(180, 290) * LEVELS ** random.uniform(0.75, 1.35)).clip(0, 255).astype(np.uint8)

    def draw(frame: int, region: Float[ndarray, "4"]) -> UInt8[ndarray, "row column 3"]:
        side = math.ceil(min(SIDE, region[2]))
        turned = cv2.getRotationMatrix2D(tuple(region[:2]), math.degrees(region[3]), side / region[2])
        px_to_crop = np.vstack([turned, [0, 0, 1]])
        px_to_crop[:2, 2] += side / 2 - region[:2]
        shape, to_crop = (side, side), px_to_crop @ canvas_to_px[frame]
        towards, up = tuple(R_cam_world[frame] @ sun), tuple(R_cam_world[frame, :, 1])
        vertices, light = surface[frame].numpy(), replace(bright, towards=towards, up=up)
        dressed = vertices + vertex_normals(vertices, faces) * outfit.thickness[:, None].astype(np.float32)
        rgb = cv2.warpPerspective(place, to_crop, shape, borderMode=cv2.BORDER_REFLECT)
        rgb = rasterizer.rasterize(rgb, [rasterizer.Mesh(dressed, faces, outfit.colours)], px_to_crop @ K_px, light)
        if front is not None:
            thing = cv2.warpPerspective(front, to_crop, shape)
            rgb = np.where(thing[..., 3:] > 127, thing[..., :3], rgb)
        if blur_px * side / region[2] > 0.2:
            rgb = cv2.GaussianBlur(rgb, (0, 0), blur_px * side / region[2])
        y, x = random.integers(2 * SIDE - side, size=2)
        rgb = cv2.add(cv2.LUT(rgb, tone), grain[y : y + side, x : x + side], dtype=cv2.CV_8U)
        _, coded = cv2.imencode(".jpg", rgb, (cv2.IMWRITE_JPEG_QUALITY, quality))
        corners = np.array([[0, 0, 1], [1, 0, 1], [1, 1, 1], [0, 1, 1]]) * [*size_px, 1] @ px_to_crop[:2].T
        inside = cv2.fillConvexPoly(np.zeros(shape, np.uint8), corners.round().clip(-9999, 9999).astype(np.int32), 1)
        return cv2.resize(np.asarray(cv2.imdecode(coded, cv2.IMREAD_COLOR)) * inside[..., None], (SIDE, SIDE))

    return draw


def _thing_in_front(place: ndarray, points: ndarray, random: np.random.Generator) -> ndarray:
    """Colours and, last, where they are: before some part of the person whose `points` are given."""
    centre, reach = points[random.integers(len(points))], np.ptp(points, 0).max() * random.uniform(0.08, 0.3, 2)
    left, top, right, bottom = np.concatenate([centre - reach, centre + reach]).clip(0, CANVAS_PX).astype(int)
    where = np.zeros(place.shape[:2], np.uint8)
    where[top:bottom, left:right] = 255
    return np.dstack([np.roll(place, place.shape[1] // 3, 1) // 2, where])


def follow(
    draw: Draw, truth_px: Float[ndarray, "time 17 2"], pose_model: BlazePose, random: np.random.Generator
) -> Track | None:
    """The track that the tracker makes where the detector always finds the person; None if it is too poor for one."""
    config, finish, times = TrackerConfig(), PostprocessConfig(), np.arange(len(truth_px)) / FPS
    person: ActiveTrack | None = None
    for frame, time in enumerate(times.tolist()):
        if person is None or time - person.times[-1] > LOST:
            region = _detected_region(truth_px[frame], random)
        else:
            region = person.ahead(time, config.steadiness)
        reading = pose_model.read(draw(frame, region), region)
        if is_person(reading, config):
            person = person or ActiveTrack(1, reading)
            person.add(frame, time, reading, np.zeros(128, np.float32))
    if person is None or len(person.frames) < len(times) / 2:
        return None
    rows = [np.stack(each) for each in (person.keypoints, person.regions, person.landmarks)]
    piece = Tracklet(np.array(person.frames), np.array(person.times), rows[0], rows[1], landmarks=rows[2])
    return tidy_keypoints(piece, times, finish)[0] if surest(piece.keypoints_px) >= finish.least_sure else None


def _detected_region(truth_px: ndarray, random: np.random.Generator) -> ndarray:
    """The pose model's first region, from a detection a little off."""
    hips, shoulders = truth_px[HIPS].mean(0), truth_px[SHOULDERS].mean(0)
    radius = 1.1 * np.linalg.norm(truth_px - hips, axis=-1).max() * math.exp(0.08 * random.normal())
    angle = math.atan2(*(shoulders - hips)[::-1]) + 0.08 * random.normal()
    centre = hips + 0.05 * radius * random.normal(size=2)
    return region_from_circle(centre, centre + radius * np.array([math.cos(angle), math.sin(angle)]))


def _truth_columns(people: PosedPeople, window: int, body: Body) -> dict[str, ndarray]:
    pelvis = people.view.pelvis_cam[window] - bodies.rest_joints(body, people.betas[window])[0]
    rotvec, betas = roma.rotmat_to_rotvec(people.rotmat[window]), people.betas[window].expand(CONFIG.frames, -1)
    return {"poses": rotvec.flatten(1).numpy(), "betas": betas.numpy(), "trans": pelvis.numpy()}


def _evidence_columns(track: Track) -> dict[str, ndarray]:
    """What a track says of each frame of its window; frames that it lacks have no evidence."""
    assert track.landmarks is not None
    rows = np.interp(np.arange(CONFIG.frames), track.frames, np.arange(len(track.frames))).round().astype(int)
    box, keypoints, landmarks = (each[rows].numpy() for each in (track.box_px, track.keypoints_px, track.landmarks))
    unseen = ~np.isin(np.arange(CONFIG.frames), track.frames)
    keypoints[unseen], landmarks[unseen, :, 5:] = 0, 0
    landmarks[..., :2] = (landmarks[..., :2] - box[:, None, :2]).clip(-60_000, 60_000)
    return {"box_px": box, "keypoints_px.coco17": keypoints, "landmarks": landmarks}


COLUMNS = ("poses", "trans", "betas", "keypoints_px.coco17", "landmarks", "box_px")
OTHER_BODIES = 0.5
"""Steady errors over the imitated ones that keypoints are given besides: other people wear and carry other things."""


@dataclass(frozen=True)
class RenderedWindows:
    """Windows with the truth; lengths in the picture are over its diagonal, from its middle."""

    quaternions: Float[Tensor, "window time 24 4"]
    """Local rotations (x, y, z, w), the root's in the camera's frame."""
    pelvis_cam: Float[Tensor, "window time 3"]
    """Metres."""
    betas: Float[Tensor, "window 10"]
    points: Float[Tensor, "window time 27 6"]
    """What the pose model said: x, y; place in space, metres; confidence."""
    focal: Float[Tensor, "window"]
    half_picture: Float[Tensor, "window 2"]
    """Half the width and height of the picture."""
    diagonal_px: Float[Tensor, "window"]
    """Of the picture, in pixels, not in itself."""


def load_rendered(
    folders: Sequence[str], split: str, set_aside: Sequence[str], frames: int, body: Body
) -> RenderedWindows:
    """The windows of a split of these stores, `train` or `validation`, of `frames` frames or more.

    Raises FileNotFoundError or ValueError for what is no such store, or one with other subjects set aside.
    """
    check_distinct((Path(folder).resolve() for folder in folders), "--rendered")
    parts = []
    for store in map(open_store, folders):
        recipe, longer = store.manifest["recipe"], len(store) // len(store.sequences)
        right = recipe.get("set") == "rendered-evidence" and set(recipe["set_aside"]) == set(set_aside)
        if not right or longer < frames or any(each.stop - each.start != longer for each in store.sequences):
            raise ValueError(
                f"{store.folder} holds no rendered windows of {frames} frames with the subjects {', '.join(set_aside)} "
                "set aside: make it with `vibe prepare rendered-evidence`"
            )
        wanted = np.array([each.split == split and each.K_px is not None for each in store.sequences])
        cameras = [each.K_px for each in store.sequences if each.split == split and each.K_px is not None]
        columns = (np.array(store.column(name)).reshape(-1, longer, *store.column(name).shape[1:]) for name in COLUMNS)
        K_px = np.array(cameras).reshape(-1, 3, 3)
        parts.append([torch.from_numpy(each).float() for each in (*(column[wanted] for column in columns), K_px)])
    rotvec, trans, betas, keypoints, landmarks, box, K_px = (torch.cat(each) for each in zip(*parts, strict=True))
    if not len(K_px):
        raise ValueError(f"{', '.join(folders)}: no window of the split {split}: make more with --windows")
    middle = K_px[:, None, None, :2, 2]
    diagonal = 2 * middle.norm(dim=-1, keepdim=True)
    landmarks[..., :2] += box[:, :, None, :2]
    points = detected_points(keypoints, landmarks)
    points[..., :2] = (points[..., :2] - middle) / diagonal
    half_picture, diagonal_px = (middle / diagonal)[:, 0, 0], diagonal[:, 0, 0, 0]
    pelvis = trans + bodies.rest_joints(body, betas[:, 0])[:, None, 0]
    quaternions = roma.rotvec_to_unitquat(rotvec.unflatten(-1, (-1, 3)))
    focal = K_px[:, 0, 0] / diagonal_px
    return RenderedWindows(quaternions, pelvis, betas[:, 0], points, focal, half_picture, diagonal_px)


def rendered_example(
    windows: RenderedWindows, body: Body, config: SynthesisConfig, seed: torch.Generator, plain: bool = False
) -> Example:
    """A batch of windows by chance, half of them mirrored, beginning anywhere; the same for the same generator state.

    `plain` gives every window once, from its first frame and as it is, in boxes that are not shifted.
    """
    count, longer = len(windows.focal) if plain else config.batch, windows.points.shape[1] - config.frames
    window, flip = torch.randint(len(windows.focal), (count,), generator=seed), torch.rand(count, generator=seed) < 0.5
    start = torch.randint(longer + 1, (count,), generator=seed)
    known = torch.rand(count, generator=seed) < config.views.known
    bare = torch.rand(count, generator=seed) >= config.ends
    if plain:
        window, flip, start, bare = torch.arange(count), *map(torch.zeros_like, (flip, start, bare))
    rows = window[:, None], start[:, None] + torch.arange(config.frames)
    flip, sign = flip[:, None, None, None], torch.tensor([-1.0, 1.0, 1.0])
    quaternions, pelvis_cam, points_px = windows.quaternions[rows], windows.pelvis_cam[rows], windows.points[rows]
    quaternions = torch.where(flip, mirror_quaternions(quaternions), quaternions)
    pelvis_cam = torch.where(flip[..., 0], sign * pelvis_cam, pelvis_cam)
    keypoints, places = points_px[..., [0, 1, 5]], points_px[..., 2:5]
    keypoints, places = (
        torch.where(flip, sign * each[:, :, mirrored(DETECTED27)], each) for each in (keypoints, places)
    )
    assumed = torch.where(known, windows.focal[window], 1.0)
    zoom, betas, rotmat = windows.focal[window] / assumed, windows.betas[window], roma.unitquat_to_rotmat(quaternions)
    keypoints = torch.cat([keypoints[..., :2] / assumed[:, None, None, None], keypoints[..., 2:]], -1)
    points = examples.example_points(body, rotmat, betas[:, None])
    truth, metre = examples.see_keypoints(points, pelvis_cam, zoom)
    elsewhere = 0.0 if plain else OTHER_BODIES * bias(config.noise) * steady_noise(count, seed)
    keypoints = torch.cat([keypoints[..., :2] + elsewhere * metre[..., None], keypoints[..., 2:]], -1)
    places[bare], keypoints[bare, :, len(COCO) :] = 0.0, 0.0
    core, wobble = len(COCO), torch.full((count,), 0.0 if plain else 0.04)
    box = examples.steady_boxes(keypoints[:, :, :core], truth[:, :, :core], wobble, seed)
    labelled = examples.count_labelled(config, seed)
    return examples.build_example(rotmat, betas, zoom, points, truth, keypoints, box, labelled, places)
