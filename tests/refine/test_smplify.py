from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import roma
import torch

from vibe import cameras, skeletons
from vibe.records import SmplParams
from vibe.refine.energies import HEIGHT, FitEvidence, FitPose
from vibe.refine.presets import BODY, CAMERA, FITTINGS, OPEN, Fitting, Hedging
from vibe.refine.smplify import ENERGIES, HINGES, bend_factor, fit, unhedged
from vibe.refine.translation import solve_translation
from vibe.rotations import rotmat_from_rotvec, rotvec_from_rotmat
from vibe.skeletons import SMPL

WEIGHTS = OPEN.weights
both_recipes = pytest.mark.parametrize("fitting", FITTINGS.values(), ids=FITTINGS)


def opened(window=300, overlap=60, **change):
    """The open recipe, changed."""
    return Fitting((replace(OPEN, **change),), window, overlap)


def solve(scene, body, fitting=FITTINGS["open"], start=None, **change):
    a = replace(scene, **change)
    start = scene.start if start is None else start
    body = partial(body, points=fitting.points)
    found = fit(SmplParams(start, a.betas, a.trans), a.keypoints_px, a.K_px, a.times, body, fitting, ENERGIES)
    return found.rotmat, found.betas, found.pelvis


def error_px(scene, body, rotmat, betas, trans):
    joints, keypoints = body(rotmat, betas)
    pixels = cameras.project(keypoints - joints[:, :1] + trans[:, None], scene.K_px)
    return float((pixels - scene.keypoints_px[..., :2]).norm(dim=-1).mean())


def error_m(scene, body, rotmat, betas):
    truth, found = body(scene.rotmat, scene.betas)[0], body(rotmat, betas)[0]
    return float((found - truth).norm(dim=-1).mean())


def test_true_keypoints_halve_the_error_in_the_picture_and_mend_it_in_space(scene, body):
    a = scene()
    joints, keypoints = body(a.start, a.betas)
    trans = solve_translation(keypoints - joints[:, :1], a.keypoints_px, a.K_px, a.times, a.trans)
    found = solve(a, body, trans=trans)
    assert error_px(a, body, *found) < 0.5 * error_px(a, body, a.start, a.betas, trans)
    assert error_m(a, body, *found[:2]) < 0.75 * error_m(a, body, a.start, a.betas)


def test_the_truth_is_hardly_moved(scene, body):
    a = scene()
    joints, points = body(a.rotmat, a.betas, "detected17")
    pixels = cameras.project(points - joints[:, :1] + a.trans[:, None], a.K_px)
    keypoints_px = torch.cat([pixels, a.keypoints_px[..., 2:]], -1)
    rotmat, _, trans = solve(a, body, start=a.rotmat, keypoints_px=keypoints_px)
    assert roma.rotmat_geodesic_distance(rotmat, a.rotmat).mean() < 0.03
    assert (trans - a.trans).norm(dim=-1).mean() < 0.05


@both_recipes
def test_a_track_without_evidence_comes_back_as_it_was(scene, body, fitting):
    a = scene()
    rotmat, betas, trans = solve(a, body, fitting, keypoints_px=torch.zeros(60, 17, 3))
    assert torch.equal(rotmat, a.start) and torch.equal(betas, a.betas) and torch.equal(trans, a.trans)


@both_recipes
def test_frames_half_a_second_from_any_evidence_come_back_as_they_were(scene, body, fitting):
    a = scene(60)
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[20:, :, 2] = 0
    rotmat, _, trans = solve(a, body, fitting, keypoints_px=keypoints_px)
    assert torch.equal(rotmat[34:], a.start[34:]) and torch.equal(trans[34:], a.trans[34:])
    moved = roma.rotmat_geodesic_distance(rotmat, a.start)
    assert moved[:20].max() > 0.05
    offset = roma.rotmat_to_rotvec(a.start.mT @ rotmat)
    assert offset.diff(dim=0)[19:].abs().max() < 0.15 * offset.abs().max()


@both_recipes
def test_an_unseen_arm_stays_as_the_network_had_it(scene, body, fitting):
    a = scene()
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[:, [7, 9]] = torch.tensor([float("nan"), float("nan"), 0.0])
    rotmat, _, _ = solve(a, body, fitting, keypoints_px=keypoints_px)
    assert torch.equal(rotmat[:, [16, 18, 20]], a.start[:, [16, 18, 20]])
    assert roma.rotmat_geodesic_distance(rotmat, a.start).mean(0)[19] > 0.05


