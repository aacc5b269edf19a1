import json
from dataclasses import asdict, replace
from functools import partial
from pathlib import Path

import pytest
import roma
import safetensors.torch
import torch
from torch import Tensor

from vibe import cameras
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.data.motion import clip_weights, draw_windows, load_motions
from vibe.inference import config, estimate
from vibe.inference.config import FIDELITY, prior_energy
from vibe.models.priors import KINDS, LearntPrior, MPoser, MPoserConfig, VPoser, VPoserConfig, load_prior, pose_energy
from vibe.records import SmplParams, Weights
from vibe.refine.energies import Energy, FitEvidence, FitPose
from vibe.refine.presets import FITTINGS
from vibe.refine.smplify import ENERGIES, fit
from vibe.train.checkpoints import save_weights
from vibe.train.priors import PRIOR_RECIPES, PriorRecipe

SIZES = {"mposer": MPoserConfig(hidden=16, layers=2), "vposer": VPoserConfig(hidden=16)}
JITTER = 0.1
"""Radians about each axis."""


@pytest.fixture(params=["mposer", "vposer"])
def recipe(request: pytest.FixtureRequest) -> PriorRecipe:
    return replace(PRIOR_RECIPES[request.param], name="small", prior=SIZES[request.param])


@pytest.fixture(params=["mposer", "vposer"])
def shipped(request: pytest.FixtureRequest) -> LearntPrior:
    return load_prior(request.param)


def saved(path: Path, recipe: PriorRecipe, other: PriorRecipe | None = None) -> MPoser | VPoser:
    """A fresh prior in a file; with the recipe of another one, if wanted."""
    model = KINDS[recipe.kind](asdict(recipe.prior)).eval()
    save_weights(path, other or recipe, 7, model)
    return model


def test_a_prior_in_a_file_is_the_same_prior_to_half_precision(recipe: PriorRecipe, tmp_path: Path) -> None:
    model, rotmat = saved(tmp_path / "a.safetensors", recipe), roma.random_rotmat((6, 23))
    loaded = load_prior(tmp_path / "a.safetensors").model
    assert type(loaded) is type(model) and not loaded.training
    assert not any(parameter.requires_grad for parameter in loaded.parameters())
    torch.testing.assert_close(loaded.encode(rotmat).mean, model.encode(rotmat).mean, atol=1e-2, rtol=0)


def test_a_file_of_other_sizes_than_its_recipe_says_is_refused(recipe: PriorRecipe, tmp_path: Path) -> None:
    saved(tmp_path / "a.safetensors", recipe, replace(recipe, prior=replace(recipe.prior, hidden=17)))
    with pytest.raises(ValueError, match="does not fit its own recipe"):
        load_prior(tmp_path / "a.safetensors")


@pytest.mark.parametrize("prior", [None, {"width": 3}, [1, 2]])
def test_a_recipe_without_sizes_is_refused(prior: object, tmp_path: Path) -> None:
    about = {"name": "x", "licence": "free", "recipe": json.dumps({"kind": "mposer", "prior": prior})}
    safetensors.torch.save_file({"x": torch.zeros(1)}, tmp_path / "a.safetensors", about)
    with pytest.raises(ValueError, match="does not fit its own recipe"):
        load_prior(tmp_path / "a.safetensors")


def test_weights_of_another_network_are_refused_with_what_to_do() -> None:
    with pytest.raises(ValueError, match="is no prior.*not mposer or vposer.*vibe train mposer"):
        load_prior("open")


def test_a_prior_that_is_not_here_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no weights at"):
        load_prior(tmp_path / "absent.safetensors")


def test_the_energy_reads_the_body_and_not_where_it_faces() -> None:
    prior = LearntPrior(MPoser(SIZES["mposer"]).eval().requires_grad_(False), Weights("small", "", "free"))
    rotmat = roma.random_rotmat((5, 24))
    turned = torch.cat([roma.random_rotmat((5, 1)), rotmat[:, 1:]], 1)
    expected = pose_energy(prior.model, FIDELITY)(rotmat[:, 1:])
    assert energy_of(prior, rotmat) == energy_of(prior, turned) == expected


def energy_of(prior: LearntPrior, rotmat: Tensor) -> Tensor:
    """Of rotations alone: a prior looks at nothing else."""
    nothing = torch.zeros(len(rotmat), 24, 3)
    pose = FitPose(nothing, SmplParams(rotmat, torch.zeros(10), nothing[:, 0]), nothing, nothing)
    seen = FitEvidence(nothing, torch.eye(3), nothing[:, 0, 0], nothing[:, 0, 0], nothing[:, 0, 0])
    return prior_energy(prior)(pose, seen)


