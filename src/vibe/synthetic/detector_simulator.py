"""A learnt imitation of the shipped detector: its answers for a window, drawn by chance from where the points are.

Flow matching (Lipman et al. 2023, "Flow Matching for Generative Modeling") over whole windows, learnt from
`rendered-evidence` by `vibe train simulator`: which limbs are marked wrong, for how long, how sure the detector is and
where it has them in space all depend on the pose, on the view, on the person's size in the picture and on its border.
Noise has the spectrum of the errors, so that what hardly changes from frame to frame stays so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe import assets
from vibe.body.record import Body
from vibe.data.motion import Motions
from vibe.errors import damaged
from vibe.skeletons import COCO, DETECTED27, SMPL, index, mirrored
from vibe.synthetic.examples import PosedPeople, draw_people, example_points, see_keypoints
from vibe.synthetic.rendered_evidence import CONFIG, DIAGONAL_PX, LEAST_INSIDE, LEAST_PX, RenderedWindows

POINTS = len(DETECTED27)
ANSWER = POINTS * 6 + 1
"""Numbers of a frame's answer: of each point the error in the picture (x, y) and the place in space less the true one,
metres, and the confidence's logit; and whether nobody was seen, 1 or -1."""
CONDITION = POINTS * 4 + 3
"""Numbers of a frame's condition: of each point the place about the pelvis as a view that looks at it sees it, metres,
and how far it is inside the picture; how large a metre is, and where the person is."""
HIPS = index(DETECTED27, ["left_hip", "right_hip"])
MOST_PX, MOST = 0.6, 1.5
"""Metres: larger errors in the picture and in space count as these."""
LEAST_SURE = 0.002
LEAST_DEVIATION = 0.03
"""Least deviation of a frequency of an answer, over that of the number itself."""
CHUNK = 64
"""Windows that are looked at together."""
PATIENCE = 20
"""Batches in a row in which nobody is seen."""
STEPS = 12
"""Of the flow; fewer leave errors too small and too steady."""


@dataclass(frozen=True)
class SimulatorConfig:
    """Sizes of the simulator."""

    width: int = 256
    dilations: tuple[int, ...] = (1, 2, 4, 8, 4, 2, 1)
    """Of each block's convolution over three frames."""
    dropout: float = 0.1


class DetectorSimulator(nn.Module):
    """The velocity that carries noise towards an answer, given where the points are; with both sides' units."""

    answer_mean: Float[Tensor, "number"]
    answer_std: Float[Tensor, "number"]
    condition_mean: Float[Tensor, "number"]
    condition_std: Float[Tensor, "number"]
    spectrum: Float[Tensor, "frequency number"]

    def __init__(self, config: SimulatorConfig) -> None:
        super().__init__()
        self.config, width = config, config.width
        self.first = nn.Linear(CONDITION + ANSWER, width)
        self.moment = nn.Sequential(
            nn.Linear(32, width), nn.SiLU(), nn.Linear(width, 2 * width * len(config.dilations))
        )
        self.blocks = nn.ModuleList(Block(width, dilation, config.dropout) for dilation in config.dilations)
        self.last = nn.Linear(width, ANSWER)
        for name, numbers in (("answer", ANSWER), ("condition", CONDITION)):
            self.register_buffer(f"{name}_mean", torch.zeros(numbers))
            self.register_buffer(f"{name}_std", torch.ones(numbers))
        self.register_buffer("spectrum", torch.ones(CONFIG.frames, ANSWER))

    def forward(
        self, mixed: Float[Tensor, "batch time answer"], part: Float[Tensor, "batch"],
        condition: Float[Tensor, "batch time condition"],
    ) -> Float[Tensor, "batch time answer"]:  # fmt: skip
        """Of answers in their units, so far on their way from noise, 0 to 1."""
        waves = torch.exp(torch.linspace(0, 5, 16, device=part.device)) * part[:, None]
        scales = self.moment(torch.cat([waves.sin(), waves.cos()], -1)).unflatten(-1, (len(self.blocks), 2, 1, -1))
        states = self.first(torch.cat([mixed, condition], -1))
        for block, scale in zip(self.blocks, scales.unbind(1), strict=True):
            states = states + block(states, scale, condition)
        return self.last(states)

    def noise(self, batch: int, seed: torch.Generator) -> Float[Tensor, "batch time answer"]:
        """Noise of the answers' spectrum, in their units."""
        white = torch.randn(batch, *self.spectrum.shape, generator=seed).to(self.spectrum)
        return torch.einsum("ft,bfn->btn", frequencies(len(self.spectrum)).to(white), white * self.spectrum)


