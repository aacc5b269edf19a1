"""What a page is told of people in the world, and of the camera in it."""

import base64
import json
from dataclasses import replace
from typing import Any

import numpy as np
import performers
import pytest
import roma
import torch

from vibe.body import Body, load_body
from vibe.motion import Result
from vibe.viewer.motion_json import motion_json


@pytest.fixture(scope="module")
def body() -> Body:
    return load_body(detail="low")


@pytest.fixture(scope="module")
def moving(body) -> Result:
    one, two = performers.performer(body, torch.arange(25)), performers.performer(body, torch.arange(40, 55), 1)
    stands = np.random.default_rng(0).random((25, 4), np.float32)
    return performers.on_the_floor(body, performers.show(body, replace(one, contacts=stands), two))


def told(result: Result, body: Body) -> dict[str, Any]:
    return json.loads(motion_json(result, body))


def array(packed: dict[str, str], *shape: int) -> np.ndarray:
    return np.frombuffer(base64.b64decode(packed["base64"]), packed["kind"]).reshape(shape)


def test_people_and_a_moving_camera_are_in_the_world_whose_y_points_up(moving, body):
    page, world = told(moving, body), performers.world_of(moving)
    assert page["space"] == "world"
    R_scene_world = np.array([[1, 0, 0], [0, 0, 1], [0, -1, 0]])
    R_scene_cam, t_scene_cam = array(page["R_scene_cam"], -1, 3, 3), array(page["t_scene_cam"], -1, 3)
    np.testing.assert_allclose(R_scene_cam, R_scene_world @ world.R_world_cam, atol=1e-6)
    np.testing.assert_allclose(t_scene_cam, world.t_world_cam @ R_scene_world.T, atol=1e-6)
    for person, motion in zip(page["people"], moving, strict=True):
        pelvis = array(person["pelvis"], -1, 3)
        np.testing.assert_allclose(pelvis, motion.pelvis_world @ R_scene_world.T, atol=1e-5)
        turns = torch.from_numpy(array(person["rotations"], -1, 24, 4) / 32767)
        rotmat = roma.unitquat_to_rotmat(torch.nn.functional.normalize(turns, dim=-1)).numpy()
        R_world_pelvis = R_scene_world.T @ rotmat[:, 0]
        R_cam_pelvis = world.R_world_cam[motion.frames].mT @ R_world_pelvis
        np.testing.assert_allclose(R_cam_pelvis, motion.smpl.rotmat[:, 0], atol=1e-3)
    assert any(note.startswith("The world: the camera moves") for note in page["notes"])


def test_contacts_are_told_of_who_has_them(moving, body):
    one, two = told(moving, body)["people"]
    assert moving.people[0].contacts is not None and "contacts" not in two
    np.testing.assert_allclose(array(one["contacts"], -1, 4) / 255, moving.people[0].contacts, atol=0.004)


def test_a_camera_that_stands_still_is_told_once(moving, body):
    still = performers.still_world()
    page = told(performers.filmed(moving, still), body)
    assert page["space"] == "world" and len(page["R_scene_cam"]) == 9 and len(page["t_scene_cam"]) == 3
    bare = told(replace(moving, world=None), body)
    assert bare["space"] == "camera" and len(bare["R_scene_cam"]) == 9
    assert told(replace(moving, people=()), body)["space"] == "world"
