"""The task of the open recipes: free motion capture, seen by imitated cameras and a detector, imitated or shipped."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache, reduce
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe import assets
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.cameras import project_in_crop
from vibe.data.motion import HELD_OUT, Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.data.store import store_files
from vibe.data.windows import Annotation
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.models.generator import VIBE
from vibe.models.network import build_network
from vibe.records import GeneratorOutput
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS, SPIN49, convert_joints
from vibe.synthetic.detector_simulator import load_simulator, simulated_windows
from vibe.synthetic.examples import Example, example_points, join_examples, synthesise
from vibe.synthetic.poses import CAPTURED_POSES
from vibe.synthetic.procedural_motion import POOL_MINUTES, procedural_motions, with_procedural
from vibe.synthetic.rendered_evidence import RenderedWindows, load_rendered, rendered_example
from vibe.train.checkpoints import data_checksum
from vibe.train.distributed import ProcessGroup, all_reduce_mean
from vibe.train.labels import fit_labels
from vibe.train.losses import LossWeights, PredictedClips, feature_losses, flexion, keypoint_losses
from vibe.train.recipes import Recipe
from vibe.train.state import Predict, Task, input_weights, start_at_mean_pose
from vibe.train.trainer import seeded_generator

STRAIGHT, BENT = math.radians(10), math.radians(30)
"""Flexion below which a knee counts as straight, and above which as bent."""
SIMULATED = 3
"""Random stream of the simulated windows, beside those of a step."""
VALIDATION_SEED, VALIDATION_MINUTES = 999_983, 4.0
"""Of the motion by rule that validates; no training is given this seed."""


def keypoints_task(recipe: Recipe, group: ProcessGroup) -> Task:
    """Data and validation of an open recipe; raises FileNotFoundError or ValueError for its motion files and stores."""
    paths = [find_motion(name) for name in recipe.motion]
    clips = load_motions(paths, held_out=False).subjects
    aside = [subject for subject in recipe.set_aside if subject in clips]
    motions = load_motions(paths, held_out=False, subjects=[*HELD_OUT, *aside])
    held_out = load_motions(paths[:1], held_out=True, subjects=aside or HELD_OUT)
    weights, body, synthesis = clip_weights(motions), load_body(), recipe.synthesis
    mixed, shares = with_procedural(motions, synthesis.procedural, recipe.seed, POOL_MINUTES)
    by_rule = procedural_motions(VALIDATION_SEED, VALIDATION_MINUTES) if synthesis.procedural else None
    near = body.to(group.device)
    share, drawn = detector_windows(recipe)
    taught, validating = (
        load_rendered(recipe.rendered, split, recipe.set_aside, synthesis.frames, body) if recipe.rendered else None
        for split in ("train", "validation")
    )
    pool = simulated_pool(recipe, mixed, shares, body)

    def build() -> VIBE:
        network = build_network(recipe.network)
        start_at_mean_pose(network, roma.unitquat_to_rotmat(motions.quaternions[::10]))
        return network

    def batch(seed: torch.Generator, done: float) -> Example:
        imitated, parts = replace(synthesis, batch=synthesis.batch - share - drawn), []
        if imitated.batch:
            parts.append(synthesise(mixed, shares, body, imitated, seed, done=done))
        for windows, count in ((taught, share), (pool(), drawn)):
            if windows is not None and count:
                parts.append(rendered_example(windows, body, replace(synthesis, batch=count), seed))
        return reduce(join_examples, parts)

    def motion(seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        quaternions, _ = draw_windows(motions, weights, synthesis.batch, synthesis.frames, synthesis.fastest, seed)
        return roma.unitquat_to_rotmat(quaternions)

    def terms(made: GeneratorOutput, batch: Example) -> dict[str, Float[Tensor, ""]]:
        known = fit_labels(made, batch, near, recipe.labels) if recipe.labels.fit else batch
        if isinstance(recipe.losses, LossWeights):
            return published_losses(made, known, near, recipe.losses, group)
        return keypoint_losses(made, known, near, recipe.losses)

    def shifted_terms(batch: Example, made: GeneratorOutput, offset: int) -> dict[str, Float[Tensor, ""]]:
        raise ValueError("past and future poses are learnt from clips of data sets: see `vibe train temporal-hmr`")

    return Task(
        build=build,
        batch=batch,
        motion=motion,
        losses=terms,
        shifted_losses=shifted_terms,
        validate=lambda answer: validate_keypoints(answer, recipe, body, held_out, validating, by_rule),
        score="detected_pa_mpjpe_mm" if validating and share + drawn == synthesis.batch else "noisy_pa_mpjpe_mm",
        data=data_checksum({path.name: path for path in paths} | input_weights(recipe) | detector_files(recipe)),
    )


def detector_windows(recipe: Recipe) -> tuple[int, int]:
    """How many windows of a batch are rendered, and how many are simulated; ValueError for shares that are none."""
    synthesis = recipe.synthesis
    if not 0 <= synthesis.labelled <= 1:
        raise ValueError(f"{synthesis.labelled:g} of the windows can't be labelled: give a share from 0 to 1")
    rendered, simulated = synthesis.rendered, synthesis.simulated
    if min(rendered, simulated) < 0 or not rendered + simulated <= 1:
        raise ValueError(
            f"{rendered:g} of the windows rendered and {simulated:g} simulated can't be: give shares of 1 at most"
        )
    if rendered and not recipe.rendered:
        raise ValueError(f"{rendered:g} of the windows can't be rendered without a store: give --rendered")
    if simulated and recipe.simulator is None:
        raise ValueError(f"{simulated:g} of the windows can't be simulated without a simulator: give --simulator")
    share = round(rendered * synthesis.batch)
    return share, round((rendered + simulated) * synthesis.batch) - share


def published_losses(
    made: GeneratorOutput, batch: Example, body: Body, weights: LossWeights, group: ProcessGroup
) -> dict[str, Float[Tensor, ""]]:
    """The paper's losses of windows of keypoints, by the 49 joints of both bodies about their pelvises.

    The detected keypoints are what the set knows in 2D, of the places that the detector marks on the body; joints,
    rotations and shapes are known of labelled windows.
    """
    frames = batch.labelled[:, None].expand(made.betas.shape[:2])
    betas = batch.betas[:, None].expand_as(made.betas)
    seen = convert_joints(batch.evidence.keypoints[..., : len(COCO), :], COCO, SPIN49)
    (mine, found), (root, true) = (
        joints_and_keypoints(body, *each, "spin49") for each in ((made.rotmat, made.betas), (batch.rotmat, betas))
    )
    found, true = found - mine[..., :1, :], true - root[..., :1, :]
    _, marked = joints_and_keypoints(body, made.rotmat, made.betas, "detected17")
    marked = convert_joints(marked - mine[..., :1, :], COCO, SPIN49)
    known = all_reduce_mean(dict.fromkeys(("points", "theta"), float(frames.sum())), group)
    truth = Annotation(seen, true, batch.rotmat, betas, frames, frames)
    return feature_losses(PredictedClips(made, found, project_in_crop(marked, made.pred_cam)), truth, weights, known)


def simulated_pool(
    recipe: Recipe, motions: Motions, weights: Float[Tensor, "clip"], body: Body
) -> Callable[[], RenderedWindows | None]:
    """Gives the windows that a recipe's simulator answers for, if there are any; they are made when first asked for."""
    if not recipe.synthesis.simulated or recipe.simulator is None:
        return lambda: None
    simulator, seed = load_simulator(recipe.simulator, recipe.set_aside), seeded_generator(recipe.seed, 0, SIMULATED)
    return cache(lambda: simulated_windows(simulator, motions, weights, body, recipe.synthesis.pool, seed))