class Block(nn.Module):
    """Two convolutions over time beside the state; adds nothing at first."""

    def __init__(self, width: int, dilation: int, dropout: float) -> None:
        super().__init__()
        self.norm, self.drop = nn.LayerNorm(width), nn.Dropout(dropout)
        self.wide = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.near = nn.Conv1d(width, width, 3, padding=1)
        self.condition = nn.Linear(CONDITION, width)
        nn.init.zeros_(self.near.weight)
        assert self.near.bias is not None
        nn.init.zeros_(self.near.bias)

    def forward(
        self, states: Float[Tensor, "batch time width"], scale: Float[Tensor, "batch 2 1 width"],
        condition: Float[Tensor, "batch time condition"],
    ) -> Float[Tensor, "batch time width"]:  # fmt: skip
        read = self.norm(states) * (1 + scale[:, 0]) + scale[:, 1] + self.condition(condition)
        return self.near(self.drop(functional.silu(self.wide(read.mT)))).mT


def frequencies(frames: int) -> Float[Tensor, "frequency time"]:
    """The orthonormal cosine transform (DCT-II) as a matrix."""
    time, wave = torch.arange(frames) + 0.5, torch.arange(frames)[:, None]
    table = torch.cos(math.pi / frames * wave * time) * (2 / frames) ** 0.5
    table[0] /= 2**0.5
    return table


@dataclass(frozen=True)
class ViewedPoints:
    """Where the points of people in windows are, as the simulator is told, and as its answers are counted."""

    condition: Float[Tensor, "batch time condition"]
    truth: Float[Tensor, "batch time 27 2"]
    """In the picture, from its middle, in the unit of the camera."""
    metre: Float[Tensor, "batch time 27"]
    """Its length in the picture at each point, in that unit."""
    places: Float[Tensor, "batch time 27 3"]
    """About the middle of the hips, in the axes of a view that looks at the pelvis, metres."""


def view_points(
    points: Float[Tensor, "batch time 51 3"], pelvis_cam: Float[Tensor, "batch time 3"], zoom: Float[Tensor, "batch"],
    half_picture: Float[Tensor, "batch 2"], diagonal_px: Float[Tensor, "batch"],
) -> ViewedPoints:  # fmt: skip
    """Points about the pelvis (`example_points`) before cameras of these focal lengths and pictures."""
    truth, metre = see_keypoints(points, pelvis_cam, zoom)
    seen = points[:, :, len(SMPL) :] @ _looking_at(pelvis_cam).mT
    inside = ((half_picture[:, None, None] - truth.abs()) / metre[..., None]).amin(-1).clamp(-0.5, 0.3)
    metre_px = metre.mean(-1) * (diagonal_px / (2 * half_picture.norm(dim=-1)))[:, None]
    towards = functional.normalize(pelvis_cam, dim=-1)[..., :2]
    condition = torch.cat([seen.flatten(2), inside, metre_px.log()[..., None], towards], -1)
    return ViewedPoints(condition, truth, metre, seen - seen[:, :, HIPS].mean(2, keepdim=True))


def _looking_at(place_cam: Float[Tensor, "*b 3"]) -> Float[Tensor, "*b 3 3"]:
    """R_view_cam of an upright view along the ray to a place."""
    forwards = functional.normalize(place_cam, dim=-1)
    down = forwards.new_tensor([0.0, 1.0, 0.0]).expand_as(forwards)
    right = functional.normalize(torch.linalg.cross(down, forwards), dim=-1)
    return torch.stack([right, torch.linalg.cross(forwards, right), forwards], -2)