def test_the_pipeline_takes_a_prior_by_name_and_the_mixture_by_default() -> None:
    rotmat = roma.random_rotmat((5, 24))
    nothing = torch.zeros(5, 24, 3)
    pose = FitPose(nothing, SmplParams(rotmat, torch.zeros(10), nothing[:, 0]), nothing, nothing)
    seen = FitEvidence(nothing, torch.eye(3), nothing[:, 0, 0], nothing[:, 0, 0], nothing[:, 0, 0])
    names = config.energies().keys()
    found = [config.energies(name)["pose_prior"](pose, seen) for name in ("mixture", "mposer", "vposer")]
    assert all(config.energies(name).keys() == names for name in ("mposer", "vposer"))
    assert found[1] == energy_of(load_prior("mposer"), rotmat) and found[2] == energy_of(load_prior("vposer"), rotmat)
    assert found[0] == config.energies()["pose_prior"](pose, seen) and len({float(each) for each in found}) == 3


def test_a_prior_that_the_fit_does_not_ask_is_refused() -> None:
    with pytest.raises(ValueError, match="open fit asks no prior.*mposer was given"):
        estimate.estimate("none.mp4", prior="mposer")


def test_the_fit_with_a_learnt_prior_ends_at_likelier_poses_than_without_and_stays_finite(shipped: LearntPrior) -> None:
    frames, camera, body = 20, cameras.default_camera(720, 1280), load_body()
    rotmat = roma.rotvec_to_rotmat(torch.zeros(frames, 24, 3))
    rotmat[:, 0] = torch.diag(torch.tensor([1.0, -1.0, -1.0]))
    rotmat[:, 16:18] = roma.rotvec_to_rotmat(torch.tensor([[0.0, 0.0, -1.1], [0.0, 0.0, 1.1]]))
    joints, points = joints_and_keypoints(body, rotmat, torch.zeros(10))
    trans = torch.tensor([0.0, 0.0, 4.0]).expand(frames, 3)
    pixels = cameras.project(points - joints[:, :1] + trans[:, None], camera.K_px)
    keypoints_px = torch.nn.functional.pad(pixels, (0, 1), value=0.9)
    backwards = torch.zeros(24, 3)
    backwards[4:6, 0], backwards[3, 0], backwards[20:22, 2] = -0.7, -0.5, 0.8
    start = rotmat @ roma.rotvec_to_rotmat(backwards)

    def fitted(prior: Energy) -> Tensor:
        paper, times = FITTINGS["paper"], torch.arange(frames) / 30.0
        points, energies = partial(joints_and_keypoints, body, points=paper.points), {**ENERGIES, "pose_prior": prior}
        begin = SmplParams(start, torch.zeros(10), trans)
        found = fit(begin, keypoints_px, camera.K_px, times, points, paper, energies)
        assert all(each.isfinite().all() for each in vars(found).values())
        return found.rotmat

    with_prior, without = fitted(prior_energy(shipped)), fitted(lambda pose, seen: pose.smpl.pelvis.sum() * 0)
    assert energy_of(shipped, with_prior) < energy_of(shipped, without)
    if isinstance(shipped.model, VPoser):  # MPoser finds the bent start no less likely (docs/diary.md)
        assert energy_of(shipped, with_prior) < energy_of(shipped, start)


@pytest.fixture(scope="module")
def windows(shared: Path) -> Tensor:
    """Body rotations of held-out subjects, a second and a half at a time."""
    motions = load_motions([shared / "data" / "motion" / "open_30fps.npz"], held_out=True)
    seed = torch.Generator().manual_seed(2)
    quaternions, _ = draw_windows(motions, clip_weights(motions), 100, 45, 1.0, seed)
    return roma.unitquat_to_rotmat(quaternions[:, :, 1:])


def share_preferred(prior: LearntPrior, real: Tensor, other: Tensor) -> float:
    """Of the windows, how many cost less as they are."""
    energy = pose_energy(prior.model, FIDELITY)
    return sum(bool(energy(one) < energy(two)) for one, two in zip(real, other, strict=True)) / len(real)


def test_held_out_motion_is_preferred_to_jitter_and_to_joints_in_the_wrong_places(
    shipped: LearntPrior, windows: Tensor
) -> None:
    jittered = windows @ roma.rotvec_to_rotmat(JITTER * torch.randn(windows.shape[:-1]))
    assert share_preferred(shipped, windows, jittered) >= 0.95
    assert share_preferred(shipped, windows, windows[:, :, torch.randperm(23)]) >= 0.95


def test_mposer_prefers_frames_in_their_order_and_vposer_can_not_tell(windows: Tensor) -> None:
    shuffled = windows[:, torch.randperm(windows.shape[1])]
    assert share_preferred(load_prior("mposer"), windows, shuffled) >= 0.65  # 0.73 of 200 windows: results/priors.md
    energy = pose_energy(load_prior("vposer").model, FIDELITY)
    torch.testing.assert_close(energy(windows[0]), energy(shuffled[0]), rtol=1e-4, atol=0)
