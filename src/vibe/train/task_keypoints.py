"""The task of the open recipes: free motion capture, seen by imitated cameras and a detector, imitated or shipped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import roma
import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import rest_joints
from vibe.body.record import Body
from vibe.cameras import project_in_crop
from vibe.data.motion import HELD_OUT, Motions, clip_weights, draw_windows, find_motion, load_motions
from vibe.data.windows import Annotation
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm
from vibe.models.generator import VIBE
from vibe.models.network import build_network
from vibe.records import GeneratorOutput
from vibe.skeletons import COCO, SMPL, SMPL_PARENTS, SPIN49, convert_joints
from vibe.synthetic.examples import Example, example_points, join_examples, synthesise
from vibe.synthetic.poses import CAPTURED_POSES
from vibe.synthetic.procedural_motion import POOL_MINUTES, procedural_motions, with_procedural
from vibe.synthetic.rendered_evidence import RenderedWindows, load_rendered, rendered_example
from vibe.train.checkpoints import data_checksum
from vibe.train.distributed import ProcessGroup, all_reduce_mean
from vibe.train.labels import fit_labels
from vibe.train.losses_features import LossWeights, PredictedClips, feature_losses
from vibe.train.losses_keypoints import flexion, keypoint_losses
from vibe.train.recipes import Recipe
from vibe.train.state import Predict, Task, input_weights, start_at_mean_pose
from vibe.train.trainer import seeded_generator

STRAIGHT, BENT = math.radians(10), math.radians(30)
"""Flexion below which a knee counts as straight, and above which as bent."""
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
    share = round(synthesis.rendered * synthesis.batch)
    if not (0 <= share <= synthesis.batch) or (share and not recipe.rendered):
        raise ValueError(f"{synthesis.rendered:g} of the windows can't be rendered: give --rendered, and 1 at most")
    taught, validating = (
        load_rendered(recipe.rendered, split, recipe.set_aside, synthesis.frames, body) if recipe.rendered else None
        for split in ("train", "validation")
    )

    def build() -> VIBE:
        network = build_network(recipe.network)
        start_at_mean_pose(network, roma.unitquat_to_rotmat(motions.quaternions[::10]))
        return network

    def batch(seed: torch.Generator, done: float) -> Example:
        imitated, parts = replace(synthesis, batch=synthesis.batch - share), []
        if imitated.batch:
            parts.append(synthesise(mixed, shares, body, imitated, seed, done=done))
        if taught is not None and share:
            parts.append(rendered_example(taught, body, replace(synthesis, batch=share), seed))
        return join_examples(*parts) if len(parts) > 1 else parts[0]

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
        score="detected_pa_mpjpe_mm" if share == synthesis.batch else "noisy_pa_mpjpe_mm",
        data=data_checksum({path.name: path for path in paths} | input_weights(recipe) | store_files(recipe.rendered)),
    )


def published_losses(
    made: GeneratorOutput, batch: Example, body: Body, weights: LossWeights, group: ProcessGroup
) -> dict[str, Float[Tensor, ""]]:
    """The paper's losses of windows of keypoints, by the 49 joints of both bodies about their pelvises.

    The detected keypoints are what the set knows in 2D; joints, rotations and shapes are known of labelled windows.
    """
    frames = batch.labelled[:, None].expand(made.betas.shape[:2])
    betas = batch.betas[:, None].expand_as(made.betas)
    seen = convert_joints(batch.evidence.keypoints[..., : len(COCO), :], COCO, SPIN49)
    (mine, found), (root, true) = (
        joints_and_keypoints(body, *each, "spin49") for each in ((made.rotmat, made.betas), (batch.rotmat, betas))
    )
    found, true = found - mine[..., :1, :], true - root[..., :1, :]
    known = all_reduce_mean(dict.fromkeys(("points", "theta"), float(frames.sum())), group)
    truth = Annotation(seen, true, batch.rotmat, betas, frames, frames)
    return feature_losses(PredictedClips(made, found, project_in_crop(found, made.pred_cam)), truth, weights, known)


def store_files(stores: Sequence[str]) -> dict[str, Path]:
    """Every column of these stores, by its name in the run."""
    columns = {place: sorted(Path(store).glob("*.npy")) for place, store in enumerate(stores)}
    return {f"rendered {place} {path.name}": path for place, paths in columns.items() for path in paths}


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