def answers_of(windows: RenderedWindows, body: Body) -> tuple[ViewedPoints, Float[Tensor, "window time answer"]]:
    """Where the points of the windows of `rendered-evidence` are, and what the detector said of them."""
    pieces = zip(*(each.split(CHUNK) for each in vars(windows).values()), strict=True)
    views, answers = zip(*(_answers_of(RenderedWindows(*each), body) for each in pieces), strict=True)
    viewed = zip(*(vars(each).values() for each in views), strict=True)
    return ViewedPoints(*map(torch.cat, viewed)), torch.cat(answers)


def _answers_of(windows: RenderedWindows, body: Body) -> tuple[ViewedPoints, Float[Tensor, "window time answer"]]:
    points = example_points(body, roma.unitquat_to_rotmat(windows.quaternions), windows.betas[:, None])
    viewed = view_points(points, windows.pelvis_cam, windows.focal, windows.half_picture, windows.diagonal_px)
    said = windows.points
    errors = ((said[..., :2] - viewed.truth) / viewed.metre[..., None]).clamp(-MOST_PX, MOST_PX)
    places = (said[..., 2:5] - viewed.places).clamp(-MOST, MOST)
    logit = said[..., 5].clamp(LEAST_SURE, 1 - LEAST_SURE).logit()
    unseen = (said[..., 5] <= 0).all(-1)
    errors[unseen], places[unseen] = 0.0, 0.0
    flat = errors.flatten(2), places.flatten(2), logit, 2.0 * unseen[..., None] - 1
    return viewed, torch.cat(flat, -1)


def points_from_answers(
    answers: Float[Tensor, "batch time answer"], viewed: ViewedPoints
) -> Float[Tensor, "batch time 27 6"]:
    """What the detector says: x, y in the camera's unit; place in space, metres; confidence. Zero where unseen."""
    errors, places, logit, unseen = answers.split([2 * POINTS, 3 * POINTS, POINTS, 1], -1)
    picture = viewed.truth + errors.unflatten(-1, (POINTS, 2)) * viewed.metre[..., None]
    sure = logit.sigmoid()
    sure = torch.where(sure < 5 * LEAST_SURE, 0.0, sure)[..., None]
    said = torch.cat([picture, viewed.places + places.unflatten(-1, (POINTS, 3)), sure], -1)
    return said * (unseen <= 0)[..., None]


def mirror_pairs(
    condition: Float[Tensor, "*b condition"], answers: Float[Tensor, "*b answer"]
) -> tuple[Float[Tensor, "*b condition"], Float[Tensor, "*b answer"]]:
    """The same in a mirror."""
    other, flip = mirrored(DETECTED27), condition.new_tensor([-1.0, 1.0, 1.0])

    def flipped(numbers: Tensor, axes: int) -> Tensor:
        return (numbers.unflatten(-1, (POINTS, axes))[..., other, :] * flip[:axes]).flatten(-2)

    seen, inside, size, towards = condition.split([3 * POINTS, POINTS, 1, 2], -1)
    errors, places, logit, unseen = answers.split([2 * POINTS, 3 * POINTS, POINTS, 1], -1)
    return (
        torch.cat([flipped(seen, 3), inside[..., other], size, towards * flip[:2]], -1),
        torch.cat([flipped(errors, 2), flipped(places, 3), logit[..., other], unseen], -1),
    )


@torch.no_grad()
def simulate(
    simulator: DetectorSimulator, viewed: ViewedPoints, seed: torch.Generator
) -> Float[Tensor, "batch time 27 6"]:
    """What the detector might say of each window, as points; the same for the same generator state."""
    condition = (viewed.condition - simulator.condition_mean) / simulator.condition_std
    answers = simulator.noise(len(condition), seed)
    for step in range(STEPS):
        part = answers.new_full((len(answers),), step / STEPS)
        answers = answers + simulator(answers, part, condition) / STEPS
    return points_from_answers(answers * simulator.answer_std + simulator.answer_mean, viewed)


