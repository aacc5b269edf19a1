"""The task of the paper's recipes: clips of data sets, by the features of their images, and real motion."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import roma
import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.data import windows
from vibe.data.motion import clip_weights, draw_windows, find_motion, load_motions
from vibe.data.store import MANIFEST, Store, open_store, store_files
from vibe.data.windows import Annotation, ClipBatch, Portion, Windows
from vibe.errors import check_distinct
from vibe.evaluate.metrics import acceleration_error_mm, mpjpe_mm, pa_mpjpe_mm, root_centred
from vibe.models.encoders import build_encoder
from vibe.models.generator import VIBE
from vibe.models.regressor import Regressor
from vibe.records import GeneratorOutput
from vibe.train.checkpoints import data_checksum
from vibe.train.distributed import ProcessGroup, all_reduce_mean
from vibe.train.labels import fit_clip_labels
from vibe.train.losses import JOINTS_14, PredictedClips, best_camera, feature_losses, meet
from vibe.train.recipes import PaperRecipe
from vibe.train.state import Predict, Task, input_weights, start_at_mean_pose

Motion = Callable[[int, torch.Generator], Float[Tensor, "real time 24 3 3"]]
"""So many random windows of rotations."""


def real_motion(names: Sequence[str], stores: Mapping[str, Store], frames: int) -> Motion:
    """Draws windows of stores and motion files, each as often as it is long; raises FileNotFoundError, ValueError."""
    check_distinct(names, "the real motion")
    sources = [
        _motion_of_store(stores[name], frames) if name in stores else _motion_of_file(name, stores, frames)
        for name in names
    ]
    sizes = torch.tensor([float(size) for size, _ in sources])

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        chosen = torch.multinomial(sizes, count, replacement=True, generator=seed).bincount(minlength=len(sizes))
        return torch.cat([some(int(n), seed) for (_, some), n in zip(sources, chosen, strict=True) if n])

    return motion


def motion_files(names: Sequence[str], stores: Mapping[str, Store]) -> dict[str, Path]:
    """What real motion is read from: files of motion capture, and every file of stores, by names in the run."""
    files = {name: find_motion(name) for name in names if name not in stores}
    for name in (name for name in names if name in stores):
        files |= {f"{name} {path.name}": path for path in store_files(stores[name].folder)}
    return files


def numpy_stream(seed: torch.Generator) -> np.random.Generator:
    """NumPy's random numbers that follow from torch's."""
    return np.random.default_rng(int(torch.randint(2**62, (), generator=seed)))


def _motion_of_store(store: Store, frames: int) -> tuple[int, Motion]:
    runs = windows.find_runs(store, "train", np.array(store.column("has_theta")))
    starts, poses = windows.tile(runs, frames, 1).starts, store.column("poses")

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        rows = numpy_stream(seed).choice(starts, count)[:, None] + np.arange(frames)
        return roma.rotvec_to_rotmat(torch.from_numpy(poses[rows]).unflatten(-1, (-1, 3)))

    if len(starts) == 0:
        raise ValueError(f"{store.folder} has no {frames} frames of known poses in a row in its split 'train'")
    return len(starts), motion


def _motion_of_file(name: str, stores: Mapping[str, Store], frames: int) -> tuple[int, Motion]:
    try:
        motions = load_motions([find_motion(name)], held_out=False)
    except FileNotFoundError as error:
        raise FileNotFoundError(f"real motion: {name} is none of the stores ({', '.join(stores)}); {error}") from error
    weights = clip_weights(motions)

    def motion(count: int, seed: torch.Generator) -> Float[Tensor, "real time 24 3 3"]:
        return roma.unitquat_to_rotmat(draw_windows(motions, weights, count, frames, 1.0, seed)[0])

    return int(motions.lengths.sum()), motion


VALIDATION_BATCH = 64
"""Windows that are validated at once."""
Held = tuple[Store, Windows, str]
"""Windows of a store that are not in its training split, and the set of the truth's joints."""


