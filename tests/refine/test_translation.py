import torch

from vibe.refine.translation import solve_translation


def seen(scene, body):
    joints, keypoints = body(scene.rotmat, scene.betas)
    return keypoints - joints[:, :1]


def test_the_true_pose_is_put_where_it_was(scene, body):
    a = scene()
    found = solve_translation(seen(a, body), a.keypoints_px, a.K_px, a.times, a.trans * 1.3 + 0.2)
    assert (found - a.trans).norm(dim=-1).max() < 0.03


def test_wrong_keypoints_hardly_count(scene, body):
    a = scene()
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[:, 9:11, :2] += 300
    keypoints_px[20:25, :, :2] += 500 * torch.randn(5, 17, 2)
    found = solve_translation(seen(a, body), keypoints_px, a.K_px, a.times, a.trans * 1.1)
    assert (found - a.trans).norm(dim=-1).max() < 0.1


def test_frames_without_evidence_are_bridged(scene, body):
    a = scene()
    keypoints_px = a.keypoints_px.clone()
    keypoints_px[20:30] = torch.tensor([float("nan"), float("nan"), 0.0])
    given = a.trans.clone()
    given[20:30] += 1.0
    found = solve_translation(seen(a, body), keypoints_px, a.K_px, a.times, given)
    assert (found - a.trans).norm(dim=-1).max() < 0.1


def test_without_evidence_the_given_translation_stands(scene, body):
    a = scene(5)
    nothing = torch.zeros(5, 17, 3)
    assert torch.equal(solve_translation(seen(a, body), nothing, a.K_px, a.times, a.trans), a.trans)


def test_one_frame_and_two_are_enough(scene, body):
    for frames in (1, 2):
        a = scene(frames)
        found = solve_translation(seen(a, body), a.keypoints_px, a.K_px, a.times, a.trans * 1.05)
        assert (found - a.trans).norm(dim=-1).max() < 0.03


def test_the_answer_does_not_depend_on_the_resolution(scene, body):
    a = scene()
    half = torch.tensor([0.5, 0.5, 1.0])
    whole = solve_translation(seen(a, body), a.keypoints_px, a.K_px, a.times, a.trans)
    small = solve_translation(seen(a, body), a.keypoints_px * half, half[:, None] * a.K_px, a.times, a.trans)
    assert (whole - small).abs().max() < 1e-4
