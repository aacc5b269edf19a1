"""What an avatar is sent: all bones by Unity's names, floats throughout, in packets that fit, and the person's pose."""

import socket
from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vibe.arrays import as_numpy
from vibe.body import load_body
from vibe.body.placed import vertices_cam
from vibe.live.pose import LivePoses
from vibe.live.vmc import BONES, VmcAvatar, unity_place, unity_turn, vmc
from vibe.records import SmplParams
from vibe.skeletons import SMPL, SMPL_PARENTS

osc_packet = pytest.importorskip("pythonosc.osc_packet", reason="python-osc is not installed")
UNITY = """Hips Spine Chest UpperChest Neck Head LeftShoulder LeftUpperArm LeftLowerArm LeftHand RightShoulder
RightUpperArm RightLowerArm RightHand LeftUpperLeg LeftLowerLeg LeftFoot LeftToes RightUpperLeg RightLowerLeg RightFoot
RightToes""".split()
FINGERS = [
    f"{side}{finger}{bone}"
    for side in ("Left", "Right")
    for finger in ("Thumb", "Index", "Middle", "Ring", "Little")
    for bone in ("Proximal", "Intermediate", "Distal")
]


def messages(bundles) -> list[tuple[str, list]]:
    packets = [osc_packet.OscPacket(bundle.dgram) for bundle in bundles]
    return [(each.message.address, each.message.params) for packet in packets for each in packet.messages]


def bones(found) -> dict[str, list]:
    return {values[0]: values[1:] for address, values in found if address == "/VMC/Ext/Bone/Pos"}


@pytest.fixture(scope="module")
def body():
    return load_body()


def test_what_is_sent_is_whole_and_of_the_types_that_receivers_want(moment, body):
    bundles = list(VmcAvatar(body).bundles(moment))
    assert max(len(bundle.dgram) for bundle in bundles) < 1472, "a packet of Ethernet"
    found = messages(bundles)
    assert [address for address, _ in found[:3]] == ["/VMC/Ext/OK", "/VMC/Ext/T", "/VMC/Ext/Root/Pos"]
    assert found[0][1] == [1, 3, 0] and all(type(each) is int for each in found[0][1])
    assert found[1][1] == [pytest.approx(moment.time, rel=1e-6)]
    assert found[2][1] == ["root", 0, 0, 0, 0, 0, 0, 1]
    assert sorted(bones(found)) == sorted(UNITY + FINGERS) and len(found) == 3 + len(UNITY + FINGERS)
    for address, values in found[1:]:
        assert all(type(each) is float for each in values[address.endswith("Pos") :])
    for *_, x, y, z, w in bones(found).values():
        assert x * x + y * y + z * z + w * w == pytest.approx(1, abs=1e-5)


def test_bones_put_together_are_the_person_in_the_mirror_with_a_foot_on_the_floor(moment, body):
    pose = moment.people[0]
    found = bones(messages(VmcAvatar(body).bundles(moment)))
    flip = np.diag([-1.0, 1, 1])
    turns, places = {}, {}
    for joint in SMPL[: len(UNITY)]:  # Unity's rotations are ours in its mirrored axes
        name, parent = BONES[joint], SMPL_PARENTS[SMPL.index(joint)]
        local = flip @ Rotation.from_quat(np.array(found[name][3:]) * [1, -1, -1, 1]).as_matrix() @ flip
        above = SMPL[parent] if parent >= 0 else None
        turns[joint] = local if above is None else turns[above] @ local
        offset = np.array(found[name][:3])
        places[joint] = offset if above is None else places[above] + turns[above] @ offset
    level = pose.joints.numpy() * [1, -1, -1]
    for joint in places:
        mine = places[joint] - places["pelvis"]
        true = (level[SMPL.index(joint)] - level[0]) * [-1, 1, 1]
        assert np.abs(mine - true).max() < 1e-3, joint
    smpl = SmplParams(pose.rotmat[None], pose.betas, pose.trans[None])
    lowest = -vertices_cam(smpl, body)[0, :, 1].max()
    height = -float(pose.trans[1]) - lowest
    assert found["Hips"][1] == pytest.approx(height, abs=0.06) and found["Hips"][0] == found["Hips"][2] == 0


