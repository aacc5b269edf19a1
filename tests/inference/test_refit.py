"""The motion of two videos together, put right by hand."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from inference.test_together import error_mm, filmed
from quick_method import quick

import vibe
from vibe import cli, editing
from vibe.body.load import load_body
from vibe.cache import StageCache, content_key
from vibe.edits.file import FORMAT
from vibe.edits.record import Edit, EditedVideo
from vibe.inference import estimate, refine
from vibe.inference.refit import JointRefit, open_refit
from vibe.inference.together import FOLDER, join_views
from vibe.inference.track import STAGE
from vibe.models.network import load_network
from vibe.records import Track
from vibe.skeletons import COCO, mirrored

SWAPPED = {"person": 1, "first": 40, "last": 80}


@pytest.fixture(scope="module")
def method():
    chosen = quick()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(estimate, "TOGETHER", replace(estimate.TOGETHER, evaluations=8))
        yield replace(chosen, network=load_network("open"), body=load_body(detail="low"))


@pytest.fixture(scope="module")
def views(method):
    return filmed(method.network, method.body)


def turned_about(track: Track, times: torch.Tensor) -> Track:
    """The track as of a detector that took left for right meanwhile."""
    keypoints_px, wrong = track.keypoints_px.clone(), (times >= 39.5 / 30) & (times <= 80.5 / 30)
    keypoints_px[wrong] = keypoints_px[wrong][:, mirrored(COCO)]
    return replace(track, keypoints_px=keypoints_px)


@pytest.fixture(scope="module")
def refit(method, views, tmp_path_factory):
    joined = join_views(views, method.config, method.network, method.body)
    stages = StageCache(tmp_path_factory.mktemp("stages"), method.config.keys("0"))
    return JointRefit(method, EditedVideo("0", 120, 480, 640), joined, stages)


def test_without_corrections_it_is_the_same_motion_and_what_was_solved_once_is_kept(refit, monkeypatch):
    joined = refit.joined
    plain = refit.estimator.solve_together(joined, joined.people, StageCache())
    (one,) = refit.solve([])
    assert np.array_equal(one.smpl.rotmat, plain.people[0].smpl.rotmat) and len(plain.views) == 2
    monkeypatch.setattr(refine, "fit", None)
    named = refit.solve([Edit("name", {"person": 1, "name": "Anna"})])
    assert named.people[0].name == "Anna" and named.notes[-1] == "1 correction by hand"
    assert np.array_equal(named.people[0].smpl.rotmat, one.smpl.rotmat)


def test_left_and_right_exchanged_in_one_view_are_put_right_there(refit, views):
    body, offset_s = refit.estimator.body, refit.joined.cameras[1].offset_s
    (person,) = refit.joined.people
    track = turned_about(person.seen[1][0], views[1].clip.timestamps - offset_s)
    seen = {0: person.seen[0], 1: (track, person.seen[1][1])}
    wrong = replace(refit, joined=replace(refit.joined, people=[replace(person, seen=seen)]))
    before, after = (wrong.solve(edits).people[0] for edits in ([], [Edit("swap_sides", SWAPPED | {"view": 2})]))
    assert error_mm(after, body) < 0.9 * error_mm(before, body)
    assert np.allclose(after.joints_cam, refit.solve([]).people[0].joints_cam, atol=1e-4)


def test_a_point_that_is_moved_in_the_second_picture_is_there_alone(refit):
    moved = Edit("move_point", {"person": 1, "frame": 60, "point": "left_wrist", "x_px": 20.0, "y_px": 30.0, "view": 2})
    before, after = refit.points_px([]), refit.points_px([moved])
    place = list(vibe.skeletons.DETECTED27).index("left_wrist")
    assert np.allclose(after[0][1][60, place], [20, 30]) and not np.allclose(before[0][1][60, place], [20, 30])
    assert np.array_equal(after[0][0], before[0][0]) and len(after[0][1]) == len(refit.solve([]).people[0])
    assert not np.array_equal(refit.solve([moved]).people[0].joints_cam[60], refit.solve([]).people[0].joints_cam[60])


def test_people_are_split_trimmed_and_gone_in_all_views_and_feet_stand_where_it_is_said(refit):
    frames = [one.frames.tolist() for one in refit.solve([Edit("split", {"person": 1, "frame": 70})])]
    assert frames == [list(range(70)), list(range(70, 120))]
    assert len(refit.solve([Edit("delete", {"person": 1})])) == 0
    stands = Edit("foot_stands", {"person": 1, "foot": "right", "first": 30, "last": 50})
    (one,) = refit.solve([Edit("trim", {"first": 20, "last": 60}), stands])
    assert one.frames.tolist() == list(range(20, 61)) and one.contacts is not None
    assert (one.contacts[10:31, 2:] == 1).all()
    with pytest.raises(ValueError, match="person 1 is left in less than two frames of the first video"):
        refit.solve([Edit("trim", {"first": 20, "last": 20})])


@pytest.fixture
def motion(method, views, tmp_path, monkeypatch):
    """A motion file of two videos whose stages are kept, for the commands."""
    folder, found = tmp_path / ".vibe" / "stages" / FOLDER, []
    for view in views:
        path = tmp_path / view.path.name
        path.write_bytes(f"no film {view.path.name}".encode())
        found.append(replace(view, path=path, clip=replace(view.clip, path=path)))
        tensors = {"timestamps": view.clip.timestamps}
        tensors |= {f"0/{name}": value for name, value in vars(view.tracks[0]).items() if value is not None}
        clip = {name: getattr(view.clip, name) for name in ("fps", "width", "height", "damaged")}
        stages = StageCache(folder, method.config.keys(content_key(path)))
        stages.put(STAGE, STAGE, tensors, {"clip": clip, "notes": [], "people": 1})
    joined = join_views(found, method.config, method.network, method.body)
    place = tmp_path / "view0+view1" / "motion.npz"
    place.parent.mkdir()
    method.solve_together(joined, joined.people, StageCache()).save(place)
    monkeypatch.setattr(editing, "load_estimator", lambda config: method)
    return place


def test_the_command_puts_the_motion_of_two_videos_right(motion, method, capsys):
    def said(*arguments):
        code = cli.main(["refit", str(motion), *map(str, arguments)])
        return code, capsys.readouterr().err

    assert said()[0] == 2, "a file without edits is written first"
    edits = motion.with_name("edits.json")
    whole = json.loads(edits.read_text())
    assert whole["format"] == FORMAT and whole["edits"] == []
    before = vibe.load(motion)
    whole["edits"] = [{"edit": "swap_sides", **SWAPPED, "view": 2}, {"edit": "name", "person": 1, "name": "Anna"}]
    edits.write_text(json.dumps(whole))
    assert said()[0] == 0
    after = vibe.load(motion.with_name("motion_edited.npz"))
    assert [view.offset_s for view in after.views] == [view.offset_s for view in before.views]
    named = after.people[0]
    assert named.name == "Anna" and not np.allclose(named.joints_cam, before.people[0].joints_cam, atol=1e-3)
    whole["edits"][0]["view"] = 3
    edits.write_text(json.dumps(whole))
    code, text = said()
    assert code != 0 and "edit 1, swap_sides: there is no view 3, the motion is of 2 videos" in text


def test_videos_that_give_other_cameras_with_these_options_are_refused(motion, method):
    result, folder = vibe.load(motion), motion.parents[1] / ".vibe" / "stages" / FOLDER
    first, second = result.views
    paths = [view.clip.path for view in result.views]
    assert isinstance(open_refit(result, paths, method, folder), JointRefit)
    wider = second.camera.K_px * np.float32([[0.9, 1, 1], [1, 0.9, 1], [1, 1, 1]])
    for other in (
        {"offset_s": 0.1},
        {"camera": replace(second.camera, K_px=wider)},
        {"R_view_ref": second.R_view_ref @ np.float32([[0.9998, -0.02, 0], [0.02, 0.9998, 0], [0, 0, 1]])},
        {"t_view_ref": 1.05 * second.t_view_ref},
    ):
        changed = replace(result, views=(first, replace(second, **other)))
        with pytest.raises(ValueError, match=r"have other cameras than the motion: give the options that it was made"):
            open_refit(changed, paths, method, folder)
    with pytest.raises(ValueError, match="the motion is of 2 videos, 1 was given"):
        open_refit(result, paths[:1], method, motion.parent)
    with pytest.raises(FileNotFoundError, match=r"run `vibe estimate view0.mp4 view1.mp4 --together --keep-stages`"):
        open_refit(result, paths, method, motion.parent)
