from dataclasses import replace

import pytest
import roma
import torch

from vibe import cameras
from vibe.refine.priors import ENERGIES, WEIGHTS
from vibe.refine.smplify import Fitting, fit
from vibe.refine.translation import solve_translation

DEFAULT = Fitting()


def solve(scene, body, fitting=DEFAULT, start=None, **change):
    a = replace(scene, **change)
    return fit(
        scene.start if start is None else start, a.betas, a.trans, a.keypoints_px, a.K_px, a.times, body, fitting
    )


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
    rotmat, _, trans = solve(a, body, start=a.rotmat)
    assert roma.rotmat_geodesic_distance(rotmat, a.rotmat).mean() < 0.03
    assert (trans - a.trans).norm(dim=-1).mean() < 0.05


def test_without_evidence_only_what_is_known_of_bodies_moves_the_network_s_pose_and_little(scene, body):
    a = scene()
    unseen = torch.zeros(60, 17, 3)
    rotmat, _, _ = solve(a, body, keypoints_px=unseen)
    assert roma.rotmat_geodesic_distance(rotmat, a.start).mean() < 0.02
    known = ("straightness", "joint_acceleration")
    rest = Fitting(weights={name: weight for name, weight in WEIGHTS.items() if name not in known})
    rotmat, _, _ = solve(a, body, rest, keypoints_px=unseen)
    assert roma.rotmat_geodesic_distance(rotmat, a.start).max() < 1e-3


def test_an_unseen_arm_stays_as_the_network_had_it(scene, body):
    a = scene()
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[:, [7, 9]] = torch.tensor([float("nan"), float("nan"), 0.0])
    rotmat, _, _ = solve(a, body, keypoints_px=keypoints_px)
    moved = roma.rotmat_geodesic_distance(rotmat, a.start).mean(0)
    assert moved[18] < 0.02
    assert moved[19] > 0.05


def test_the_start_comes_back_where_nothing_is_better(scene, body):
    a = scene(20)
    rotmat, betas, trans = solve(a, body, Fitting(weights={"nearness": 1.0}))
    assert torch.equal(rotmat, a.start) and torch.equal(betas, a.betas) and torch.equal(trans, a.trans)


def test_an_energy_that_is_no_number_leaves_the_start(scene, body):
    a = scene(20)
    energies = ENERGIES | {"broken": lambda pose, seen: pose.trans.sum() * float("nan")}
    broken = Fitting(weights=WEIGHTS | {"broken": 1.0})
    rotmat, _, _ = fit(a.start, a.betas, a.trans, a.keypoints_px, a.K_px, a.times, body, broken, energies)
    assert torch.equal(rotmat, a.start)


def test_keypoints_that_are_no_numbers_count_as_unseen(scene, body):
    a = scene(20)
    blank, nothing = (solve(a, body, keypoints_px=torch.full((20, 17, 3), x)) for x in (0.0, float("nan")))
    assert torch.equal(blank[0], nothing[0])


def test_windows_agree_with_the_whole(scene, body):
    a = scene(100)
    whole = solve(a, body, Fitting(evaluations=80))
    parts = solve(a, body, Fitting(evaluations=80, window=65, overlap=30))
    assert error_px(a, body, *parts) < 1.2 * error_px(a, body, *whole)
    joints = [body(rotmat, betas)[0] for rotmat, betas, _ in (whole, parts)]
    assert (joints[0] - joints[1]).norm(dim=-1).mean() < 0.02


def test_a_window_s_seam_does_not_show(scene, body):
    a = scene(100)
    rotmat, betas, trans = solve(a, body, Fitting(window=65, overlap=30))
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
    energies = ENERGIES | {"low": lambda pose, seen: pose.trans[:, 1].square().sum()}
    down = Fitting(weights=WEIGHTS | {"low": 1e4})
    _, _, trans = fit(a.start, a.betas, a.trans, a.keypoints_px, a.K_px, a.times, body, down, energies)
    assert trans[:, 1].abs().mean() < 0.5 * a.trans[:, 1].abs().mean()


def test_a_weight_without_an_energy_is_an_error(scene, body):
    with pytest.raises(ValueError, match="no energy is called gravity"):
        solve(scene(5), body, Fitting(weights={"gravity": 1.0}))
