"""What stands on the stage: the motion itself, moved as a whole, at the moments and in the axes that were asked for."""

from dataclasses import replace

import performers
import pytest
import roma
import torch

from vibe.body import load_body, rest_joints, vertices
from vibe.motion.scene import AXES, Staging, build_scene

FRAMES = torch.arange(60)


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture(scope="module")
def alone(body):
    return performers.show(body, performers.performer(body, FRAMES))


def test_as_in_the_camera_only_the_axes_are_renamed(body, alone):
    for up, turn in (("y", [1, -1, -1]), ("z", None)):
        staged = build_scene(alone, body, Staging(up=up, root="camera"))
        (actor,) = staged.actors
        joints = alone.people[0].joints_cam
        wanted = (
            joints * torch.tensor(turn) if turn else torch.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)
        )
        assert (actor.joints - wanted).abs().max() < 1e-5
        assert staged.fps == performers.FPS and actor.first == 0 and not staged.t_stage_cam.any()


@pytest.mark.parametrize(
    "staging",
    [Staging(), Staging("z", "x", ground=True), Staging("y", "-z", "camera", True), Staging("z", root="in-place")],
    ids=["plain", "z up", "ground", "in place"],
)
def test_rotations_and_place_give_the_joints_and_the_whole_is_moved_rigidly(body, alone, staging):
    staged = build_scene(alone, body, staging)
    (actor,) = staged.actors
    surface = vertices(body, actor.rotmat, actor.betas) - actor.rest[0] + actor.joints[:, :1]
    motion = alone.people[0]
    rotvec = torch.cat([motion.global_orient, motion.body_pose], 1).unflatten(1, (24, 3))
    before = vertices(body, roma.rotvec_to_rotmat(rotvec), motion.betas)
    before = before - rest_joints(body, motion.betas)[0] + motion.trans[:, None]
    if staged.t_stage_cam is not None:
        moved = before @ staged.R_stage_cam.mT + staged.t_stage_cam
        assert (surface - moved).abs().max() < 1e-4
    assert torch.det(staged.R_stage_cam) == pytest.approx(1, abs=1e-5)
    height = surface @ torch.tensor(AXES[staging.up])
    if staging.root != "camera" or staging.ground:
        feet = body.weights[:, [7, 8, 10, 11]].sum(1) > 0.5
        assert float(height[:, feet].min()) == pytest.approx(0, abs=0.01)


def test_the_first_person_begins_above_the_origin_and_the_others_keep_their_distance(body):
    people = [performers.performer(body, FRAMES, seed) for seed in (0, 1)]
    one, two = build_scene(performers.show(body, *people), body, Staging()).actors
    assert one.joints[0, 0, [0, 2]].abs().max() < 1e-5
    apart = (people[1].joints_cam - people[0].joints_cam).norm(dim=-1)
    assert ((two.joints - one.joints).norm(dim=-1) - apart).abs().max() < 1e-4


def test_in_place_keeps_everybody_above_the_origin_on_a_ground_of_their_own_and_the_jumps(body):
    one, two = (performers.performer(body, FRAMES, seed) for seed in (0, 1))
    high = replace(two, trans=two.trans - torch.tensor([1.0, 2.0, 0.0]))
    held = build_scene(performers.show(body, one, high), body, Staging(root="in-place")).actors
    for motion, actor in zip((one, two), held, strict=True):
        (free,) = build_scene(performers.show(body, motion), body, Staging()).actors
        assert actor.joints[:, 0, [0, 2]].abs().max() < 1e-5
        assert torch.allclose(actor.joints[:, 0, 1], free.joints[:, 0, 1], atol=1e-5)


@pytest.mark.parametrize(("up", "facing"), [("y", "x"), ("y", "-z"), ("z", "-y"), ("z", "-x")])
def test_the_first_person_looks_along_the_axis_at_first(body, alone, up, facing):
    (actor,) = build_scene(alone, body, Staging(up, facing)).actors
    ahead = actor.rotmat[0, 0, :, 2] * (1 - torch.tensor(AXES[up]))
    assert torch.nn.functional.normalize(ahead, dim=0) @ torch.tensor(AXES[facing]) > 0.9999


def test_the_tilt_of_the_camera_is_taken_out_where_somebody_stands(body):
    given = performers.show(body, performers.standing(body, 30))
    staged = build_scene(given, body, Staging(ground=True))
    (actor,) = staged.actors
    trunk = torch.nn.functional.normalize(actor.joints[0, 12] - actor.joints[0, [7, 8]].mean(0), dim=0)
    assert trunk[1] > 0.99999
    assert "30 frames" in staged.notes[0] and "15." in staged.notes[0]


def test_where_nobody_stands_the_picture_s_up_is_kept_and_a_note_says_so(body):
    bent = performers.standing(body, 30)
    bent.body_pose[:, 9:12] = torch.tensor([1.5, 0.0, 0.0])
    bent.body_pose[:, 12:15] = torch.tensor([1.5, 0.0, 0.0])
    given = performers.show(body, bent)
    staged = build_scene(given, body, Staging(ground=True))
    assert "can't be known" in staged.notes[0]
    assert torch.equal(staged.R_stage_cam, build_scene(given, body, Staging()).R_stage_cam)