def features_task(recipe: PaperRecipe, group: ProcessGroup) -> Task:
    """Data and validation of a paper's recipe; raises FileNotFoundError or ValueError for what its folder lacks."""
    stores = stores_in(Path(recipe.data))
    kinds, held = clip_mixture(recipe, stores), held_out(recipe, stores)
    motion = real_motion(recipe.motion, stores, recipe.frames)
    body = load_body(recipe.body).to(group.device)

    def build() -> VIBE:
        network = VIBE(nn.Identity(), build_encoder(recipe.encoder), Regressor(recipe.regressor))
        start_at_mean_pose(network, motion(256, torch.Generator().manual_seed(recipe.seed)).flatten(0, 1))
        return network

    def terms(made: GeneratorOutput, batch: ClipBatch) -> dict[str, Float[Tensor, ""]]:
        truth = fit_clip_labels(made, batch.truth, body, recipe.labels) if recipe.labels.fit else batch.truth
        return clip_losses(project_output(made, body), truth)

    def shifted_terms(batch: ClipBatch, made: GeneratorOutput, offset: int) -> dict[str, Float[Tensor, ""]]:
        predicted, truth = meet(made, batch.truth, offset)
        points = project_output(predicted, body).points
        camera = best_camera(points, truth.keypoints_2d[..., :2], truth.keypoints_2d[..., 2])
        return clip_losses(project_output(replace(predicted, pred_cam=camera), body), truth)

    def clip_losses(predicted: PredictedClips, truth: Annotation) -> dict[str, Float[Tensor, ""]]:
        masks = {"points": truth.has_points, "theta": truth.has_theta}
        known = all_reduce_mean({name: float(mask.sum()) for name, mask in masks.items()}, group)
        return feature_losses(predicted, truth, recipe.losses, known)

    seen = [*(each.store for _, some in kinds for each in some), *(store for store, _, _ in held)]
    check_one_backbone(seen)
    used = {store.folder.name: store.folder / MANIFEST for store in seen}
    used |= motion_files(recipe.motion, stores)
    return Task(
        build=build,
        batch=lambda seed, _: windows.draw_clips(kinds, numpy_stream(seed)),
        motion=lambda seed: motion(recipe.batch, seed),
        losses=terms,
        shifted_losses=shifted_terms,
        validate=lambda answer: validate_features(answer, held, body, recipe.frames),
        score="pa_mpjpe_mm",
        data=data_checksum(used | input_weights(recipe)),
    )


def stores_in(folder: Path) -> dict[str, Store]:
    """The finished stores of a folder, by name; raises FileNotFoundError if there is none, ValueError for a store."""
    if not folder.is_dir():
        raise FileNotFoundError(
            f"{folder} is {'no folder' if folder.exists() else 'not there'}: give a folder of stores"
        )
    if (folder / MANIFEST).exists():
        raise ValueError(f"{folder} is a store itself: give the folder that it is in")
    found = {path.parent.name: open_store(path.parent) for path in sorted(folder.glob(f"*/{MANIFEST}"))}
    if not found:
        raise FileNotFoundError(
            f"{folder} holds no store of clips: `vibe prepare NAME RAW_DIR -o {folder}/NAME` makes one"
        )
    return found


def clip_mixture(recipe: PaperRecipe, stores: Mapping[str, Store]) -> list[tuple[int, list[Portion]]]:
    """How many clips of a batch have no 3D labels, and how many have; and of which sets.

    Where there are sets of one kind only, all clips are of that kind.
    """
    learnable = (
        name for name, store in stores.items()
        if "features" in store.columns and any(each.split == "train" for each in store.sequences)
    )  # fmt: skip
    wanted: dict[str, float | None] = dict(recipe.sets) or dict.fromkeys(learnable)
    check_distinct((name for name, _ in recipe.sets), "--sets")
    known = all(0 < weight < math.inf for _, weight in recipe.sets) and 0 <= recipe.ratio <= 1
    if not known or min(recipe.batch, recipe.frames) < 1:
        raise ValueError(
            "--sets takes weights above 0, --ratio a share from 0 to 1, --batch and --frames 1 or more: give such"
        )
    _check_known(wanted, stores, recipe)
    if not wanted:
        raise ValueError(
            f"no store in {recipe.data} has a training split with features: `vibe evidence features` adds them"
        )
    plain: list[Portion] = []
    labelled: list[Portion] = []
    for name, weight in wanted.items():
        stores[name].column("features")
        (labelled if windows.is_labelled(stores[name]) else plain).append(
            windows.portion(stores[name], recipe.frames, weight)
        )
    unlabelled = int(recipe.batch * recipe.ratio) if plain and labelled else recipe.batch * bool(plain)
    return [(count, kind) for count, kind in ((unlabelled, plain), (recipe.batch - unlabelled, labelled)) if count]


