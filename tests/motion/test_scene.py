"""What stands on the scene: the motion itself, moved as a whole, at the moments and in the axes that were asked for."""

import re
from dataclasses import replace

import numpy as np
import performers
import pytest
import torch

from vibe.body import load_body
from vibe.body.placed import vertices_cam
from vibe.motion.scene import AXES, SceneOptions, build_scene
from vibe.rotations import unit

FRAMES = torch.arange(60)


@pytest.fixture(scope="module")
def body():
    return load_body(detail="low")


@pytest.fixture(scope="module")
def alone(body):
    return performers.show(body, performers.performer(body, FRAMES))


def test_as_in_the_camera_only_the_axes_are_renamed(body, alone):
    for up, turn in (("y", [1, -1, -1]), ("z", None)):
        scene = build_scene(alone, body, SceneOptions(up=up, root="camera"))
        (character,) = scene.characters
        joints = alone.people[0].joints_cam
        wanted = joints * turn if turn else np.stack([joints[..., 0], joints[..., 2], -joints[..., 1]], -1)
        assert np.abs(character.joints - wanted).max() < 1e-5
        assert scene.fps == performers.FPS and character.first == 0
        assert scene.t_scene_cam is not None and not scene.t_scene_cam.any()


@pytest.mark.parametrize(
    "options",
    [
        SceneOptions(),
        SceneOptions("z", "x", ground=True),
        SceneOptions("y", "-z", "camera", True),
        SceneOptions("z", root="in-place"),
    ],
    ids=["plain", "z up", "ground", "in place"],
)
def test_rotations_and_place_give_the_joints_and_the_whole_is_moved_rigidly(body, alone, options):
    scene = build_scene(alone, body, options)
    (character,) = scene.characters
    surface, before = (vertices_cam(each.smpl, body) for each in (character, alone.people[0]))
    if scene.t_scene_cam is not None:
        moved = before @ scene.R_scene_cam.mT + scene.t_scene_cam[:, None]
        assert not scene.camera_moves and scene.R_scene_cam.shape == (60, 3, 3)
        assert np.abs(surface - moved).max() < 1e-4
    assert np.linalg.det(scene.R_scene_cam) == pytest.approx(np.ones(60), abs=1e-5)
    height = surface @ np.array(AXES[options.up])
    if options.root != "camera" or options.ground:
        feet = body.weights[:, [7, 8, 10, 11]].sum(1) > 0.5
        assert float(height[:, feet].min()) == pytest.approx(0, abs=0.01)


def test_the_first_person_begins_above_the_origin_and_the_others_keep_their_distance(body):
    people = [performers.performer(body, FRAMES, seed) for seed in (0, 1)]
    one, two = build_scene(performers.show(body, *people), body, SceneOptions()).characters
    assert np.abs(one.joints[0, 0, [0, 2]]).max() < 1e-5
    apart = np.linalg.norm(people[1].joints_cam - people[0].joints_cam, axis=-1)
    assert np.abs(np.linalg.norm(two.joints - one.joints, axis=-1) - apart).max() < 1e-4


def test_in_place_keeps_everybody_above_the_origin_on_a_ground_of_their_own_and_the_jumps(body):
    one, two = (performers.performer(body, FRAMES, seed) for seed in (0, 1))
    high = performers.moved(two, np.array([-1.0, -2.0, 0.0]))
    held = build_scene(performers.show(body, one, high), body, SceneOptions(root="in-place")).characters
    for motion, character in zip((one, two), held, strict=True):
        (free,) = build_scene(performers.show(body, motion), body, SceneOptions()).characters
        assert np.abs(character.joints[:, 0, [0, 2]]).max() < 1e-5
        assert np.allclose(character.joints[:, 0, 1], free.joints[:, 0, 1], atol=1e-5)


@pytest.mark.parametrize(("up", "facing"), [("y", "x"), ("y", "-z"), ("z", "-y"), ("z", "-x")])
def test_the_first_person_looks_along_the_axis_at_first(body, alone, up, facing):
    (character,) = build_scene(alone, body, SceneOptions(up, facing)).characters
    ahead = character.smpl.rotmat[0, 0, :, 2] * (1 - np.array(AXES[up]))
    assert unit(ahead) @ np.array(AXES[facing]) > 0.9999


