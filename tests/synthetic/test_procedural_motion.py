from dataclasses import replace
from functools import lru_cache

import cv2
import numpy as np
import pytest
import torch

from vibe.body.pose import pose_joints
from vibe.data.motion import clip_weights, draw_windows, find_motion, load_motions
from vibe.models.network import build_network
from vibe.rotations import rotvec_from_rotmat
from vibe.skeletons import SMPL
from vibe.synthetic import procedural_motion
from vibe.synthetic.procedural_motion import (
    FASTEST,
    KINDS,
    ProceduralClip,
    accelerations,
    make_motion,
    procedural_motions,
    with_procedural,
)
from vibe.synthetic.whole_body_ik import SIDES, centre_of_mass, mean_skeleton, soles, two_bones
from vibe.train.distributed import ProcessGroup
from vibe.train.recipes import Recipe
from vibe.train.task_keypoints import keypoints_task

FOOT_HALF_WIDTH = 0.045
STANDING = ("squat", "one leg", "one-leg squat", "unsteady", "knee raises", "split stance", "reaches")


@lru_cache(None)
def clip(kind: str, seed: int = 3) -> ProceduralClip:
    return make_motion(kind, seed, 5.0)


def joints_of(made: ProceduralClip) -> np.ndarray:
    _, joints = pose_joints(mean_skeleton().body, made.rotmat, np.zeros(10))
    return joints - joints[:, :1] + made.pelvis[:, None]


@pytest.mark.parametrize("kind", KINDS)
def test_joints_keep_their_limits(kind: str) -> None:
    made = clip(kind)
    assert np.linalg.det(made.rotmat) == pytest.approx(1, abs=1e-6)
    for side in SIDES:
        knee, ankle, elbow, wrist = (
            np.degrees(rotvec_from_rotmat(made.rotmat[:, SMPL.index(f"{side}_{joint}")]))
            for joint in ("knee", "ankle", "elbow", "wrist")
        )
        assert knee[:, 0].min() > -5 and knee[:, 0].max() < 162 and np.abs(knee[:, 1:]).max() < 1e-3
        assert np.linalg.norm(ankle, axis=-1).max() < 75
        assert np.abs(elbow[:, 1]).max() < 150
        assert np.linalg.norm(wrist, axis=-1).max() < 90
    for name in ("spine1", "spine2", "spine3", "neck", "head"):
        assert np.linalg.norm(rotvec_from_rotmat(made.rotmat[:, SMPL.index(name)]), axis=-1).max() < np.radians(50)


@pytest.mark.parametrize("kind", KINDS)
def test_planted_feet_stay_where_they_are_and_soles_above_the_floor(kind: str) -> None:
    made, skeleton = clip(kind), mean_skeleton()
    feet, toes = soles(skeleton, made.rotmat, made.pelvis), joints_of(made)
    assert feet[..., 1].min() > -0.012
    for side, leg in enumerate(made.plan.legs):
        still = (np.abs(np.diff(leg.ball, axis=0)).max(-1) == 0) & (leg.free[1:] == 0) & (leg.free[:-1] == 0)
        moved = np.linalg.norm(np.diff(toes[:, SMPL.index(f"{SIDES[side]}_foot")], axis=0), axis=-1)
        assert moved[still].max(initial=0) < 0.002


@pytest.mark.parametrize("kind", STANDING)
def test_the_centre_of_mass_stays_over_the_feet_that_stand(kind: str) -> None:
    made = clip(kind)
    feet = soles(mean_skeleton(), made.rotmat, made.pelvis)[..., [0, 2]].astype(np.float32)
    centre = centre_of_mass(joints_of(made))[:, [0, 2]]
    for frame, place in enumerate(centre):
        standing = [side for side, leg in enumerate(made.plan.legs) if leg.free[frame] < 0.01]
        hull = cv2.convexHull(feet[frame, standing].reshape(-1, 2))
        assert cv2.pointPolygonTest(hull, place.tolist(), True) > -FOOT_HALF_WIDTH


@pytest.mark.parametrize("kind", KINDS)
def test_no_joint_is_faster_than_muscles_make_it(kind: str) -> None:
    assert accelerations(clip(kind)).max() < FASTEST