def _check_known(names: Iterable[str], stores: Mapping[str, Store], recipe: PaperRecipe) -> None:
    if unknown := set(names) - stores.keys():
        raise FileNotFoundError(f"{recipe.data} has no store {', '.join(sorted(unknown))}, only {', '.join(stores)}")


def held_out(recipe: PaperRecipe, stores: Mapping[str, Store]) -> list[Held]:
    """The validation splits that decide; raises ValueError if there is none."""
    check_distinct(recipe.validation, "--validation")
    _check_known(recipe.validation, stores, recipe)
    found = []
    for name in recipe.validation or stores:
        store = stores[name]
        joints = next((each for each in ("common14", "spin49") if f"points.{each}" in store.columns), None)
        if "features" not in store.columns or joints is None:
            continue
        known = np.array(store.column("has_points")) & np.array(store.columns.get("has_features", True))
        tiled = windows.tile(windows.find_runs(store, "validation", known), recipe.frames, tails=True)
        if len(tiled):
            found.append((store, tiled, joints))
    if not found:
        names = ", ".join(recipe.validation or stores)
        raise ValueError(
            f"none of {names} in {recipe.data} has a validation split with features and 3D joints, by which the best "
            "weights are told: prepare such a set, 3dpw for one"
        )
    return found


def check_one_backbone(stores: Sequence[Store]) -> None:
    """Raise ValueError if features of different ResNets would be learnt from together; those a set came with pass."""
    made = {store.folder.name: store.manifest["columns"]["features"].get("recipe", {}) for store in stores}
    if len({recipe["sha256"] for recipe in made.values() if "sha256" in recipe}) > 1:
        told = ", ".join(f"{name} of {recipe.get('weights', 'its own')}" for name, recipe in made.items())
        raise ValueError(f"the features are not of one ResNet ({told}): make them anew, or choose others with --sets")


def project_output(made: GeneratorOutput, body: Body) -> PredictedClips:
    """The generator's answer with the 49 joints and their places in the crop, without vertices."""
    _, points = joints_and_keypoints(body, made.rotmat, made.betas, "spin49")
    return PredictedClips(made, points, cameras.project_in_crop(points, made.pred_cam))


def validate_features(answer: Predict, held: Sequence[Held], body: Body, frames: int) -> dict[str, float]:
    """Errors of the 14 joints about the hips, over all frames of all windows."""
    errors: dict[str, list[Tensor]] = {"pa_mpjpe_mm": [], "mpjpe_mm": [], "acceleration_error_mm": []}
    for store, tiled, joints in held:
        for at in range(0, len(tiled), VALIDATION_BATCH):
            some = slice(at, at + VALIDATION_BATCH)
            chosen = Windows(tiled.starts[some], tiled.lengths[some])
            features, points = (
                torch.from_numpy(windows.gather_held(store.column(name), chosen, frames))
                for name in ("features", f"points.{joints}")
            )
            theta = answer(features.float())
            found = root_centred(joints14(joints_and_keypoints(body, theta.rotmat, theta.betas, joints)[1].cpu()))
            truth = root_centred(joints14(points))
            seen = torch.arange(frames) < torch.from_numpy(chosen.lengths)[:, None]
            errors["pa_mpjpe_mm"].append(pa_mpjpe_mm(found, truth)[seen])
            errors["mpjpe_mm"].append(mpjpe_mm(found, truth)[seen])
            errors["acceleration_error_mm"].append(acceleration_error_mm(found, truth)[seen[:, 2:]])
    return {name: float(torch.cat(each).mean()) for name, each in errors.items()}


def joints14(points: Float[Tensor, "*b joint 3"]) -> Float[Tensor, "*b 14 3"]:
    """The 14 joints that errors are of, out of themselves or the 49."""
    return points if points.shape[-2] == 14 else points[..., JOINTS_14, :]
