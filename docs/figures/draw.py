"""Draws the figures of docs/conventions.md from the package's own body, cameras and joint sets.

    python docs/figures/draw.py [FOLDER]

Without a folder they are written beside this program.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from paper import FAINT, INK, MARK, Eye, Paper, X, Y, Z

from vibe import body as bodies
from vibe.cameras import crop_side
from vibe.motion.scene import R_SCENE_CAM
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS
from vibe.synthetic.clips import walk

AXES = (("x", X), ("y", Y), ("z", Z))
HEIGHT = 1.35
"""Of the camera above the floor in the figures, metres."""
LEFT, RIGHT, MIDDLE = "#b7592a", "#2f66b0", "#5b6068"
BONES = ((5, 7), (7, 9), (6, 8), (8, 10), (5, 6), (11, 12), (5, 11), (6, 12), (11, 13), (13, 15), (12, 14), (14, 16))
"""Between COCO's points, to guide the eye."""


def flipped(points_cam):
    """From the camera's axes to those of a world of y up."""
    return np.asarray(points_cam) * (1.0, -1.0, -1.0)


def walker(trans: tuple[float, float, float], turn: float, phase: float = 0.05):
    """Vertices and joints in the camera's frame, and R_cam_body, of somebody who walks; turn 0 faces the camera."""
    body = bodies.load_body(detail="low")
    betas = torch.zeros(10)
    rotmat, _ = walk(body, betas, torch.tensor([phase], dtype=torch.float64), torch.tensor([turn]))
    rotmat[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ rotmat[:, 0]
    surface, joints = bodies.vertices(body, rotmat, betas)[0], bodies.joints(body, rotmat, betas)[0]
    place = torch.tensor(trans) - joints[0]
    surface = surface + place
    drop = torch.tensor([0.0, HEIGHT, 0.0]) - surface[:, 1].max() * torch.tensor([0.0, 1.0, 0.0])
    return (surface + drop).numpy(), (joints + place + drop).numpy(), rotmat[0, 0].numpy(), body.faces.numpy()


def axes(paper: Paper, eye: Eye, origin, directions, length: float, names=("x", "y", "z"), away: float = 1.16) -> None:
    """Three arrows in the camera's axes; the far ones first."""
    order = np.argsort([-np.linalg.norm(flipped(origin + length * way) - eye.place) for way in directions])
    for axis in order:
        name, colour = AXES[axis]
        tip = origin + length * directions[axis]
        paper.line(*eye.see(flipped(np.stack([origin, tip]))), colour=colour, width=3, tip=name)
        x, y = eye.see(flipped(origin + away * length * directions[axis]))
        paper.text((x, y + 5), names[axis], colour, "middle", 15, bold=True)


def floor(paper: Paper, eye: Eye, low: tuple[float, float], high: tuple[float, float]) -> None:
    """Lines half a metre apart."""
    for x in np.arange(low[0], high[0] + 0.01, 0.5):
        paper.line(*eye.see(flipped([[x, HEIGHT, low[1]], [x, HEIGHT, high[1]]])), colour="#dcdad3", width=1)
    for z in np.arange(low[1], high[1] + 0.01, 0.5):
        paper.line(*eye.see(flipped([[low[0], HEIGHT, z], [high[0], HEIGHT, z]])), colour="#dcdad3", width=1)


def camera(paper: Paper, eye: Eye, size: float = 0.11) -> None:
    """A box behind the camera's centre, which is the origin, and its lens."""
    corners = np.array([(x, y, z) for x in (-1, 1) for y in (-0.7, 0.7) for z in (-2.2, -0.35)]) * size
    faces = (
        (0, 1, 3),
        (0, 3, 2),
        (4, 5, 7),
        (4, 7, 6),
        (0, 1, 5),
        (0, 5, 4),
        (2, 3, 7),
        (2, 7, 6),
        (1, 3, 7),
        (1, 7, 5),
    )
    faces = np.array([*faces, (0, 2, 6), (0, 6, 4)])
    paper.body(eye.see(flipped(corners)), faces, "#575c63", INK)
    turn = np.linspace(0, 2 * np.pi, 24)
    ring = np.stack([0.45 * np.cos(turn), 0.45 * np.sin(turn), np.zeros(24)], 1) * size
    paper.area(eye.see(flipped(ring)), "#8f959d", INK)
    paper.line(*eye.see(flipped([[0, 0.7 * size, -size], [0, HEIGHT, -size]])), colour=FAINT, width=2)


def frames() -> Paper:
    """Picture, camera and body at rest."""
    paper = Paper(760, 450, "The picture, the camera's frame and the body's own axes")
    eye = Eye((-6.4, 2.6, 4.0), (0.35, -0.35, -1.6), 1180, (405, 206))
    floor(paper, eye, (-1, -0.5), (1.5, 3.5))
    surface, joints, R_cam_body, faces = walker((0.35, 0.0, 3.1), 0.0)
    camera(paper, eye)
    depth, wide, tall = 1.25, 0.62, 0.82
    corners = np.array([(-wide, -tall), (wide, -tall), (wide, tall), (-wide, tall)])
    sheet = eye.see(flipped(np.pad(corners, ((0, 0), (0, 1)), constant_values=depth)))
    paper.body(eye.see(flipped(surface)), faces)
    pelvis = joints[0]
    axes(paper, eye, pelvis, R_cam_body.T, 0.5)
    paper.area(sheet, "white", INK, see=0.6)
    inside = surface[:, :2] / surface[:, 2:] * depth
    paper.body(eye.see(flipped(np.pad(inside, ((0, 0), (0, 1)), constant_values=depth))), faces, "#e3e7ec", "#a9b4c2")
    paper.line(*eye.see(flipped(np.stack([np.zeros(3), pelvis]))), colour=MARK, width=1.6, dash="5 4", tip="mark")
    start = np.array([-wide, -tall, depth])
    for way, name, colour in (((0.55, 0, 0), "x_px", X), ((0, 0.55, 0), "y_px", Y)):
        paper.line(*eye.see(flipped(np.stack([start, start + way]))), colour=colour, width=2.5, tip=name[0])
        spot = eye.see(flipped(start + 1.0 * np.array(way) + (0.06, 0.06, 0)))
        paper.text((spot[0] + 4, spot[1] + 4), name, colour, size=14, bold=True)
    axes(paper, eye, np.zeros(3), np.eye(3), 0.55)
    lens = eye.see(np.zeros(3))
    paper.text((lens[0] + 34, lens[1] + 40), "camera", bold=True)
    paper.text((lens[0] + 34, lens[1] + 58), "x right, y down,", FAINT, size=13)
    paper.text((lens[0] + 34, lens[1] + 74), "z forward", FAINT, size=13)
    paper.text((sheet[1][0] + 10, sheet[1][1] + 6), "picture", bold=True)
    paper.text((sheet[1][0] + 10, sheet[1][1] + 24), "from its top left corner", FAINT, size=13)
    spot = eye.see(flipped(pelvis))
    paper.text(
        (lens[0] * 0.62 + spot[0] * 0.38, lens[1] * 0.62 + spot[1] * 0.38 + 34), "trans", MARK, "middle", 13, bold=True
    )
    paper.text((112, 112), "body", bold=True)
    paper.text((112, 130), "x to its left, y up,", FAINT, size=13)
    paper.text((112, 146), "z where it looks", FAINT, size=13)
    return paper


def side_of(name: str) -> str:
    return LEFT if name.startswith("left") else RIGHT if name.startswith("right") else MIDDLE


def joints() -> Paper:
    """SMPL's 24 on the body at rest, COCO's 17 on the same, from the front."""
    body = bodies.load_body(detail="low")
    still, betas = torch.eye(3).expand(24, 3, 3), torch.zeros(10)
    surface, faces = bodies.vertices(body, still, betas).numpy(), body.faces.numpy()
    found = {"SMPL's 24 joints": (SMPL, bodies.joints(body, still, betas).numpy())}
    found["COCO's 17 keypoints"] = (COCO, bodies.keypoints(body, still, betas).numpy())
    middle, scale = (surface.min(0) + surface.max(0)) / 2, 236.0
    paper = Paper(900, 530, "SMPL's 24 joints and COCO's 17 keypoints, by their numbers")
    for place, (title, (names, points)) in enumerate(found.items()):
        centre = np.array([225 + 450 * place, 262])

        def at(point, centre=centre):
            return centre + (np.asarray(point)[..., :2] - middle[:2]) * (scale, -scale)

        paper.body(at(surface), faces)
        if names is SMPL or len(names) == 24:
            bones = [(joint, parent) for joint, parent in enumerate(SMPL_PARENTS) if parent >= 0]
        else:
            bones = list(BONES)
        for one, other in bones:
            paper.line(at(points[one]), at(points[other]), colour="#98a5b5", width=2)
        face = [number for number, name in enumerate(names) if name.split("_")[-1] in ("nose", "eye", "ear")]
        for number, point in enumerate(points):
            if number in face:
                paper.dot(at(point), 3, side_of(names[number]))
            else:
                aside = {"left_foot": (15, 8), "right_foot": (-15, 8)}.get(names[number], (0, 0))
                paper.number(at(point) + aside, str(number), side_of(names[number]))
        paper.text((centre[0], 26), title, anchor="middle", size=16, bold=True)
        if face:
            _face(paper, surface, faces, points, names, face, at(points[0]))
    _legend(paper)
    return paper


def _face(paper: Paper, surface, faces, points, names, face, spot) -> None:
    """The face again, four times as large."""
    middle, scale, centre = points[0], 430.0, np.array([836, 84])
    near = surface[:, 1] > points[0, 1] - 0.075
    kept = faces[near[faces].all(1)]

    def at(point):
        return centre + (np.asarray(point)[..., :2] - middle[:2]) * (scale, -scale)

    paper.line(spot + (12, 0), (centre[0] - 44, centre[1]), colour=FAINT, width=1, dash="3 3")
    paper.body(at(surface), kept)
    for number in face:
        paper.number(at(points[number]), str(number), side_of(names[number]))


def _legend(paper: Paper) -> None:
    y = 508
    for x, colour, words in ((250, LEFT, "the person's left"), (420, RIGHT, "right"), (510, MIDDLE, "middle")):
        paper.dot((x, y - 5), 7, colour)
        paper.text((x + 14, y), words, size=13)
    for tip, words, colour, name in (((74, 480), "x", X, "x"), ((30, 436), "y", Y, "y")):
        paper.line((30, 480), tip, colour=colour, width=3, tip=name)
        paper.text(
            (tip[0] + (12 if name == "x" else -4), tip[1] + (5 if name == "x" else -8)), words, colour, bold=True
        )
    paper.dot((30, 480), 6, Z)
    paper.text((18, 504), "z, towards you", Z, size=13, bold=True)


def box() -> Paper:
    """The box, the crop, the crop's coordinates, and the depth that the scale s means."""
    paper = Paper(860, 440, "Box and crop in the picture, and the weak camera's depth")
    width, height, focal = 330, 400, 520.0
    corner = np.array([24, 20])
    surface, _, _, faces = walker((0.1, 0.0, 4.0), 0.7, 0.3)
    middle = np.array([width / 2 + 12, height / 2 - 62])
    pixels = surface[:, :2] / surface[:, 2:] * focal + middle + corner
    paper.area([corner, corner + (width, 0), corner + (width, height), corner + (0, height)], "white", INK)
    paper.body(pixels, faces)
    centre_x, centre_y = (pixels.min(0) + pixels.max(0)) / 2
    wide, tall = pixels.max(0) - pixels.min(0) + 14
    half = float(crop_side(torch.tensor([centre_x, centre_y, wide, tall]))) / 2
    box_ = [
        (centre_x + a * wide / 2, centre_y + b * tall / 2) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ]
    crop = [(centre_x + a * half, centre_y + b * half) for a, b in ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))]
    paper.line(*box_, colour=MARK, width=2.2)
    paper.line(*crop, colour=Z, width=2, dash="7 4")
    paper.line((centre_x, centre_y), (centre_x + half, centre_y), colour=Z, width=1.6, tip="z")
    paper.line((centre_x, centre_y), (centre_x, centre_y + half), colour=Z, width=1.6, tip="z")
    paper.dot((centre_x, centre_y), 4, MARK)
    paper.text((centre_x + half + 4, centre_y - 8), "1", Z, bold=True)
    paper.text((centre_x + 6, centre_y + half + 16), "1", Z, bold=True)
    paper.text((crop[0][0] - 2, crop[0][1] - 7), "crop: side = 1.1 × max(width, height)", Z, size=13)
    paper.text((box_[1][0] + 6, box_[1][1] + 18), "box_px", MARK, size=13, bold=True)
    paper.text((corner[0] + 6, corner[1] + height - 10), "picture", FAINT, size=13)
    _depth(paper)
    return paper