def test_a_walk_of_which_50_plans_are_too_fast_is_made_all_the_same() -> None:
    assert accelerations(make_motion("walk", 6_200_380)).max() < FASTEST


def test_the_same_seed_makes_the_same_motion_and_another_one_another() -> None:
    one, two, three = make_motion("squat", 5, 2.0), make_motion("squat", 5, 2.0), make_motion("squat", 6, 2.0)
    assert np.array_equal(one.rotmat, two.rotmat) and np.array_equal(one.pelvis, two.pelvis)
    assert not np.allclose(one.rotmat, three.rotmat)


def test_squats_are_deep_and_one_leg_carries_bent_knees() -> None:
    seeds = {"squat": (3, 4, 5), "one-leg squat": (3, 4)}
    bends = {
        kind: np.concatenate([
            np.degrees(rotvec_from_rotmat(clip(kind, seed).rotmat[:, SMPL.index("left_knee")])[:, 0])
            for seed in seeds[kind]
        ])
        for kind in seeds
    }  # fmt: skip
    assert bends["squat"].max() > 90
    assert ((bends["one-leg squat"] > 30) & (bends["one-leg squat"] < 70)).mean() > 0.1


def test_two_bones_end_where_they_are_to(seed: int = 0) -> None:
    random = np.random.default_rng(seed)
    upper, lower = np.array([0.02, -0.4, 0.0]), np.array([0.0, -0.42, -0.03])
    reach = random.normal(size=(20, 3))
    reach *= (random.uniform(0.3, 0.8, 20) / np.linalg.norm(reach, axis=-1))[:, None]
    rotmat, bend = two_bones(upper, lower, reach, random.normal(size=(20, 3)))
    turned = np.stack(
        [0 * bend, -0.42 * np.cos(bend) + 0.03 * np.sin(bend), -0.42 * np.sin(bend) - 0.03 * np.cos(bend)], -1
    )
    ends = (rotmat @ (upper + turned)[..., None])[..., 0]
    np.testing.assert_allclose(ends, reach, atol=1e-9)
    assert (bend >= -0.08).all()


def test_a_pool_has_every_kind_and_windows_are_drawn_by_their_share(
    tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(procedural_motion, "SECONDS", 1.0)
    pool = procedural_motions(1, minutes=0.5)
    assert set(pool.subjects) == set(KINDS)
    motions = load_motions([find_motion("tiny.npz")], held_out=False)
    mixed, weights = with_procedural(motions, 0.25, 1, minutes=0.05)
    ours = torch.tensor([subject in KINDS for subject in mixed.subjects])
    assert float(weights.sum()) == pytest.approx(1) and float(weights[ours].sum()) == pytest.approx(0.25)
    quaternions, _ = draw_windows(mixed, weights, 8, 8, 1.0, torch.Generator().manual_seed(0))
    assert quaternions.isfinite().all()
    same, plain = with_procedural(motions, 0.0, 1)
    assert same is motions and torch.equal(plain, clip_weights(motions))
    with pytest.raises(ValueError, match="from 0 to 1"):
        with_procedural(motions, 1.5, 1)


def test_a_training_makes_the_same_batches_when_it_is_taken_up_and_validates_on_motion_by_rule(
    tiny: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vibe.train.task_keypoints.VALIDATION_MINUTES", 0.2)
    monkeypatch.setattr("vibe.train.task_keypoints.POOL_MINUTES", 0.2)
    monkeypatch.setattr(procedural_motion, "SECONDS", 2.0)
    recipe = replace(tiny, synthesis=replace(tiny.synthesis, batch=8, procedural=0.5))
    tasks = [keypoints_task(recipe, ProcessGroup(device=torch.device("cpu"))) for _ in range(2)]
    one, two = (task.batch(torch.Generator().manual_seed(4), 0.5) for task in tasks)
    assert torch.equal(one.rotmat, two.rotmat) and torch.equal(one.evidence.keypoints, two.evidence.keypoints)
    network = build_network(recipe.network).eval()
    with torch.no_grad():
        scores = tasks[0].validate(network)
    assert {"procedural_pa_mpjpe_mm", "procedural_bent_knees_deg"} <= scores.keys()