def test_who_faces_the_camera_at_rest_is_an_avatar_that_faces_z_in_its_own_t_pose(moment, body):
    pose = moment.people[0]
    rest = np.tile(np.eye(3, dtype=np.float32), (24, 1, 1))
    rest[0] = np.diag([1.0, -1, -1])
    still = replace(pose, rotmat=pose.rotmat.new_tensor(rest))
    found = bones(messages(VmcAvatar(body).bundles(replace(moment, people=(still,)))))
    assert all(np.allclose(np.abs(found[name][3:]), [0, 0, 0, 1], atol=1e-6) for name in UNITY)
    assert found["LeftUpperArm"][0] < 0 < found["RightUpperArm"][0] and found["Spine"][1] > 0


def test_fingers_hang_relaxed_towards_the_palm_and_a_body_without_any_sends_none(moment, body):
    found = bones(messages(VmcAvatar(body).bundles(moment)))
    for side, sign in (("Left", 1), ("Right", -1)):  # of arms to the sides, palms down
        for finger in ("Index", "Middle", "Ring", "Little"):
            R = Rotation.identity()
            for bone in ("Proximal", "Intermediate", "Distal"):
                R = R * Rotation.from_quat(found[f"{side}{finger}{bone}"][3:])
            tip = R.apply([-sign, 0, 0])
            assert tip[1] < -0.5, (side, finger)
    without = replace(body, hands=None)
    assert sorted(bones(messages(VmcAvatar(without).bundles(moment)))) == sorted(UNITY)


def test_a_step_to_the_left_and_back_moves_the_hips_so(moment, body):
    avatar, pose = VmcAvatar(body), moment.people[0]
    list(avatar.bundles(moment))
    step = pose.trans.new_tensor([0.5, 0.0, 0.25])
    moved = replace(pose, trans=pose.trans + step, joints=pose.joints + step)
    hips = bones(messages(avatar.bundles(replace(moment, people=(moved, *moment.people[1:])))))["Hips"]
    assert hips[0] == pytest.approx(-0.5, abs=1e-5) and hips[2] == pytest.approx(-0.25, abs=1e-5)


def test_the_avatar_stays_with_its_person_and_nobody_leaves_it_as_it_is(moment, body):
    avatar, (first, second) = VmcAvatar(body), moment.people
    before = bones(messages(avatar.bundles(moment)))
    assert bones(messages(avatar.bundles(replace(moment, people=(second, first))))) == before
    assert not bones(messages(avatar.bundles(LivePoses(9, 0.3, ()))))
    assert bones(messages(avatar.bundles(replace(moment, people=(second,))))) != before


def test_turning_axes_to_unity_s_and_back_changes_nothing():
    random = np.random.RandomState(0)
    R, place = Rotation.random(5, random_state=0), random.standard_normal((5, 3))
    flipped = Rotation.from_quat(unity_turn(R.as_quat()))
    for turn, mirrored, point in zip(R, flipped, place, strict=True):
        assert np.allclose(mirrored.apply(unity_place(point)), unity_place(turn.apply(point)))


def test_packets_arrive_where_they_are_sent_to(moment, shot, body):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as receiver:
        receiver.bind(("127.0.0.1", 0))
        receiver.settimeout(60)
        outbox = vmc(f"127.0.0.1:{receiver.getsockname()[1]}", as_numpy(body))
        outbox.put(moment, shot, 80.0)
        got = [osc_packet.OscPacket(receiver.recv(65536)) for _ in range(5)]
        outbox.close()
    names = [each.message.params[0] for packet in got[1:] for each in packet.messages]
    assert sorted(names) == sorted(UNITY + FINGERS)
    with pytest.raises(OSError, match="give --vmc an address"):
        vmc("a" * 70 + ".example:39539", body)