def test_the_tilt_of_the_camera_is_taken_out_where_somebody_stands(body):
    given = performers.show(body, performers.standing(body, 30))
    scene = build_scene(given, body, SceneOptions(ground=True))
    (character,) = scene.characters
    # the body at rest has its mass a little behind the middle of its feet
    trunk = unit(character.joints[0, 12] - character.joints[0, [7, 8]].mean(0))
    assert trunk[1] > np.cos(np.radians(2.5))
    assert re.search(r"30 frames.*: 1[2-7]\.\d degrees", scene.notes[0])


def test_where_nobody_stands_the_picture_s_up_is_kept_and_a_note_says_so(body):
    bent = performers.standing(body, 30)
    pose = bent.body_pose
    pose[:, 9:15] = [1.5, 0.0, 0.0, 1.5, 0.0, 0.0]
    bent = performers.turned(bent, bent.global_orient, pose)
    given = performers.show(body, bent)
    scene = build_scene(given, body, SceneOptions(ground=True))
    assert "can't be known" in scene.notes[0]
    assert np.array_equal(scene.R_scene_cam, build_scene(given, body, SceneOptions()).R_scene_cam)


WORLD_OPTIONS = [
    SceneOptions(),
    SceneOptions("z"),
    SceneOptions("z", "x", fps=50.0),
    SceneOptions("y", "-z", "camera", start=0.4),
    SceneOptions("z", root="in-place"),
]
WORLD_NAMES = ["y up", "z up", "facing x at twice the rate", "from the camera", "in place"]


@pytest.fixture(scope="module")
def moving(body):
    """Somebody who performs on the floor, and one who comes later, before a camera that moves."""
    people = performers.performer(body, FRAMES), performers.performer(body, FRAMES[20:], 1)
    given = performers.on_the_floor(body, performers.show(body, *people))
    return replace(given, world=replace(performers.world_of(given), tilt_error_deg=np.nan))


@pytest.mark.parametrize("options", WORLD_OPTIONS, ids=WORLD_NAMES)
def test_in_the_world_people_and_the_camera_are_moved_rigidly_as_one(body, moving, options):
    scene = build_scene(moving, body, options)
    up, step = np.array(AXES[options.up]), round(scene.fps / performers.FPS)
    lower = moving.world.t_world_cam[10, 2] if options.root == "camera" else 0
    for character, motion in zip(scene.characters, moving.people, strict=True):
        joints, begin = character.joints[::step], (options.start or 0) * performers.FPS
        motion = motion.at(motion.frames >= begin)
        np.testing.assert_allclose(joints @ up, motion.joints_world[..., 2] - lower, atol=1e-4)
        if scene.t_scene_cam is not None:
            frames = character.first + step * np.arange(len(joints))
            seen = (joints - scene.t_scene_cam[frames, None]) @ scene.R_scene_cam[frames]
            np.testing.assert_allclose(seen, motion.joints_cam, atol=1e-4)
    assert (scene.t_scene_cam is None) == (options.root == "in-place") and scene.camera_moves
    assert options.root != "camera" or (scene.t_scene_cam is not None and not scene.t_scene_cam[0].any())


@pytest.mark.parametrize(("up", "axes"), [("z", [0, 1, 2]), ("y", [0, 2, 1])])
def test_a_scene_in_the_world_has_the_world_s_own_origin_and_floor(body, moving, up, axes):
    scene = build_scene(moving, body, SceneOptions(up))
    turned = moving.people[0].joints_world[..., axes] * ([1, 1, 1] if up == "z" else [1, 1, -1])
    np.testing.assert_allclose(scene.characters[0].joints, turned, atol=1e-5)
    feet = body.weights[:, [7, 8, 10, 11]].sum(1) > 0.5
    heights = [vertices_cam(each.smpl, body)[:, feet] @ np.array(AXES[up]) for each in scene.characters]
    assert min(float(each.min()) for each in heights) == pytest.approx(0, abs=0.01)
    told = scene.about(body)
    assert told["space"] == "world" and told["world"] == {"camera": "moving", "gravity": "people", "floor": "feet"}


