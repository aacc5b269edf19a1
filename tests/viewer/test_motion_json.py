"""What a page is told of a motion: little, and enough."""

import base64
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import performers
import pytest
import roma
import torch

from vibe.arrays import as_tensors
from vibe.body import load_body, pose_joints, rest_joints
from vibe.body.outfit import dressed, vertex_colours
from vibe.viewer.motion_json import (
    ANGLE_UNIT,
    QUATERNION_UNIT,
    WEIGHT_UNIT,
    motion_json,
    quantised_angles,
    quantised_rotations,
    quantised_weights,
)

FRAMES = 25


@pytest.fixture(scope="module")
def body():
    return load_body()


@pytest.fixture(scope="module")
def result(body):
    late = performers.performer(body, torch.cat([torch.arange(10, 20), torch.arange(40, 55)]), 1)
    return performers.show(body, performers.performer(body, torch.arange(FRAMES)), late)


def unpacked(value):
    """As the page's own `data.js` reads it."""
    if isinstance(value, dict) and "base64" in value:
        return np.frombuffer(base64.b64decode(value["base64"]), value["kind"])
    if isinstance(value, dict):
        return {name: unpacked(part) for name, part in value.items()}
    return [unpacked(part) for part in value] if isinstance(value, list) else value


@pytest.fixture(scope="module")
def told(result, body):
    return unpacked(json.loads(motion_json(result, body)))


def rotmat(person) -> torch.Tensor:
    joints = len(person["rest"]) // 3
    turns = torch.from_numpy(person["rotations"].reshape(-1, joints, 4).astype(np.float32))
    return roma.unitquat_to_rotmat(torch.nn.functional.normalize(turns, dim=-1))


def test_the_page_is_told_signed_angles_to_a_tenth_of_a_degree(result, body, told):
    names = list(told["angle_names"].values())
    for motion, person in zip(result.people, told["people"], strict=True):
        angles = person["angles"].reshape(len(motion), len(names)) / ANGLE_UNIT
        off = angles - motion.joint_angles(body)[names].values
        assert np.abs(off - 360 * np.round(off / 360)).max() < 0.051
    assert quantised_angles(np.array([[-0.26, 7200.4]])).tolist() == [[-3, 4]]


def test_the_page_is_told_how_far_joints_may_be_off_where_that_is_known(result, body, told):
    std = np.random.default_rng(0).random((FRAMES, 24, 2), np.float32)
    sure = replace(result, people=(replace(result.people[0], joints_std=std), result.people[1]))
    one, two = unpacked(json.loads(motion_json(sure, body)))["people"]
    mean = np.sqrt((2 * std[..., 0] ** 2 + std[..., 1] ** 2) / 3)
    assert np.abs(one["std"].reshape(FRAMES, 24) / 1000 - mean).max() < 0.00051
    assert "std" not in two and "std" not in told["people"][0]


def skinned(told, person) -> np.ndarray:
    """The surface as a graphics card makes it from what the page is told, in the camera's frame."""
    rest, parents = person["rest"].reshape(-1, 3), told["parents"]
    local, moved = rotmat(person).numpy(), np.zeros((len(person["frames"]), len(parents), 3, 4), np.float32)
    for joint, parent in enumerate(parents):
        if parent < 0:
            R, place = local[:, 0], person["pelvis"].reshape(-1, 3)
        else:
            R = moved[:, parent, :, :3] @ local[:, joint]
            place = (moved[:, parent] @ np.append(rest[joint] - rest[parent], 1)).astype(np.float32)
        moved[:, joint, :, :3], moved[:, joint, :, 3] = R, place
    surface = person["surface"].reshape(-1, 3) * person["surface_step"] + person["surface_low"]
    joints, weights = told["body"]["joints"].reshape(-1, 4), told["body"]["weights"].reshape(-1, 4) / WEIGHT_UNIT
    points = 0
    for slot in range(4):
        about = moved[:, joints[:, slot]]
        offset = (surface - rest[joints[:, slot]])[None, ..., None]
        points = points + weights[:, slot, None] * ((about[..., :3] @ offset)[..., 0] + about[..., 3])
    return points


def test_rotations_come_back_to_a_hundredth_of_a_degree():
    rotvec = 3 * torch.randn(50, 24, 3)
    whole = quantised_rotations(roma.rotvec_to_rotmat(rotvec.double()).numpy())
    turns = torch.from_numpy(whole.astype(np.float64)) / QUATERNION_UNIT
    back = roma.unitquat_to_rotmat(torch.nn.functional.normalize(turns, dim=-1))
    off = roma.rotmat_geodesic_distance(back, roma.rotvec_to_rotmat(rotvec.double()))
    assert math.degrees(float(off.max())) < 0.01


def test_the_weights_of_every_vertex_sum_to_one_exactly(body):
    weights = torch.distributions.Dirichlet(torch.ones(4)).sample((500,)).sort(1, descending=True).values
    assert (quantised_weights(weights.numpy()).astype(int).sum(1) == WEIGHT_UNIT).all()


def test_the_skin_of_the_page_is_the_body_to_a_tenth_of_a_millimetre_in_the_mean(told, result, body):
    for person, motion in zip(told["people"], result.people, strict=True):
        off_mm = 1000 * np.linalg.norm(skinned(told, person) - motion.vertices(dressed(body)), axis=-1)
        assert off_mm.mean() < 0.2
        assert np.quantile(off_mm, 0.99) < 4