def _depth(paper: Paper) -> None:
    """From the side: the crop, `side` pixels at the focal length, is 2 / s metres at the body."""
    lens, plane, body = np.array([412.0, 210.0]), 520.0, 748.0
    small = 52.0
    large = small * (body - lens[0]) / (plane - lens[0])
    surface, _, _, faces = walker((0.0, 0.0, 4.0), 0.0, 0.3)
    side = surface[:, [2, 1]]
    scale = 1.78 * large / (side[:, 1].max() - side[:, 1].min())
    spots = (side - (side.min(0) + side.max(0)) / 2) * scale + (body, lens[1])
    paper.body(spots, faces)
    for sign in (-1, 1):
        paper.line(lens, (body, lens[1] + sign * large), colour=FAINT, width=1.2, dash="4 4")
    paper.line((plane, lens[1] - small), (plane, lens[1] + small), colour=Z, width=3)
    paper.line((body, lens[1] - large), (body, lens[1] + large), colour=Z, width=3)
    paper.dot(lens, 5)
    paper.text((lens[0] - 4, lens[1] - 14), "camera", anchor="middle", size=13)
    paper.text((plane, lens[1] - small - 12), "side, px", Z, "middle", 13, bold=True)
    paper.text((body, lens[1] - large - 12), "2 / s, metres", Z, "middle", 13, bold=True)
    for end, y, words in ((plane, 336, "fx, px"), (body, 380, "depth, metres")):
        paper.line((end, y), (lens[0], y), colour=INK, width=1.2, tip="ink")
        paper.line((lens[0], y), (end, y), colour=INK, width=1.2, tip="ink")
        paper.text(((lens[0] + end) / 2, y - 7), words, anchor="middle", size=13)
    paper.text((lens[0] + 168, 420), "side / fx = (2 / s) / depth", anchor="middle", bold=True)


