"""Where it fails: rendered clips that are hard in one way each, measured and drawn, and errors joint by joint.

    python benchmarks/failures.py [--clips 80] [--pictures docs/figures] [--table FILE]

The first table is of one walk, one run and one body on the floor seen in several ways; the second of the clips of
`rendered.py`, whose cache it uses. With --pictures each scene becomes a picture: a frame, the estimate over it, and the
estimate beside the truth from the side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import rendered
import report
import roma
import torch
import tyro
from jaxtyping import Float, UInt8
from numpy import ndarray
from torch import Tensor

from vibe.arrays import as_tensors
from vibe.body import Body, load_body, pose_joints, rest_joints, vertices
from vibe.body.outfit import dressed, vertex_colours
from vibe.cameras import default_camera
from vibe.data.motion import FPS, find_motion
from vibe.evaluate import open_benchmark_clips
from vibe.evaluate.metrics import mpjpe_mm, pa_mpjpe_mm, procrustes_aligned
from vibe.evaluate.open_benchmark_clips import read_benchmark_clips, read_listing
from vibe.evaluate.scores import systems
from vibe.inference import estimate
from vibe.models.network import load_network
from vibe.motion import Motion, Result
from vibe.parallel import one_thread
from vibe.records import SmplParams
from vibe.render import rasterizer
from vibe.skeletons import SMPL
from vibe.synthetic import background, clips
from vibe.synthetic import clips as gait
from vibe.video.read import open_video
from vibe.video.write import VideoWriter

SIZE = (720, 960)
"""Width and height of the pictures, pixels."""
FRAMES = 45
PLAIN_FOV_DEG = 53.13
SHOWN = ("plain", "occluded", "truncated", "lying", "fast")
"""Scenes that become pictures."""
TRUTH = (0.62, 0.64, 0.67)
"""Colour of the true body seen from the side, sRGB."""
Edit = Callable[[UInt8[ndarray, "height width 3"]], UInt8[ndarray, "height width 3"]]


@dataclass(frozen=True)
class Scene:
    """One way of being hard."""

    name: str
    what: str
    action: str = "walk"
    edit: Edit | None = None
    """What is done to every frame before it is stored."""
    fov_deg: float = PLAIN_FOV_DEG
    told_deg: float | None = None
    """The angle of view that the estimate is told; None: its default."""
    frame: int = 22
    """Shown in the picture."""
    exposures: int = 1
    """Pictures whose mean is one frame: more than one blur what moves, as a shutter open all the time does."""


@dataclass(frozen=True)
class Options:
    cache: Path = Path("runs/failures")
    rendered: Path = Path("runs/rendered")
    clips: int = 80
    pictures: Path | None = None
    table: Path | None = None


def behind_a_counter(rgb: UInt8[ndarray, "height width 3"]) -> UInt8[ndarray, "height width 3"]:
    """A wooden front from the thighs down."""
    rgb = rgb.copy()
    top = round(0.55 * rgb.shape[0])
    grain = background.sensor(np.full_like(rgb[top:], (139, 107, 74)), 5.0, 1)
    rgb[top:] = cv2.GaussianBlur(grain, (0, 0), 1.5)
    rgb[top : top + 14] = (171, 137, 99)
    return rgb


def waist_up(rgb: UInt8[ndarray, "height width 3"]) -> UInt8[ndarray, "height width 3"]:
    """The picture ends below the waist."""
    return np.ascontiguousarray(rgb[: 2 * round(0.25 * rgb.shape[0])])


SCENES = (
    Scene("plain", "a walk, nothing hidden"),
    Scene("occluded", "the same, legs behind a counter", edit=behind_a_counter),
    Scene("truncated", "the same, legs outside the picture", edit=waist_up),
    Scene("lying", "on the floor, legs moving", "lie"),
    Scene("fast-sharp", "a run on the spot, every frame sharp", "run"),
    Scene("fast", "the same, blurred by an exposure of 1/30 s", "run", exposures=5, frame=14),
    Scene("long-lens", "the walk through a lens of 25 degrees", fov_deg=25.0),
    Scene("long-lens-told", "the same, with --fov 25", fov_deg=25.0, told_deg=25.0),
    Scene("wide-lens", "the walk through a lens of 85 degrees", fov_deg=85.0),
    Scene("wide-lens-told", "the same, with --fov 85", fov_deg=85.0, told_deg=85.0),
)


def act(action: str, body: Body) -> tuple[Float[Tensor, "time 24 3 3"], Float[Tensor, "time 3"]]:
    """Rotations and places of the pelvis in a world of y up, the floor at y = 0."""
    times = torch.arange(FRAMES, dtype=torch.float64) / FPS
    if action == "run":
        listing = read_listing()
        poses, trans = read_benchmark_clips(find_motion(listing.motion), listing)["cmu_09_11"]
        rotmat = roma.rotvec_to_rotmat(torch.from_numpy(poses[:FRAMES].astype(np.float32)).unflatten(-1, (24, 3)))
        return rotmat, torch.from_numpy(trans[:FRAMES].astype(np.float32)) * torch.tensor([0.0, 1.0, 0.0])
    rotmat, trans = gait.walk(body, torch.zeros(10), times, 0.5 + 0.6 * times)
    if action == "lie":
        upright = roma.rotvec_to_rotmat(torch.tensor([0.0, 0.5, 0.0]))
        rotmat[:, 0] = upright @ roma.rotvec_to_rotmat(torch.tensor([-1.52, 0.0, 0.0]))
        trans = torch.tensor([0.0, 0.12, 0.0]).expand(FRAMES, 3)
    return rotmat, trans


def stand(rotmat: Tensor, trans: Tensor, body: Body, fov_deg: float) -> open_benchmark_clips.StillCamera:
    """A camera at breast height, as far away as it takes to see everything well."""
    joints = pose_joints(body, rotmat, torch.zeros(10))[1]
    points = (joints - joints[:, :1] + trans[:, None]).numpy()
    middle = (points.min((0, 1)) + points.max((0, 1))) / 2
    focal_px = float(np.hypot(*SIZE)) / 2 / np.tan(np.radians(fov_deg) / 2)
    tall = max(1.75, float(np.ptp(points[..., 1])) + 0.2)
    distance = tall * focal_px / (0.62 * SIZE[1])
    while True:
        place = np.array([middle[0], 1.45, middle[2] + distance])
        R_cam_world = open_benchmark_clips.looking(middle - place, 0.0)
        camera = open_benchmark_clips.StillCamera(R_cam_world, -R_cam_world @ place, focal_px, SIZE)
        if open_benchmark_clips.sees_all(camera, points):
            return camera
        distance *= 1.03


def shoot(scene: Scene, body: Body, cache: Path) -> tuple[Path, Motion]:
    """The video, written unless the cache has it, and the truth about it."""
    rotmat, trans = act(scene.action, body)
    still = stand(rotmat, trans, body, scene.fov_deg)
    R_cam_world = torch.from_numpy(still.R_cam_world).float()
    rotmat = torch.cat([(R_cam_world @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1)
    trans = trans @ R_cam_world.mT + torch.from_numpy(still.t_cam_world).float()
    rotmat, trans = between(rotmat, trans, scene.exposures)
    times = torch.arange(len(trans), dtype=torch.float64) / FPS / scene.exposures
    camera, betas = default_camera(*SIZE, scene.fov_deg), torch.zeros(10)
    path = cache / f"{scene.name.removesuffix('-told')}.mp4"
    if not path.exists():
        cache.mkdir(parents=True, exist_ok=True)
        ground = background.BackgroundGround(
            still.R_cam_world[:, 1], float((-still.R_cam_world.T @ still.t_cam_world)[1])
        )
        whole = path.with_suffix(".whole.mp4")
        clips.render_clip(whole, body, SmplParams(rotmat, betas, trans), camera, times, ground, 8)
        finished(whole, path, scene)
    middle = slice(scene.exposures // 2, None, scene.exposures)
    seen = SmplParams(rotmat[middle], betas, trans[middle])
    return path, clips.truth(body, seen, camera, times[middle])


def between(rotmat: Tensor, trans: Tensor, parts: int) -> tuple[Tensor, Tensor]:
    """The motion at so many moments a frame; the last frame's stand still."""
    shares = torch.arange(parts) / parts
    following = torch.cat([rotmat[1:], rotmat[-1:]])
    turned = roma.rotmat_slerp(rotmat, following, shares) if parts > 1 else rotmat[None]
    moved = trans + shares[:, None, None] * torch.cat([trans[1:] - trans[:-1], 0 * trans[:1]])
    return turned.transpose(0, 1).flatten(0, 1), moved.transpose(0, 1).flatten(0, 1)