def test_who_stands_still_in_the_world_does_so_between_the_frames_of_a_moving_camera(body):
    """What is between two frames is between them in the world, not in the camera, which has moved on."""
    given = performers.on_the_floor(body, performers.show(body, performers.standing(body, 60)))
    first = given.people[0].smpl
    world, motion = performers.world_of(given), given.people[0]
    R_world_pelvis = world.R_world_cam[0] @ first.rotmat[0, 0]
    R_cam_world, t_world_cam = world.R_world_cam[:60].mT, world.t_world_cam[:60]
    place = np.array([0, 4, 1], np.float32)
    rotmat = np.concatenate([(R_cam_world @ R_world_pelvis)[:, None], 0 * first.rotmat[:, 1:] + np.eye(3)], 1)
    pelvis = (R_cam_world @ (place - t_world_cam)[..., None])[..., 0]
    still = replace(motion, smpl=replace(first, rotmat=rotmat.astype(np.float32), pelvis=pelvis))
    kept = np.array([frame for frame in range(60) if not 20 < frame < 30])
    given = replace(given, people=(still.at(kept),))
    (character,) = build_scene(given, body, SceneOptions(fps=60.0)).characters
    assert np.ptp(pelvis, axis=0).max() > 0.3 and np.ptp(character.joints, axis=0).max() < 1e-4


def test_in_the_camera_s_space_the_scene_is_that_of_a_motion_without_a_world(body, moving):
    for options in (SceneOptions(), SceneOptions("z", "x", ground=True), SceneOptions(root="in-place")):
        asked = build_scene(moving, body, replace(options, space="camera"))
        plain = build_scene(replace(moving, world=None), body, options)
        assert asked.world is None and asked.notes == plain.notes and not asked.camera_moves
        for one, two in zip(asked.characters, plain.characters, strict=True):
            assert np.array_equal(one.joints, two.joints) and np.array_equal(one.smpl.rotmat, two.smpl.rotmat)
    plain = build_scene(replace(moving, world=None), body, SceneOptions(space="world"))
    assert plain.notes[0] == "the motion has no world: people are as the camera sees them"


def test_what_is_not_known_of_the_world_is_noted(body, moving):
    world = replace(performers.world_of(moving), camera="unknown", gravity="camera", floor="none")
    notes = build_scene(replace(moving, world=world), body, SceneOptions()).notes
    assert [word in " ".join(notes) for word in ("taken for still", "the picture's", "lowest foot's")] == [True] * 3


def test_contacts_and_deviations_are_straight_between_frames_and_none_in_gaps(body):
    motion = performers.standing(body, 60)
    stands = np.repeat(np.arange(60) % 2, 4).reshape(60, 4).astype(np.float32)
    kept = np.array([frame for frame in range(60) if not 20 < frame < 24])
    deviations = np.broadcast_to(0.02 + 0.01 * stands[:, :1, None], (60, 24, 2)).astype(np.float32)
    given = performers.show(body, replace(motion, contacts=stands, joints_std=deviations).at(kept))
    (character,) = build_scene(given, body, SceneOptions(fps=50.0)).characters
    assert character.contacts is not None and character.joints_std is not None
    assert np.allclose(character.joints_std[1:40:2], 0.025) and np.isnan(character.joints_std[41:48]).all()
    assert np.isfinite(character.joints_std[48:]).all()
    assert np.allclose(character.contacts[:41:2], stands[:21]) and np.allclose(character.contacts[1:40:2], 0.5)
    assert not character.contacts[41:48].any()
    (character,) = build_scene(performers.show(body, motion), body, SceneOptions()).characters
    assert character.contacts is None


def test_frames_in_common_are_the_same_at_twice_the_rate_and_gaps_are_closed(body):
    whole = performers.performer(body, FRAMES)
    kept = torch.tensor([frame for frame in range(60) if not 20 < frame < 24])
    gappy = performers.performer(body, kept)
    (double,) = build_scene(performers.show(body, whole), body, SceneOptions(fps=50.0)).characters
    (plain,) = build_scene(performers.show(body, whole), body, SceneOptions()).characters
    (closed,) = build_scene(performers.show(body, gappy), body, SceneOptions()).characters
    assert len(double.joints) == 119 and len(plain.joints) == len(closed.joints) == 60
    assert np.abs(double.joints[::2] - plain.joints).max() < 1e-5
    middle = (plain.joints[1:] + plain.joints[:-1]) / 2
    assert np.abs(double.joints[1::2] - middle).max() < 0.01
    off = (closed.joints - closed.joints[:1, :1]) - (plain.joints - plain.joints[:1, :1])
    assert np.abs(off[kept]).max() < 1e-5
    assert closed.confidence[21:24].tolist() == [0, 0, 0] and closed.confidence.sum() == 57