def simulated_windows(
    simulator: DetectorSimulator, motions: Motions, weights: Float[Tensor, "clip"], body: Body, count: int,
    seed: torch.Generator,
) -> RenderedWindows:  # fmt: skip
    """So many windows as `rendered-evidence` has them, drawn likewise, whose pictures nobody rendered.

    Those are left out in which the person is not seen for half of the time. A window takes 50 kB, and some 12 ms of one
    core of a processor with AMX. Raises ValueError for fewer than one, or if nobody is seen.
    """
    if count < 1:
        raise ValueError(f"{count} simulated windows are none to draw from: give 1 or more")
    parts, found, in_vain = [], 0, 0
    while found < count:
        windows = _simulated_batch(simulator, draw_people(motions, weights, CONFIG, seed), body, seed)
        seen = (windows.points[..., 5] > 0).any(-1).float().mean(1) > 0.5
        parts.append([each[seen] for each in vars(windows).values()])
        found, in_vain = found + int(seen.sum()), 0 if seen.any() else in_vain + 1
        if in_vain == PATIENCE:
            raise ValueError("this simulator sees nobody: train it anew, on more rendered windows")
    return RenderedWindows(*(torch.cat(each)[:count] for each in zip(*parts, strict=True)))


def _simulated_batch(
    simulator: DetectorSimulator, people: PosedPeople, body: Body, seed: torch.Generator
) -> RenderedWindows:
    """Those of the people who are large enough, and far enough inside the picture, for a look."""
    view, points = people.view, example_points(body, people.rotmat, people.betas[:, None])
    low, high = map(math.log, DIAGONAL_PX)
    diagonal_px = torch.exp(low + (high - low) * torch.rand(len(points), generator=seed))
    viewed = view_points(points, view.pelvis_cam, view.zoom, view.half_picture, diagonal_px)
    unit, core = 2 * view.half_picture.norm(dim=-1), viewed.truth[:, :, : len(COCO)]
    inside = (core.abs() < view.half_picture[:, None, None]).all(-1).float().mean((1, 2))
    size_px = (core.amax(2) - core.amin(2)).amax(-1).mean(1) * diagonal_px / unit
    chosen = (inside > LEAST_INSIDE) & (size_px > LEAST_PX)
    said = simulate(simulator, ViewedPoints(*(each[chosen] for each in vars(viewed).values())), seed)
    said[..., :2] /= unit[chosen, None, None, None]
    quaternions = roma.rotmat_to_unitquat(people.rotmat[chosen])
    focal, half_picture = view.zoom / unit, view.half_picture / unit[:, None]
    return RenderedWindows(
        quaternions, view.pelvis_cam[chosen], people.betas[chosen], said,
        focal[chosen], half_picture[chosen], diagonal_px[chosen],
    )  # fmt: skip


def load_simulator(path: Path | str, set_aside: Sequence[str]) -> DetectorSimulator:
    """The simulator of a weights file; raises FileNotFoundError, and ValueError for other files.

    Neither may it have learnt from the subjects that a training sets aside.
    """
    recipe = assets.load_recipe(path)
    sizes, aside = recipe.get("simulator"), recipe.get("set_aside")
    if not isinstance(sizes, dict) or not isinstance(aside, list):
        raise ValueError(f"{path} is no simulator of a detector: give a file that `vibe train simulator` wrote")
    if set(aside) != set(set_aside):
        raise ValueError(
            f"{path} set other subjects aside ({', '.join(map(str, aside))}): train one with --set-aside "
            f"{' '.join(set_aside)}"
        )
    tensors, _ = assets.load_weights(path)
    with damaged(f"{path} does not fit its own recipe", "choose other weights"):
        sizes["dilations"] = tuple(sizes["dilations"])
        simulator = DetectorSimulator(SimulatorConfig(**sizes))
        simulator.load_state_dict({name: each.float() for name, each in tensors.items()})
    return simulator.eval().requires_grad_(False)