def detector_files(recipe: Recipe) -> dict[str, Path]:
    """What the detector's answers are read from: stores, and the simulator where it is asked; by names in the run."""
    simulator = recipe.simulator if recipe.synthesis.simulated else None
    found = {} if simulator is None else {"simulator": assets.weights_path(simulator)}
    return rendered_files(recipe.rendered) | found


def rendered_files(stores: Sequence[str]) -> dict[str, Path]:
    """Every file of these stores, by its name in the run."""
    return {
        f"rendered {place} {path.name}": path for place, store in enumerate(stores) for path in store_files(Path(store))
    }


def body_size(body: Body, betas: Float[Tensor, "*b 10"]) -> Float[Tensor, "*b"]:
    """Length of all bones of a body, metres."""
    rest = rest_joints(body, betas)
    return (rest[..., 1:, :] - rest[..., SMPL_PARENTS[1:], :]).norm(dim=-1).sum(-1)


def validate_keypoints(
    answer: Predict, recipe: Recipe, body: Body, held_out: Motions, rendered: RenderedWindows | None = None,
    by_rule: Motions | None = None,
) -> dict[str, float]:  # fmt: skip
    """Errors on held-out subjects, always the same windows: detections imitated ("noisy") and true ("clean").

    With rendered windows also the shipped detector's ("detected"); with motion by rule that of imitated detections
    ("procedural").
    """
    weights = clip_weights(held_out)
    config = replace(recipe.synthesis, batch=128, fastest=1.0, exact=(0.0, 0.0), ends=0.0, poses=CAPTURED_POSES)
    batches = {
        name: synthesise(held_out, weights, body, config, seeded_generator(12345, 0), noisy)
        for name, noisy in (("noisy", True), ("clean", False))
    }
    if rendered is not None:
        batches["detected"] = rendered_example(rendered, body, config, seeded_generator(12345, 0), plain=True)
    if by_rule is not None:
        batches["procedural"] = synthesise(by_rule, clip_weights(by_rule), body, config, seeded_generator(12345, 0))
    results = {}
    for name, batch in batches.items():
        theta = answer(batch.evidence)
        points = example_points(body, theta.rotmat.cpu(), theta.betas.cpu())
        predicted, truth = points[..., : len(SMPL), :], batch.points[..., : len(SMPL), :]
        bent, wanted = flexion(predicted)[..., :2], flexion(truth)[..., :2]
        size = body_size(body, theta.betas.cpu()) / body_size(body, batch.betas)[:, None] - 1
        results |= {
            f"{name}_pa_mpjpe_mm": float(pa_mpjpe_mm(predicted, truth).mean()),
            f"{name}_mpjpe_mm": float(mpjpe_mm(predicted, truth).mean()),
            f"{name}_acceleration_error_mm": float(acceleration_error_mm(predicted, truth).mean()),
            f"{name}_size_percent": 100 * float(size.mean()),
            f"{name}_straight_knees_deg": float((bent - wanted)[wanted < STRAIGHT].mean().rad2deg()),
            f"{name}_bent_knees_deg": float((bent - wanted)[wanted > BENT].mean().rad2deg()),
        }
    return results