def finished(source: Path, path: Path, scene: Scene) -> None:
    """The video as the scene has it: exposures joined, frames edited."""
    with open_video(source) as video:
        frames = np.stack([frame.rgb for frame in video])
    frames = frames.reshape(-1, scene.exposures, *frames.shape[1:]).mean(1).round().astype(np.uint8)
    edited = [frame if scene.edit is None else scene.edit(frame) for frame in frames]
    with VideoWriter(path, edited[0].shape[1], edited[0].shape[0], FPS) as writer:
        for index, rgb in enumerate(edited):
            writer.write(rgb, index / FPS)


def about_pelvis(motion: Motion, body: Body) -> Float[Tensor, "time 24 3"]:
    smpl = as_tensors(motion.smpl_shaped)
    joints = pose_joints(body, smpl.rotmat, smpl.betas)[1]
    return joints - joints[:, :1]


def score(result: Result, truth: Motion, body: Body) -> tuple[Motion | None, list[object]]:
    """The person who is seen longest, and the cells of their row."""
    found = max(result.people, key=lambda motion: len(motion.frames), default=None)
    if found is None:
        return None, [0.0, "", "", ""]
    mine, true = about_pelvis(found, body), about_pelvis(truth, body)[found.frames]
    depth = float(np.median(found.smpl.pelvis[:, 2] / truth.smpl.pelvis[found.frames, 2]))
    cells = [
        100 * len(found.frames) / len(truth.frames),
        float(pa_mpjpe_mm(mine, true).mean()),
        float(mpjpe_mm(mine, true).mean()),
    ]
    return found, [*cells, f"{round(100 * (depth - 1)):+d}"]