def test_frames_in_common_are_the_same_at_twice_the_rate_and_gaps_are_closed(body):
    whole = performers.performer(body, FRAMES)
    kept = torch.tensor([frame for frame in range(60) if not 20 < frame < 24])
    gappy = performers.performer(body, kept)
    (double,) = build_scene(performers.show(body, whole), body, Staging(fps=50.0)).actors
    (plain,) = build_scene(performers.show(body, whole), body, Staging()).actors
    (closed,) = build_scene(performers.show(body, gappy), body, Staging()).actors
    assert len(double.joints) == 119 and len(plain.joints) == len(closed.joints) == 60
    assert (double.joints[::2] - plain.joints).abs().max() < 1e-5
    middle = (plain.joints[1:] + plain.joints[:-1]) / 2
    assert (double.joints[1::2] - middle).abs().max() < 0.01
    assert (closed.joints - closed.joints[:1, :1])[kept].sub(
        (plain.joints - plain.joints[:1, :1])[kept]
    ).abs().max() < 1e-5
    assert closed.confidence[21:24].tolist() == [0, 0, 0] and closed.confidence.sum() == 57


def test_uneven_times_are_brought_onto_an_even_clock(body):
    motion = performers.performer(body, torch.arange(3))
    given = performers.show(body, motion)
    uneven = torch.arange(100, dtype=torch.float64) / 25
    uneven[1] = 0.05
    given = replace(given, clip=replace(given.clip, timestamps=uneven))
    (actor,) = build_scene(given, body, Staging()).actors
    step = motion.trans[1] - motion.trans[0]
    moved = (actor.joints[1, 0] - actor.joints[0, 0]).norm()
    assert len(actor.joints) == 3
    assert float(moved) == pytest.approx(float(step.norm()) * 0.8, abs=1e-4)


def test_trimming_leaves_the_stretch_and_who_comes_later_keeps_their_time(body):
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(30, 60), 1)
    staged = build_scene(performers.show(body, *people), body, Staging(start=0.4, end=2.0))
    assert [(actor.first, len(actor.joints)) for actor in staged.actors] == [(0, 41), (20, 21)]
    assert staged.start == pytest.approx(0.4)
    assert any("person 2 begins 20 frames" in note for note in staged.notes)


@pytest.mark.parametrize(
    ("change", "person", "staging", "words"),
    [
        ("none", 3, Staging(), "no person 3.* 1"),
        ("none", None, Staging(start=50), "nobody is in view from 50 s"),
        ("none", 1, Staging(start=50), "person 1 is not in view from 50 s"),
        ("none", None, Staging(start=2, end=1), "from 2 s to 1 s.*--start"),
        ("none", None, Staging(end=float("nan")), "to nan s.*--start"),
        ("none", None, Staging(fps=0), "--fps"),
        ("none", None, Staging(facing="-y"), "y points up"),
        ("nan", None, Staging(), "1/trans.*not finite"),
        ("times", None, Staging(), "timestamps"),
        ("days", None, Staging(), "4320001 frames at 25 a second.*--start and --end"),
        ("nobody", None, Staging(), "0 people"),
        ("body", None, Staging(), "same body"),
    ],
)
def test_what_can_t_be_done_is_said(body, alone, change, person, staging, words):
    given = alone
    if change == "nan":
        motion = alone.people[0]
        given = replace(alone, people=(replace(motion, trans=motion.trans * float("nan")),))
    if change == "times":
        given = replace(alone, clip=replace(alone.clip, timestamps=alone.clip.timestamps * 0))
    if change == "days":
        late = torch.cat([alone.clip.timestamps[:59], 2 * 86400 + torch.arange(41, dtype=torch.float64)])
        given = replace(alone, clip=replace(alone.clip, timestamps=late))
    if change == "nobody":
        given = replace(alone, people=())
    if change == "body":
        given = replace(alone, body=replace(alone.body, sha256="ab" * 32))
    with pytest.raises(ValueError, match=words):
        build_scene(given, body, staging, person)


def test_a_part_of_a_motion_that_is_too_long_can_be_had(body, alone):
    late = torch.cat([alone.clip.timestamps[:59], 2 * 86400 + torch.arange(41, dtype=torch.float64)])
    given = replace(alone, clip=replace(alone.clip, timestamps=late))
    assert len(build_scene(given, body, Staging(end=1.0)).actors[0].joints) == 26


def test_one_shape_a_frame_gives_the_mean_and_a_note(body, alone):
    motion = alone.people[0]
    betas = motion.betas + torch.linspace(-1, 1, 60)[:, None]
    staged = build_scene(replace(alone, people=(replace(motion, betas=betas),)), body, Staging())
    assert torch.allclose(staged.actors[0].betas, motion.betas, atol=1e-5)
    assert "mean" in staged.notes[0]