def stages() -> Paper:
    """The same scene in the axes of motion.npz and in those of the exports."""
    paper = Paper(960, 350, "Axes of motion.npz and of the exported files")
    panels = (
        ("motion.npz", "origin: the camera", np.eye(3), None),
        ("--up y", "bvh, glb, usd, fbx, csv, trc, obj, ply", np.array(R_SCENE_CAM["y"]), "y"),
        ("--up z", "amass, for instance", np.array(R_SCENE_CAM["z"]), "z"),
    )
    for place, (title, words, R_stage_cam, up) in enumerate(panels):
        eye = Eye((-6.2, 2.7, 4.0), (0.25, -0.55, -1.35), 690, (160 + 320 * place, 186))
        floor(paper, eye, (-0.5, -0.5), (1, 3))
        surface, joints, _, faces = walker((0.25, 0.0, 2.4), 0.0)
        camera(paper, eye)
        feet = np.array([joints[0, 0], HEIGHT, joints[0, 2]])
        paper.body(eye.see(flipped(surface)), faces)
        axes(paper, eye, np.zeros(3) if up is None else feet, R_stage_cam, 0.62)
        paper.text((160 + 320 * place, 30), title, anchor="middle", size=16, bold=True)
        paper.text((160 + 320 * place, 50), words, FAINT, "middle", 13)
        spot = eye.see(np.zeros(3))
        paper.text((spot[0] + 8, spot[1] - 28), "camera", FAINT, "middle", 12)
    words = "Exports begin with the first person above the origin and the lowest foot at height 0."
    paper.text((480, 334), words, FAINT, "middle", 13)
    return paper


FIGURES = {"frames": frames, "joints": joints, "box": box, "stages": stages}


def main(folder: Path) -> None:
    for name, draw in FIGURES.items():
        draw().write(folder / f"{name}.svg")


if __name__ == "__main__":
    with torch.no_grad():
        main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent)
