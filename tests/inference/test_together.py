from dataclasses import replace
from itertools import permutations
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from vibe.arrays import as_tensors
from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.load import load_body
from vibe.body.pose import joints, rest_vertices
from vibe.cameras import default_camera, project
from vibe.inference import together
from vibe.inference.config import EstimatorConfig, Refinement
from vibe.inference.estimate import estimate_track
from vibe.inference.joint_people import said_of
from vibe.inference.predict import predict_track
from vibe.inference.refine import refine_track
from vibe.inference.together import SeenView, check_videos, join_views
from vibe.models.network import load_network
from vibe.records import Clip, Lens, SmplParams, Track, ViewEvidence
from vibe.refine.presets import FITTINGS, SMOOTHING
from vibe.refine.smplify import ENERGIES
from vibe.skeletons import BLAZEPOSE, COCO, mirrored
from vibe.synthetic.clips import STRIDES, truth, walk
from vibe.video.sound import RATE
from vibe.views.camera_poses import PosedCamera
from vibe.world.camera_motion import standing_camera

CONFIG = EstimatorConfig(fitting="open")
HOW = Refinement(SMOOTHING["light"], FITTINGS["open"], ENERGIES)
STARTS, RATES = (0.0, 0.8), (30.0, 25.0)


def turned(yaw_deg):
    """R_cam_world and t_cam_world of a level camera four metres away; the world has y up."""
    yaw = np.radians(yaw_deg)
    turn = torch.tensor([[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]).float()
    return torch.diag(torch.tensor([1.0, -1.0, -1.0])) @ turn.mT, torch.tensor([0.0, 1.0, 4.0])


CAMERAS = turned(0), turned(75)


@pytest.fixture(scope="module")
def models():
    return load_network("open"), load_body()


def moved(body, view, times, sway=0.5):
    times = times + STARTS[view]
    R, t = CAMERAS[view]
    with torch.no_grad():
        rotmat, pelvis = walk(body, torch.zeros(10), times, 0.9 * times + sway * torch.sin(1.7 * times))
    pelvis = pelvis @ R.mT + t
    return SmplParams(torch.cat([(R @ rotmat[:, 0])[:, None], rotmat[:, 1:]], 1), torch.zeros(10), pelvis)


@pytest.fixture(scope="module")
def views(models):
    """A walk before two cameras, as a detector that errs by two pixels sees it."""
    return filmed(*models)


def filmed(network, body, sway=0.5):
    found = []
    for number, fps in enumerate(RATES):
        torch.manual_seed(number)
        camera = default_camera(480, 640)
        times = torch.arange(round(4 * fps), dtype=torch.float64) / fps
        with torch.no_grad():
            motion = truth(body, moved(body, number, times, sway), camera, times)
        keypoints_px = torch.from_numpy(motion.keypoints_px).clone()
        keypoints_px[..., :2] += 2 * torch.randn(keypoints_px[..., :2].shape)
        box_px = torch.from_numpy(motion.box_px)
        track = track_of(torch.arange(len(times)), box_px, keypoints_px)
        clip = Clip(Path(f"view{number}.mp4"), fps, 480, 640, times, 0)
        said = predict_track(track, times, camera, network, body)
        found.append(SeenView(clip.path, clip, Lens(camera), [track], [said], standing_camera(len(times))))
    return found


def track_of(frames, box_px, keypoints_px):
    return Track(frames, box_px, keypoints_px, torch.zeros(len(frames), len(BLAZEPOSE), 8))


def error_mm(motion, body, view=0):
    true = moved(body, view, torch.from_numpy(motion.times))
    with torch.no_grad():
        places = joints(body, true.rotmat, true.betas).numpy()
    found = motion.joints_cam - motion.joints_cam[:, :1]
    return 1000 * float(np.linalg.norm(found - (places - places[:, :1]), axis=-1).mean())


def test_two_views_together_are_nearer_to_the_truth_than_either_alone(models, views):
    network, body = models
    joined = join_views(views, CONFIG, network, body)
    assert abs(joined.cameras[1].offset_s - (STARTS[0] - STARTS[1])) < 0.01
    (person,) = joined.people
    both = refine_track(person.track, person.prediction, views[0].clip, joined.camera, body, HOW, others=person.others)
    alone = [estimate_track(view.tracks[0], view.clip, view.lens.camera, network, body, [HOW])[0] for view in views]
    assert error_mm(both, body) < 0.9 * min(error_mm(motion, body, view) for view, motion in enumerate(alone))
    surer = both.joints_std[:, 1:].mean((0, 1)) / alone[0].joints_std[:, 1:].mean((0, 1))
    assert surer[1] < 0.9 and surer[1] < surer[0], "the other view sees the depth of the first"


@pytest.mark.parametrize("share", [0.9, 1.1])
def test_a_height_scales_the_cameras_too_so_that_people_stay_in_the_pictures_of_all_views(models, views, share):
    network, body = models
    up = rest_vertices(body, views[0].predictions[0].whole.smpl.betas.mean(0))[:, 1]
    height_m, off_px, joined = share * float(up.max() - up.min()), [], []
    for told in (None, height_m):
        joined.append(join_views(views, replace(CONFIG, height_m=told), network, body))
        (person,), how = joined[-1].people, replace(HOW, height_m=told)
        rest = views[0].clip, joined[-1].camera, body, how
        motion = refine_track(person.track, person.prediction, *rest, others=person.others)
        off_px.append(beside_px(motion, joined[-1].camera, person, body))
    assert max(off_px[1]) < 6 and off_px[1] == pytest.approx(off_px[0], rel=0.2)
    before, after = (each.cameras[1] for each in joined)
    assert np.allclose(after.t_view_ref / before.t_view_ref, share, atol=0.02)
    assert np.array_equal(after.R_view_ref, before.R_view_ref) and after.offset_s == before.offset_s
    (seen,), second = joined[1].people, joined[1].views[1]
    again = said_of(seen.seen[1][0], second, network, body).whole.smpl
    assert torch.allclose(again.pelvis, second.predictions[0].whole.smpl.pelvis, atol=1e-5), "corrections read the same"


def beside_px(motion, camera, person, body):
    """Mean distance of a motion's points from where each view sees them, at the prediction's moments."""
    smpl, found = as_tensors(motion.smpl), []
    with torch.no_grad():
        joints, points = joints_and_keypoints(body, smpl.rotmat, smpl.betas, "detected17")
    placed = points - joints[:, :1] + smpl.pelvis[:, None]
    first = ViewEvidence(person.track.keypoints_px, camera.K_px, torch.eye(3), torch.zeros(3))
    for view in (first, *person.others):
        apart = project(placed @ view.R_view_cam.mT + view.t_view_cam, view.K_px) - view.keypoints_px[..., :2]
        found.append(float(apart.norm(dim=-1)[view.keypoints_px[..., 2] > 0.3].mean()))
    return found


def heard(monkeypatch, offset_s):
    """Both videos have the same noise, which tells this offset."""
    noise, later = np.random.default_rng(0).standard_normal(8 * RATE).astype(np.float32), round(2 * RATE)
    sounds = {"view0.mp4": noise[later:], "view1.mp4": noise[later - round(offset_s * RATE) :]}
    monkeypatch.setattr(together, "read_sound", lambda path: sounds.get(path.name))


def test_sound_tells_which_stride_of_a_steady_walk_it_is(models, monkeypatch):
    network, body = models
    steady = filmed(network, body, sway=0.0)
    (note,) = join_views(steady, CONFIG, network, body).notes
    assert note.startswith("the clock of view1.mp4 is not sure, ")
    for offset_s in (STARTS[0] - STARTS[1], STARTS[0] - STARTS[1] + 1 / STRIDES):
        heard(monkeypatch, offset_s - 0.01)
        joined = join_views(steady, CONFIG, network, body)
        assert abs(joined.cameras[1].offset_s - offset_s) < 0.03 and not joined.notes


def test_sound_that_tells_another_clock_than_clear_motion_is_not_followed(models, views, monkeypatch):
    network, body = models
    heard(monkeypatch, 0.4)
    joined = join_views(views, CONFIG, network, body)
    assert abs(joined.cameras[1].offset_s - (STARTS[0] - STARTS[1])) < 0.01
    assert joined.notes == [
        "the clock of view1.mp4 is told by how people move, -0.80 s; sound tells another one, +0.40 s"
    ]


@pytest.mark.parametrize(("alike", "taken"), [(0.65, 0.0), (0.85, 1.0)])
def test_sound_chooses_among_clocks_that_motion_leaves_open_and_no_others(monkeypatch, alike, taken):
    """The second clock fits 1.54 and 1.18 times as badly as the first."""
    alone = PosedCamera(np.eye(3), 0.0, np.eye(3), np.zeros(3))
    monkeypatch.setattr(together, "time_offsets", lambda *_: [(0.0, 1.0), (1.0, alike)])
    monkeypatch.setattr(together, "pair_views", lambda one, two, offset_s: (np.eye(3), np.zeros(3), [], 0.0))
    monkeypatch.setattr(together, "adjust_cameras", lambda cameras, shared, tried: (cameras, 0.01))
    likely = together._paired([], [], alone, alone, None, 1.0)
    assert [camera.offset_s for _, camera in likely] == [taken]


def test_a_person_of_several_tracks_in_a_view_is_read_by_the_lens_that_is_known_of_it(models, views):
    network, body = models
    second = views[1]
    track, whole = second.tracks[0], second.predictions[0].whole
    parts = [Track(*(each[rows] for each in vars(track).values() if each is not None))
             for rows in (slice(60), slice(60, None))]  # fmt: skip
    times, camera = second.clip.timestamps, second.lens.camera
    said = [predict_track(part, times[part.frames], camera, network, body) for part in parts]
    joined = join_views([views[0], replace(second, tracks=parts, predictions=said)], CONFIG, network, body)
    (person,) = joined.people
    seen = person.seen[1][1].whole
    assert not np.allclose(joined.cameras[1].K_px, camera.K_px.numpy(), rtol=1e-3), "the cameras told another lens"
    assert torch.allclose(seen.smpl.pelvis, whole.smpl.pelvis, atol=1e-4)


def test_frames_that_the_first_view_does_not_see_are_told_by_the_other(models, views):
    network, body = models
    first = views[0]
    track = first.tracks[0]
    part = track_of(track.frames[:95], track.box_px[:95], track.keypoints_px[:95])
    said = predict_track(part, first.clip.timestamps[:95], first.lens.camera, network, body)
    joined = join_views([replace(first, tracks=[part], predictions=[said]), views[1]], CONFIG, network, body)
    (person,) = joined.people
    assert len(person.track.frames) == len(track.frames)
    assert (person.track.keypoints_px[95:, :, 2] == 0).all() and (person.track.box_px[95:, 2:] > 20).all()


def test_who_was_lost_and_found_again_in_one_view_is_one_person(models, views):
    network, body = models
    first, track = views[0], views[0].tracks[0]
    tracks = [track_of(*(part[rows] for part in (track.frames, track.box_px, track.keypoints_px)))
              for rows in (slice(0, 60), slice(70, None))]  # fmt: skip
    said = [predict_track(one, first.clip.timestamps[one.frames], first.lens.camera, network, body) for one in tracks]
    (person,) = join_views([replace(first, tracks=tracks, predictions=said), views[1]], CONFIG, network, body).people
    assert len(person.seen[0][0].frames) == 110 and len(person.track.frames) == 120


def test_a_camera_that_moves_and_a_scene_of_other_people_are_refused_or_left_out(models, views):
    network, body = models
    moving = replace(views[1].moved, still=False)
    with pytest.raises(ValueError, match=r"view1.mp4 can't be .* with others: its camera moves: give videos of"):
        join_views([views[0], replace(views[1], moved=moving)], CONFIG, network, body)
    two = [replace(views[1], moved=moving), replace(views[1], moved=moving, path=Path("third.mp4"))]
    with pytest.raises(ValueError, match=r"^third.mp4 can't be .* with others: its camera moves: give videos of"):
        join_views([views[0], *two], CONFIG, network, body)
    with pytest.raises(ValueError, match="view0.mp4 can't be .* its camera moves"):
        join_views([replace(views[0], moved=moving), views[1]], CONFIG, network, body)
    with pytest.raises(ValueError, match=r"view1.mp4 does not show the people of view0.mp4 at the same time"):
        join_views([views[0], replace(views[1], tracks=[], predictions=[])], CONFIG, network, body)


def test_a_video_with_a_cut_and_the_same_picture_again_are_no_views_and_notes_of_each_are_kept(models, views):
    network, body = models
    noted = [replace(view, notes=("a frame was damaged",)) for view in views]
    assert "view1.mp4: a frame was damaged" in join_views(noted, CONFIG, network, body).notes
    cut = replace(views[1], moved=replace(views[1].moved, begins=(0, 40)))
    with pytest.raises(ValueError, match=r"view1.mp4 can't be .*: it has a cut"):
        join_views([views[0], cut], CONFIG, network, body)
    # a copy of half the size, in which the detector trembles
    track, clip = views[0].tracks[0], replace(views[0].clip, width=240, height=320)
    keypoints_px = track.keypoints_px.clone()
    keypoints_px[..., :2] = 0.5 * keypoints_px[..., :2] + torch.randn(keypoints_px[..., :2].shape)
    track = track_of(track.frames, 0.5 * track.box_px, keypoints_px)
    copy = replace(views[0], path=Path("copy.mp4"), clip=clip, tracks=[track])
    with pytest.raises(ValueError, match="copy.mp4 can't be .*: it shows the same picture as view0.mp4"):
        join_views([views[0], copy], CONFIG, network, body)
    joined = join_views([views[0], copy, views[1]], CONFIG, network, body)
    assert [view.path.name for view in joined.views] == ["view0.mp4", "view1.mp4"]


def test_a_mirrored_video_is_refused(models, views):
    network, body = models
    clip, lens = views[1].clip, views[1].lens
    track = views[1].tracks[0]
    flip = torch.tensor([-1.0, 1.0, 1.0])
    keypoints_px = track.keypoints_px[:, mirrored(COCO)] * flip + torch.tensor([clip.width, 0.0, 0.0])
    box_px = track.box_px * torch.tensor([-1.0, 1.0, 1.0, 1.0]) + torch.tensor([clip.width, 0.0, 0.0, 0.0])
    track = track_of(track.frames, box_px, keypoints_px)
    said = predict_track(track, clip.timestamps, lens.camera, network, body)
    with pytest.raises(ValueError, match="none of them mirrored"):
        join_views([views[0], replace(views[1], tracks=[track], predictions=[said])], CONFIG, network, body)


@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_view_that_does_not_belong_is_left_out_of_three_with_a_note_whichever_place_it_has(models, views, place):
    network, body = models
    track = views[1].tracks[0]
    # the same film backwards, and the people in it stand on their heads
    flip = torch.tensor([1.0, -1.0, 1.0])
    keypoints_px = track.keypoints_px.flip(0) * flip + torch.tensor([0.0, views[1].clip.height, 0.0])
    box_px = track.box_px.flip(0) * torch.tensor([1.0, -1.0, 1.0, 1.0]) + torch.tensor([0.0, 640.0, 0.0, 0.0])
    track = track_of(track.frames, box_px, keypoints_px)
    said = predict_track(track, views[1].clip.timestamps, views[1].lens.camera, network, body)
    stranger = replace(views[1], path=Path("other.mp4"), tracks=[track], predictions=[said])
    joined = join_views([*views[:place], stranger, *views[place:]], CONFIG, network, body)
    assert [view.path.name for view in joined.views] == ["view0.mp4", "view1.mp4"]
    assert joined.notes == ["other.mp4 was left out: does not show the people of view0.mp4 at the same time"]
    assert abs(joined.cameras[1].offset_s - (STARTS[0] - STARTS[1])) < 0.01


ALIKE = {"ab": 0.3, "bc": 0.5, "ac": 0.4, "ax": 0.45, "cx": 0.2}
"""How alike the views of a scene are, and a stranger to it by chance."""


@pytest.mark.parametrize("order", ["".join(order) for order in permutations("abcx")])
def test_the_same_views_join_whatever_their_order_and_the_first_of_them_is_the_reference(monkeypatch, order):
    clocks, fits = {"a": 0.0, "b": 0.5, "c": 1.25, "x": 7.0}, {"ax": 0.02}
    alone = PosedCamera(np.eye(3), 0.0, np.eye(3), np.zeros(3))
    clip = Clip(Path("a"), 30.0, 480, 640, torch.zeros(0, dtype=torch.float64), 0)
    views = [SeenView(Path(name), clip, Lens(default_camera(480, 640)), [], [], None) for name in order]
    people = [[] for _ in order]
    name_of = dict(zip(map(id, people), order, strict=True))

    def alike(one, two, count=1):
        return [(0.0, ALIKE.get("".join(sorted(name_of[id(one)] + name_of[id(two)])), 0.0))]

    def paired(one, two, first, second, known, heard):
        (_, likeness), names = alike(one, two)[0], (name_of[id(one)], name_of[id(two)])
        R = Rotation.from_euler("y", 40 * (ord(names[1]) - ord(names[0])), degrees=True).as_matrix()
        camera = replace(alone, R_view_ref=R, offset_s=clocks[names[1]] - clocks[names[0]])
        return [(fits.get("".join(sorted(names)), 0.005) / likeness, camera)] if likeness else []

    monkeypatch.setattr(together, "_paired", paired)
    monkeypatch.setattr(together, "time_offsets", alike)
    monkeypatch.setattr(together, "agreement", lambda people, _: 0.1 if name_of[id(people[-1])] == "x" else 0.4)
    monkeypatch.setattr(together, "_alone", lambda view: alone)
    monkeypatch.setattr(together, "read_sound", lambda path: None)
    found, notes = together._connected(views, people, [None] * 4)
    first = next(name for name in order if name != "x")
    assert notes == [f"x was left out: does not show the people of {first} at the same time"]
    for name, camera in zip(order, found, strict=True):
        if name == "x":
            assert camera is None
            continue
        turned = Rotation.from_euler("y", 40 * (ord(name) - ord(first)), degrees=True).as_matrix()
        assert np.allclose(camera.R_view_ref, turned) and camera.offset_s == clocks[name] - clocks[first]


def test_places_that_a_calibration_tells_are_kept(models, views, tmp_path):
    network, body = models
    lines = []
    for number, (R, t) in enumerate(CAMERAS):
        turn = cv2.Rodrigues(R.double().numpy())[0].ravel().tolist()
        lines += [f"[cam{number}]", f'name = "view{number}"', "size = [480.0, 640.0]"]
        lines += ["matrix = [[800.0, 0.0, 239.5], [0.0, 800.0, 319.5], [0.0, 0.0, 1.0]]", "distortions = []"]
        lines += [f"rotation = {turn}", f"translation = {t.tolist()}", "fisheye = false"]
    (tmp_path / "cameras.toml").write_text("\n".join(lines))
    config = replace(CONFIG, camera_file=tmp_path / "cameras.toml")
    joined = join_views(views, config, network, body)
    R = (CAMERAS[1][0] @ CAMERAS[0][0].mT).numpy()
    assert np.allclose(joined.cameras[1].R_view_ref, R, atol=1e-5)
    assert np.allclose(joined.cameras[1].t_view_ref, CAMERAS[1][1].numpy() - R @ CAMERAS[0][1].numpy(), atol=1e-5)
    assert abs(joined.cameras[1].offset_s - (STARTS[0] - STARTS[1])) < 0.01


def test_one_video_or_the_same_one_twice_are_no_views(models, tmp_path):
    network, _ = models
    for name in ("one.mp4", "two.mp4"):
        (tmp_path / name).write_bytes(b"the same")
    with pytest.raises(ValueError, match="^1 video can't be estimated together: give 2 to 8"):
        check_videos([tmp_path / "one.mp4"], CONFIG, network)
    with pytest.raises(ValueError, match="are the same video"):
        check_videos([tmp_path / "one.mp4", tmp_path / "two.mp4"], CONFIG, network)
    with pytest.raises(FileNotFoundError):
        check_videos([tmp_path / "one.mp4", tmp_path / "three.mp4"], CONFIG, network)