def test_uneven_times_are_brought_onto_an_even_clock(body):
    motion = performers.performer(body, torch.arange(3))
    given = performers.show(body, motion)
    uneven = np.arange(100) / 25
    uneven[1] = 0.05
    given = replace(given, clip=replace(given.clip, timestamps=uneven))
    (character,) = build_scene(given, body, SceneOptions()).characters
    step = motion.smpl.pelvis[1] - motion.smpl.pelvis[0]
    moved = np.linalg.norm(character.joints[1, 0] - character.joints[0, 0])
    assert len(character.joints) == 3
    assert float(moved) == pytest.approx(float(np.linalg.norm(step)) * 0.8, abs=1e-4)


def test_a_pause_of_the_video_is_filled_in_as_a_gap_is(body):
    given = performers.show(body, performers.performer(body, FRAMES))
    times = given.clip.timestamps + 2.0 * (np.arange(len(given.clip.timestamps)) >= 30)
    paused = replace(given, clip=replace(given.clip, timestamps=times))
    (character,) = build_scene(paused, body, SceneOptions()).characters
    assert len(character.joints) == 60 + 50
    assert character.confidence[[29, 80]].all() and not character.confidence[30:80].any()


def test_trimming_leaves_the_stretch_and_who_comes_later_keeps_their_time(body):
    people = performers.performer(body, torch.arange(60)), performers.performer(body, torch.arange(30, 60), 1)
    scene = build_scene(performers.show(body, *people), body, SceneOptions(start=0.4, end=2.0))
    assert [(character.first, len(character.joints)) for character in scene.characters] == [(0, 41), (20, 21)]
    assert scene.start == pytest.approx(0.4)
    assert any("person 2 begins 20 frames" in note for note in scene.notes)
    later = build_scene(performers.show(body, *people), body, SceneOptions(start=1.16, end=2.0))
    assert [character.first for character in later.characters] == [0, 1]
    assert any("person 2 begins 1 frame (" in note for note in later.notes)


@pytest.mark.parametrize(
    ("change", "person", "options", "words"),
    [
        ("none", 3, SceneOptions(), "no person 3.* 1"),
        ("none", None, SceneOptions(start=50), "nobody is in view from 50 s"),
        ("none", 1, SceneOptions(start=50), "person 1 is not in view from 50 s"),
        ("none", None, SceneOptions(start=2, end=1), "from 2 s to 1 s.*--start"),
        ("none", None, SceneOptions(end=float("nan")), "to nan s.*--start"),
        ("none", None, SceneOptions(fps=0), "--fps"),
        ("none", None, SceneOptions(facing="-y"), "y points up"),
        ("nan", None, SceneOptions(), "1/pelvis.*not finite"),
        ("times", None, SceneOptions(), "timestamps"),
        ("days", None, SceneOptions(), "4320001 frames at 25 a second.*--start and --end"),
        ("nobody", None, SceneOptions(), "0 people"),
        ("body", None, SceneOptions(), "same body"),
    ],
)
def test_what_can_t_be_done_is_said(body, alone, change, person, options, words):
    given = alone
    if change == "nan":
        motion = alone.people[0]
        given = replace(alone, people=(performers.moved(motion, np.full(3, np.nan)),))
    if change == "times":
        given = replace(alone, clip=replace(alone.clip, timestamps=alone.clip.timestamps * 0))
    if change == "days":
        late = np.concatenate([alone.clip.timestamps[:59], 2 * 86400 + np.arange(41)])
        given = replace(alone, clip=replace(alone.clip, timestamps=late))
    if change == "nobody":
        given = replace(alone, people=())
    if change == "body":
        given = replace(alone, body=replace(alone.body, sha256="ab" * 32))
    with pytest.raises(ValueError, match=words):
        build_scene(given, body, options, person)


def test_a_part_of_a_motion_that_is_too_long_can_be_had(body, alone):
    late = np.concatenate([alone.clip.timestamps[:59], 2 * 86400 + np.arange(41)])
    given = replace(alone, clip=replace(alone.clip, timestamps=late))
    assert len(build_scene(given, body, SceneOptions(end=1.0)).characters[0].joints) == 26


def test_one_shape_a_frame_gives_the_mean_and_a_note(body, alone):
    motion = alone.people[0]
    betas = motion.smpl.betas + np.linspace(-1, 1, 60, dtype=np.float32)[:, None]
    scene = build_scene(replace(alone, people=(replace(motion, betas_per_frame=betas),)), body, SceneOptions())
    assert np.allclose(scene.characters[0].smpl.betas, motion.smpl.betas, atol=1e-5)
    assert "mean" in scene.notes[0]
