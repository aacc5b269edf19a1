import torch

from vibe import skeletons
from vibe.refine.conditioning import FADE, bridge, trust_weights, visible_reach


def seen(frames, *names):
    keypoints_px = torch.zeros(frames, 17, 3)
    keypoints_px[:, skeletons.index(skeletons.COCO, names), 2] = 1.0
    return keypoints_px


def test_a_joint_is_trusted_where_a_keypoint_that_it_moves_is_seen():
    found = trust_weights(seen(3, "left_wrist"))
    trusted = {name for name, share in zip(skeletons.SMPL, found[0].tolist(), strict=True) if share}
    arm = ("spine1", "spine2", "spine3", "left_collar", "left_shoulder", "left_elbow")
    assert trusted == {"pelvis", *arm}


def test_a_point_of_a_hand_or_a_foot_trusts_the_joint_that_turns_it():
    for name, joint in (("left_thumb", "left_wrist"), ("right_heel", "right_ankle"), ("right_toes", "right_foot")):
        points = torch.zeros(1, 27, 3)
        points[:, skeletons.DETECTED27.index(name), 2] = 1.0
        found = dict(zip(skeletons.SMPL, trust_weights(points)[0].tolist(), strict=True))
        assert found[joint] == 1 and found[name.split("_")[0] + "_hand"] == 0


def test_an_unsure_keypoint_is_trusted_in_part():
    keypoints_px = seen(2, "nose")
    keypoints_px[..., 2] *= 0.15
    assert torch.allclose(trust_weights(keypoints_px)[:, 0], torch.tensor(0.5))


def test_what_is_trusted_is_left_as_it_is():
    change = torch.randn(30, 2, 3)
    assert torch.equal(bridge(change, torch.ones(30, 2), torch.arange(30) / 30), change)


def test_a_change_fades_over_half_a_second_whatever_the_frame_rate():
    for rate in (24.0, 60.0):
        times = torch.arange(int(3 * rate)) / rate
        change = torch.where(times <= 1.0, 1.0, torch.nan)[:, None, None].nan_to_num(100.0)
        share = (times <= 1.0).float()[:, None]
        for found in (bridge(change, share, times)[:, 0, 0], visible_reach(share, times)[:, 0]):
            assert (found[times <= 1.0] == 1).all()
            assert (found[times > 1.0 + FADE] == 0).all()
            assert found.diff().max() < 1e-5 and found.diff().abs().max() < 4 / rate


def test_a_short_gap_is_bridged_from_one_side_to_the_other():
    times = torch.arange(20) / 30
    share = torch.ones(20, 1)
    share[8:12] = 0
    change = (times > 0.3).float()[:, None, None]
    found = bridge(change, share, times)[:, 0, 0]
    assert (found[8:12] > 0).all() and (found[8:12] < 1).all()
    assert (found[7:13].diff() > 0).all()