def test_the_skin_of_the_page_has_the_fingers_of_who_has_some_and_relaxed_ones_of_others(body):
    with_fingers, without = (performers.performer(body, torch.arange(3)) for _ in range(2))
    without.smpl.rotmat[:, -2:] = np.eye(3)
    people = performers.fingered(with_fingers), without
    told = unpacked(json.loads(motion_json(performers.show(body, *people), body)))
    for person, motion in zip(told["people"], people, strict=True):
        off_mm = 1000 * np.linalg.norm(skinned(told, person) - motion.vertices(dressed(body)), axis=-1)
        assert off_mm.mean() < 0.2 and np.quantile(off_mm, 0.99) < 4


def test_the_joints_of_the_page_are_the_motions_to_a_tenth_of_a_millimetre(told, result, body):
    for person, motion in zip(told["people"], result.people, strict=True):
        smpl = as_tensors(motion.smpl)
        joints = pose_joints(body, rotmat(person), smpl.betas)[1] - rest_joints(body, smpl.betas)[0]
        off = joints + smpl.pelvis[:, None] - as_tensors(motion.joints_cam)
        assert float(off.norm(dim=-1).max()) < 3e-4


def test_frames_times_and_confidence_are_the_motions(told, result):
    np.testing.assert_array_equal(told["timestamps"], result.clip.timestamps)
    for person, motion in zip(told["people"], result.people, strict=True):
        np.testing.assert_array_equal(person["frames"], motion.frames)
        np.testing.assert_allclose(person["confidence"] / 255, motion.confidence, atol=0.004)
        of_joints = person["keypoint_confidence"].reshape(-1, 17) / 255
        np.testing.assert_allclose(of_joints, motion.keypoints_px[..., 2], atol=0.004)


def test_everybody_wears_a_suit_of_their_own_colour_and_has_a_skin(told, body):
    for number, person in enumerate(told["people"], start=1):
        np.testing.assert_allclose(person["paint"].reshape(-1, 3) / 255, vertex_colours(body, number), atol=0.003)


def test_a_frame_that_was_filled_in_has_no_confidence_and_any_other_has_some(result, body):
    motion = result.people[0]
    levels = np.linspace(0, 0.01, FRAMES, dtype=np.float32)
    told = json.loads(motion_json(replace(result, people=(replace(motion, confidence=levels),)), body))
    seen = unpacked(told)["people"][0]["confidence"] > 0
    np.testing.assert_array_equal(seen, levels > 0)


def test_the_stage_is_level_and_the_lowest_foot_stands_on_it(body):
    upright = performers.show(body, performers.standing(body, FRAMES))
    told = unpacked(json.loads(motion_json(upright, body)))
    surface = skinned(told, told["people"][0]) @ np.reshape(told["R_scene_cam"], (3, 3)).T + told["t_scene_cam"]
    assert abs(surface[..., 1].min()) < 0.01
    head, feet = surface[0][surface[0][:, 1].argmax()], surface[0][surface[0][:, 1].argmin()]
    assert math.hypot(head[0] - feet[0], head[2] - feet[2]) < 0.25


def test_ten_seconds_of_two_people_take_less_than_a_megabyte(body):
    frames = torch.arange(300)
    people = [performers.performer(body, frames, seed) for seed in range(2)]
    clip = replace(performers.show(body).clip, timestamps=frames.numpy() / 30, fps=30.0)
    text = motion_json(replace(performers.show(body, *people), clip=clip), body)
    assert len(text) < 1.1e6


def test_names_and_notes_cannot_end_the_script_that_they_stand_in(result, body):
    hostile = "</script><script>alert(1)</script><!--"
    named = replace(result, notes=(hostile,), clip=replace(result.clip, path=Path("x<script>.mp4")))
    text = motion_json(named, body)
    assert "<" not in text
    assert hostile in json.loads(text)["notes"]
    assert json.loads(text)["video"] == "x<script>.mp4"


def test_nobody_in_view_makes_an_empty_stage(body):
    told = json.loads(motion_json(performers.show(body), body))
    assert told["people"] == []


def test_who_is_in_no_frame_of_a_stretch_keeps_their_number(result, body):
    late = replace(result.people[1], betas_per_frame=result.people[1].smpl.betas[None].repeat(25, 0))
    told = unpacked(json.loads(motion_json(replace(result, people=(result.people[0], late))[0.0:0.3], body)))
    assert [(person["number"], len(person["frames"])) for person in told["people"]] == [(1, 8), (2, 0)]
    nobody = unpacked(json.loads(motion_json(result[3.5:4.0], body)))
    assert [len(person["frames"]) for person in nobody["people"]] == [0, 0]


@pytest.mark.parametrize("field", ["pelvis", "betas", "rotmat"])
def test_numbers_that_are_not_finite_are_refused(result, body, field):
    motion = result.people[0]
    broken = replace(motion, smpl=replace(motion.smpl, **{field: getattr(motion.smpl, field) * math.nan}))
    with pytest.raises(ValueError, match=f"1/{field}.*not finite"):
        motion_json(replace(result, people=(broken,)), body)
