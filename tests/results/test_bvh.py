"""BVH: read by our own reader of others' files and by a published one, the joints are where they were."""

import numpy as np
import performers
import pytest
import torch

from vibe.body import load_body
from vibe.data.sets.bvh import read_bvh
from vibe.results.bvh import UNITS, write_bvh
from vibe.results.staging import Staging, stage
from vibe.skeletons import SMPL


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture(scope="module")
def given(body):
    return performers.show(body, performers.performer(body, torch.arange(60)))


@pytest.mark.parametrize(
    ("staging", "unit"), [(Staging(), "cm"), (Staging("z", "x", ground=True), "m")], ids=["y up cm", "z up m"]
)
def test_joints_read_back_are_ours_to_a_tenth_of_a_millimetre(body, given, staging, unit, tmp_path):
    staged = stage(given, body, staging)
    (actor,) = staged.actors
    write_bvh(tmp_path / "x.bvh", staged, actor, body, unit)
    read = read_bvh(tmp_path / "x.bvh", 1 / UNITS[unit])
    order = [read.names.index(name) for name in SMPL]
    assert read.fps == performers.FPS
    assert (read.places[:, order] - actor.joints).abs().max() < 1e-4
    assert [path.name for path in tmp_path.iterdir()] == ["x.bvh"]


@pytest.mark.parametrize("staging", [Staging(), Staging("z", ground=True)], ids=["y up", "z up"])
def test_a_published_reader_finds_the_joints_too(body, given, staging, tmp_path):
    bvhio = pytest.importorskip("bvhio")
    staged = stage(given, body, staging)
    (actor,) = staged.actors
    write_bvh(tmp_path / "x.bvh", staged, actor, body)
    read = bvhio.readAsHierarchy(str(tmp_path / "x.bvh"))
    joints = {joint.Name: joint for joint, _, _ in read.layout()}
    for frame in (0, 7, 31, 59):
        read.loadPose(frame)
        found = np.array([list(joints[name].PositionWorld) for name in SMPL]) / 100
        assert np.abs(found - actor.joints[frame].numpy()).max() < 1e-3


def test_the_rest_pose_stands_upright_with_arms_out(body, given, tmp_path):
    for up, axis in (("y", 1), ("z", 2)):
        staged = stage(given, body, Staging(up))
        write_bvh(tmp_path / "x.bvh", staged, staged.actors[0], body, "m")
        read = read_bvh(tmp_path / "x.bvh", 1.0)
        place = {name: torch.zeros(3, dtype=torch.float64) for name in read.names}
        for name, parent, offset in zip(read.names, read.parents, read.offsets, strict=True):
            place[name] = offset + (place[read.names[parent]] if parent >= 0 else 0)
        rest = staged.actors[0].rest.double()
        assert float(place["head"][axis] - place["left_foot"][axis]) == pytest.approx(
            float(rest[15, 1] - rest[10, 1]), abs=1e-5
        )
        assert float(place["left_hand"][0]) > 0.5 > -0.5 > float(place["right_hand"][0])


def test_no_channel_jumps_by_half_a_turn(body, given, tmp_path):
    staged = stage(given, body, Staging())
    write_bvh(tmp_path / "x.bvh", staged, staged.actors[0], body)
    text = (tmp_path / "x.bvh").read_text()
    numbers = np.array([line.split() for line in text.split("Frame Time:")[1].splitlines()[1:]], float)
    assert numbers.shape == (60, 75)
    assert np.abs(np.diff(numbers[:, 3:], axis=0)).max() < 180