def picture(path: Path, scene: Scene, video: Path, result: Result, found: Motion, truth: Motion, body: Body) -> None:
    """A frame, the estimate over it, and both bodies from the side, brought together at the pelvis."""
    with open_video(video) as source:
        rgb = next(frame.rgb for frame in source if frame.index == scene.frame)
    row = int(np.flatnonzero(found.frames == scene.frame)[0])
    colours, body = vertex_colours(body, 1), as_tensors(dressed(body))
    mine, true = surface(found, row, body), surface(truth, scene.frame, body)
    faces = body.faces.numpy().astype(np.int32)
    K_px = result.camera.K_px.astype(np.float64)
    placed = mine + found.smpl.pelvis[row]
    over = rasterizer.rasterize(rgb, [rasterizer.Mesh(placed, faces, colours)], K_px)
    height, width = rgb.shape[:2]
    side = beside(true, mine, faces, colours, 420, 560)
    panels = [
        cv2.resize(each, (round(560 * width / height), 560), interpolation=cv2.INTER_AREA) for each in (rgb, over)
    ]
    gap = np.full((560, 10, 3), 255, np.uint8)
    whole = np.hstack([panels[0], gap, panels[1], gap, side])
    cv2.imwrite(str(path), whole[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 82])


def surface(motion: Motion, row: int, body: Body) -> Float[ndarray, "vertex 3"]:
    """About the pelvis joint, in the camera's axes."""
    smpl = as_tensors(motion.smpl_shaped).at(row)
    return (vertices(body, smpl.rotmat, smpl.betas) - rest_joints(body, smpl.betas)[0]).numpy()