@both_recipes
def test_the_fit_is_never_worse_in_its_own_objective(scene, body, fitting):
    a = scene(30)
    noisy = torch.cat([a.keypoints_px[..., :2] + 60 * torch.randn(30, 17, 2), torch.rand(30, 17, 1)], -1)
    for keypoints_px in (a.keypoints_px, noisy):
        found = solve(a, body, fitting, keypoints_px=keypoints_px)
        before, after = (
            objective(a, body, keypoints_px, fitting, *each) for each in ((a.start, a.betas, a.trans), found)
        )
        assert after < before or torch.equal(found[0], a.start)


def objective(a, body, keypoints_px, fitting, rotmat, betas, trans):
    """The last stage's energy, written out; nearness and steadiness ask for the offsets."""
    stage = fitting.stages[-1]
    keypoints_px = keypoints_px.clone()
    if not stage.hips:
        keypoints_px[:, [11, 12], 2] = 0
    joints, points = body(rotmat, betas)
    offset = roma.rotmat_to_rotvec(a.start.mT @ rotmat)
    pose = FitPose(offset, SmplParams(rotmat, betas, trans), joints - joints[:, :1], points - joints[:, :1])
    size_px = a.K_px[0, 0] * HEIGHT / a.trans[:, 2]
    seen = FitEvidence(keypoints_px, a.K_px, size_px, a.times, a.trans[:, 2])
    return float(sum(weight * ENERGIES[name](pose, seen) for name, weight in stage.weights.items()))


def with_landmarks(a, body):
    """The true points of hands and feet as the pose model gives them, and its places in space."""
    joints, points = body(a.rotmat, a.betas, "detected27")
    pixels = cameras.project(points - joints[:, :1] + a.trans[:, None], a.K_px)
    landmarks = torch.zeros(len(points), 33, 6)
    landmarks[:, skeletons.index(skeletons.BLAZEPOSE, skeletons.DETECTED27)] = torch.cat(
        [pixels, points - joints[:, :1], torch.ones(*pixels.shape[:2], 1)], -1
    )
    return landmarks


def test_feet_and_hands_point_in_the_picture_where_their_landmarks_say(scene, body):
    a = scene(30)
    turned = a.rotmat.clone()
    for joint, axis in ((7, 1), (8, 0), (20, 2), (21, 1)):
        turned[:, joint] = turned[:, joint] @ roma.rotvec_to_rotmat(0.5 * torch.eye(3)[axis])
    landmarks, points = with_landmarks(a, body), partial(body, points="detected27")
    start = SmplParams(turned, a.betas, a.trans)
    names = skeletons.DETECTED27
    near, far = (skeletons.index(names, [f"{side}_{end}" for side in ("left", "right") for end in ends])
                 for ends in (("heel", "wrist"), ("toes", "index")))  # fmt: skip
    truth = points(a.rotmat, a.betas)[1]
    off = {}
    for name, given in (("without", None), ("with", landmarks)):
        found = points(fit(start, a.keypoints_px, a.K_px, a.times, points, landmarks=given).rotmat, a.betas)[1]
        true, mine = ((each[:, far] - each[:, near])[..., :2] for each in (truth, found))
        off[name] = (true - mine).norm(dim=-1).mean(0)
    assert (off["with"] < off["without"]).all() and off["with"].mean() < 0.5 * off["without"].mean()


def test_landmarks_that_are_not_seen_change_nothing(scene, body):
    a = scene(30)
    landmarks, points = with_landmarks(a, body), partial(body, points="detected27")
    landmarks[..., :5] += 100
    landmarks[..., 5] = 0
    start = SmplParams(a.start, a.betas, a.trans)
    brief = replace(opened(evaluations=5), points="detected27")
    one, other = (
        fit(start, a.keypoints_px, a.K_px, a.times, points, brief, landmarks=given) for given in (None, landmarks)
    )
    assert torch.equal(one.rotmat, other.rotmat) and torch.equal(one.pelvis, other.pelvis)