def beside(true, mine, faces, colours, width: int, height: int) -> UInt8[ndarray, "height width 3"]:
    """Truth in grey and estimate in its colours, seen along the picture's x axis, the camera being on the left."""
    focal_px, distance = 3.2 * height, 7.4
    R_side_cam = np.array([[0.0, 0.0, 1.0], [0.0, 1.0, 0.0], [-1.0, 0.0, 0.0]])
    K_px = np.array([[focal_px, 0, width / 2], [0, focal_px, height / 2 - 20], [0, 0, 1]])
    blank = np.full((height, width, 3), 250, np.uint8)
    meshes = [
        rasterizer.Mesh(
            (points @ R_side_cam.T + (0, 0, distance)).astype(np.float32),
            faces,
            colour,
            opacity=opacity,
        )
        for points, colour, opacity in ((true, np.full_like(true, TRUTH), 1.0), (mine, colours, 0.62))
    ]
    return rasterizer.rasterize(rasterizer.rasterize(blank, meshes[:1], K_px), meshes[1:], K_px)


def joint_by_joint(options: Options, body: Body) -> list[list[object]]:
    """Position and rotation errors of each pair of joints over the rendered clips."""
    network, after = load_network(None), systems()[-1:]
    places, angles = [], []
    for one in (rendered.take(plan, body, options.rendered) for plan in rendered.plans(options.clips)):
        for motion in rendered.estimates(one, network, body, after).values():
            mine, true = about_pelvis(motion, body), about_pelvis(one.motion, body)[motion.frames]
            places.append((procrustes_aligned(mine, true) - true.double()).norm(dim=-1) * 1000)
            R = as_tensors(motion.smpl.rotmat.mT @ one.motion.smpl.rotmat[motion.frames])
            angles.append(torch.rad2deg(roma.rotmat_geodesic_distance(R, torch.eye(3).expand_as(R))))
    place, angle = torch.cat(places).mean(0), torch.cat(angles).mean(0)
    pairs = {name.removeprefix("left_"): [SMPL.index(name), SMPL.index(name.replace("left", "right"))]
             for name in SMPL if name.startswith("left_")}  # fmt: skip
    return [
        [f"{name}s".replace("foots", "feet"), float(place[both].mean()), float(angle[both].mean())]
        for name, both in pairs.items()
    ]


def main(options: Options) -> None:
    body, rows = load_body(), []
    with one_thread():
        for scene in SCENES:
            video, truth = shoot(scene, body, options.cache)
            result = estimate.estimate(video, fov_deg=scene.told_deg)
            found, cells = score(result, truth, body)
            rows.append([scene.what, *cells])
            if options.pictures is not None and found is not None and scene.name in SHOWN:
                picture(options.pictures / f"{scene.name}.jpg", scene, video, result, found, truth, body)
        joints = joint_by_joint(options, body)
    about = load_network(None).about
    note = f"weights {about.name} {about.sha256[:12]}, fit and light smoothing"
    heads = ["clip", "frames found %", "PA-MPJPE mm", "MPJPE mm", "median depth error %"]
    head = ["joints", "PA-aligned distance mm", "error of the joint's own rotation, degrees"]
    report.table(
        "Hard in one way each",
        heads,
        rows,
        f"{FRAMES} frames each (the run 42), 24 joints about the pelvis; {note}",
        options.table,
    )
    lines = [] if options.table is None else [options.table.read_text(encoding="utf-8")]
    report.table("Joint by joint", head, joints, f"{options.clips} rendered clips; {note}", options.table)
    if options.table is not None:
        options.table.write_text("\n".join([*lines, options.table.read_text(encoding="utf-8")]), encoding="utf-8")


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