def test_the_paper_s_fit_halves_the_error_in_the_picture(scene, body):
    a = scene()
    free = Fitting((CAMERA, replace(BODY, weights=BODY.weights | {"pose_prior": 0.0, "angle_prior": 0.0})))
    found = solve(a, body, free)
    assert error_px(a, body, *found) < 0.5 * error_px(a, body, a.start, a.betas, a.trans)


def test_the_camera_stage_turns_and_moves_a_body_towards_its_torso(scene, body):
    a = scene(30)
    start = a.rotmat.clone()
    start[:, 0] = start[:, 0] @ roma.rotvec_to_rotmat(torch.tensor([0.2, -0.3, 0.25]))
    shifted = a.trans + torch.tensor([0.15, -0.1, 0.0])
    rotmat, _, trans = solve(a, body, Fitting((CAMERA,)), start=start, trans=shifted)
    before, after = (roma.rotmat_geodesic_distance(each, a.rotmat)[:, 0].mean() for each in (start, rotmat))
    assert after < 0.5 * before
    assert (trans - a.trans).norm(dim=-1).mean() < 0.25 * (shifted - a.trans).norm(dim=-1).mean()
    assert torch.equal(rotmat[:, 1:], start[:, 1:])


def test_the_camera_stage_does_nothing_without_hips(scene, body):
    a = scene(30)
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[:, 11:13, 2] = 0
    rotmat, _, trans = solve(a, body, Fitting((CAMERA,)), keypoints_px=keypoints_px)
    assert torch.equal(rotmat, a.start) and torch.equal(trans, a.trans)


@both_recipes
@pytest.mark.parametrize("points", ["coco17", "spin49"])
def test_the_49_joints_of_spin_serve_as_well_as_coco_s(scene, body, fitting, points):
    a = scene(30)
    found = solve(a, body, replace(fitting, points=points))
    assert error_px(a, body, *found) < 0.9 * error_px(a, body, a.start, a.betas, a.trans)


def test_the_start_comes_back_where_nothing_is_better(scene, body):
    a = scene(20)
    rotmat, betas, trans = solve(a, body, opened(weights={"nearness": 1.0}))
    assert torch.equal(rotmat, a.start) and torch.equal(betas, a.betas) and torch.equal(trans, a.trans)


def test_an_energy_that_is_no_number_leaves_the_start(scene, body):
    a = scene(20)
    energies = ENERGIES | {"broken": lambda pose, seen: pose.smpl.pelvis.sum() * float("nan")}
    broken = opened(weights=WEIGHTS | {"broken": 1.0})
    start = SmplParams(a.start, a.betas, a.trans)
    assert torch.equal(fit(start, a.keypoints_px, a.K_px, a.times, body, broken, energies).rotmat, a.start)


def test_keypoints_that_are_no_numbers_count_as_unseen(scene, body):
    a = scene(20)
    blank, nothing = (solve(a, body, keypoints_px=torch.full((20, 17, 3), x)) for x in (0.0, float("nan")))
    assert torch.equal(blank[0], nothing[0])


def test_windows_agree_with_the_whole(scene, body):
    a = scene(100)
    whole = solve(a, body, opened(evaluations=80))
    parts = solve(a, body, opened(evaluations=80, window=65, overlap=30))
    assert error_px(a, body, *parts) < 1.2 * error_px(a, body, *whole)
    joints = [body(rotmat, betas)[0] for rotmat, betas, _ in (whole, parts)]
    assert (joints[0] - joints[1]).norm(dim=-1).mean() < 0.02


def test_windows_fitted_at_once_are_those_fitted_one_by_one(scene, body):
    a, recipe = scene(60), opened(evaluations=5, window=20, overlap=8)
    one_by_one = solve(a, body, recipe)
    torch.set_num_threads(3)
    try:
        at_once = solve(a, body, recipe)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(1)
    assert all(torch.equal(*pair) for pair in zip(one_by_one, at_once, strict=True))


def test_a_window_s_seam_does_not_show(scene, body):
    a = scene(100)
    rotmat, betas, trans = solve(a, body, opened(window=65, overlap=30))
    joints = body(rotmat, betas)[0] + trans[:, None]
    truth = body(a.rotmat, a.betas)[0] + a.trans[:, None]
    extra = (joints - truth).diff(n=2, dim=0).norm(dim=-1).mean(-1)
    assert extra.max() < 6 * extra.median()


def test_the_fit_does_not_depend_on_the_resolution(scene, body):
    a = scene(30)
    half = torch.tensor([0.5, 0.5, 1.0])
    whole = solve(a, body)
    small = solve(a, body, keypoints_px=a.keypoints_px * half, K_px=half[:, None] * a.K_px)
    assert roma.rotmat_geodesic_distance(whole[0], small[0]).mean() < 0.02


def test_short_tracks_come_back_as_they_were(scene, body):
    for frames in (1, 2):
        a = scene(frames)
        assert torch.equal(solve(a, body)[0], a.start)


def test_another_energy_can_be_handed_in(scene, body):
    a = scene(30)
    energies = ENERGIES | {"low": lambda pose, seen: pose.smpl.pelvis[:, 1].square().sum()}
    down = opened(weights=WEIGHTS | {"low": 1e4})
    start = SmplParams(a.start, a.betas, a.trans)
    found = fit(start, a.keypoints_px, a.K_px, a.times, body, down, energies)
    assert found.pelvis[:, 1].abs().mean() < 0.5 * a.trans[:, 1].abs().mean()


def test_a_weight_without_an_energy_is_an_error(scene, body):
    with pytest.raises(ValueError, match="no energy is called gravity"):
        solve(scene(5), body, opened(weights={"gravity": 1.0}))


def test_another_pose_prior_can_be_handed_in(scene, body):
    a = scene(20)
    asked = []

    def prior(pose, seen):
        asked.append(len(pose.smpl.rotmat))
        return pose.smpl.rotmat.diagonal(dim1=-2, dim2=-1).sum()

    fit(
        *(SmplParams(a.start, a.betas, a.trans), a.keypoints_px, a.K_px, a.times, partial(body, points="spin49")),
        *(FITTINGS["paper"], ENERGIES | {"pose_prior": prior}),
    )
    assert set(asked) == {20}


def test_a_fit_needs_a_stage_and_windows_longer_than_their_overlap():
    with pytest.raises(ValueError, match="without a stage"):
        Fitting(())
    with pytest.raises(ValueError, match="can't share 60"):
        Fitting((OPEN,), window=50)


def test_the_evidence_handed_in_is_not_changed(scene, body):
    a = scene(20)
    before = a.keypoints_px.clone()
    solve(a, body, FITTINGS["paper"])
    assert torch.equal(a.keypoints_px, before)


def test_bends_keep_their_order_without_a_leap_and_small_ones_shrink_and_large_ones_grow():
    bend = torch.arange(0, 180, 0.05, dtype=torch.float64)
    after = bend * bend_factor(bend, Hedging())
    steps = after.diff()
    assert after[0] == 0 and after[-1] < 180
    assert steps.min() > 0 and steps.max() < 0.15
    assert (after[(bend > 0) & (bend < 24.9)] < bend[(bend > 0) & (bend < 24.9)]).all()
    torch.testing.assert_close(after[(bend >= 25) & (bend <= 40)], bend[(bend >= 25) & (bend <= 40)])
    assert (after[bend > 41] > bend[bend > 41]).all()


def test_knees_and_elbows_alone_are_changed_about_their_own_axes():
    random = torch.Generator().manual_seed(3)
    rotvec = torch.randn(50, 24, 3, generator=random, dtype=torch.float64) * 0.4
    before = rotmat_from_rotvec(rotvec)
    after = unhedged(before, Hedging())
    others = np.setdiff1d(np.arange(24), HINGES)
    assert torch.equal(after[:, others], before[:, others])
    assert sorted(SMPL[joint] for joint in HINGES) == ["left_elbow", "left_knee", "right_elbow", "right_knee"]
    changed = rotvec_from_rotmat(after[:, HINGES])
    torch.testing.assert_close(
        torch.linalg.cross(changed, rotvec[:, HINGES]), torch.zeros_like(changed), atol=1e-6, rtol=0
    )
    assert ((changed * rotvec[:, HINGES]).sum(-1) > 0).all()
    torch.testing.assert_close(unhedged(before, Hedging(straightens=0, bends=0)), before)


def test_a_straight_limb_stays_straight():
    straight = torch.eye(3).expand(2, 24, 3, 3)
    torch.testing.assert_close(unhedged(straight, Hedging()), straight.clone())


def test_the_open_fit_takes_it_back_and_the_papers_does_not():
    assert FITTINGS["open"].hedging == Hedging() and FITTINGS["paper"].hedging is None
