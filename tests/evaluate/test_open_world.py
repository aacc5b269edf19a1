"""Laws of the protocol on rendered videos: the truth has no errors, and errors that are put in are found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch
from world_takes import FRAMES

from vibe.body.load import load_body
from vibe.evaluate.open_world_clips import MANIFEST, VIRTUAL, truth_arrays
from vibe.evaluate.scores import METRICS, WHOLE, Tally, systems
from vibe.evaluate.world_end_to_end import compared_with_truth, matched_people, open_world, read_truth, wanted_of
from vibe.inference.estimate import Estimator
from vibe.models.network import load_network
from vibe.motion import Motion, Result

NONE = ("mpjpe_mm", "pa_mpjpe_mm", "w_mpjpe_mm", "wa_mpjpe_mm", "floor_tilt_deg", "camera_rotation_deg", "rte_percent")


def errors_of(motion: Motion, folder: Path, number: int = 0) -> dict[str, float]:
    truth, tally = read_truth(folder / "00_along.npz"), Tally()
    both = compared_with_truth(motion, truth.people[number], truth)
    tally.add(both, tuple(dict.fromkeys((*wanted_of(both), "rte_percent"))))
    return dict(tally.score(WHOLE, "", "", "").errors)


def test_the_truth_has_no_errors(world_clip) -> None:
    errors = errors_of(world_clip.motions[0], world_clip.folder)
    assert all(errors[name] < 0.1 for name in NONE) and errors["contact_f1"] == 100
    assert errors["foot_sliding_mm"] < 4 and errors["penetration_mm"] < 6 and errors["floating_mm"] < 6


def test_a_tilted_world_is_found_to_be_tilted_and_nothing_else(world_clip) -> None:
    turn, world = roma.rotvec_to_rotmat(torch.tensor([0.05, 0.0, 0.6])).double().numpy(), world_clip.world
    other = replace(world, R_world_cam=turn @ world.R_world_cam, t_world_cam=world.t_world_cam @ turn.T)
    errors = errors_of(world_clip.motions[0].in_world(other), world_clip.folder)
    assert errors["floor_tilt_deg"] > 2 and errors["camera_rotation_deg"] < 0.1
    assert errors["w_mpjpe_mm"] < 0.1 and errors["rte_percent"] < 0.1


def test_a_camera_that_is_taken_for_still_drags_people_along(world_clip) -> None:
    first = {name: getattr(world_clip.world, name)[:1].repeat(FRAMES, 0) for name in ("R_world_cam", "t_world_cam")}
    errors = errors_of(world_clip.motions[0].in_world(replace(world_clip.world, **first)), world_clip.folder)
    assert errors["w_mpjpe_mm"] > 50 and errors["foot_sliding_mm"] > 10 and errors["camera_rotation_deg"] > 0.1


def test_each_is_matched_with_who_is_nearest_and_strangers_with_nobody(world_clip) -> None:
    motions = world_clip.motions
    points = [each["joints_px"].numpy() for each in read_truth(world_clip.folder / "00_along.npz").people]
    assert matched_people(points, motions[::-1]) == motions
    assert matched_people(points, motions[1:]) == [None, motions[1]]
    assert matched_people([each + 900 for each in points], motions) == [None, None]
    assert matched_people(points, []) == [None, None] and matched_people([], motions) == []


def test_the_protocol_reports_cameras_apart_and_counts_who_is_not_found(world_clip, monkeypatch) -> None:
    lens = read_truth(world_clip.folder / "00_along.npz").fov_deg

    def estimate(self: Estimator, video: Path) -> Result:
        assert self.config.fov_deg == pytest.approx(lens)
        return world_clip.result(video, 1)

    monkeypatch.setattr(Estimator, "estimate", estimate)
    whole = open_world(world_clip.folder, load_network(), systems()).scores[0]
    assert whole.evidence == "moving camera" and whole.frames == FRAMES and whole.errors["coverage"] == 50
    assert whole.errors["w_mpjpe_mm"] < 0.1 and set(whole.errors) - {"coverage"} <= set(METRICS)


def test_of_a_virtual_pan_the_camera_alone_is_measured(world_clip, tmp_path, monkeypatch) -> None:
    truth = truth_arrays(load_body(), (), world_clip.filming)
    np.savez(tmp_path / "virtual_00_a.npz", allow_pickle=False, **truth)
    about = {
        "subjects": "held-out",
        "body": "",
        "fps": 30.0,
        "clips": {"virtual_00_a": {"camera": VIRTUAL, "people": []}},
    }
    (tmp_path / MANIFEST).write_text(json.dumps(about))
    monkeypatch.setattr(Estimator, "estimate", lambda self, video: world_clip.result(video, 0))
    whole = open_world(tmp_path, load_network(), systems()).scores[0]
    assert whole.evidence == VIRTUAL and whole.frames == FRAMES
    assert whole.errors == {"camera_rotation_deg": pytest.approx(0, abs=0.05)}


def test_a_clip_without_its_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vibe prepare open-world"):
        read_truth(tmp_path / "00_still.npz")
    np.savez(tmp_path / "00_still.npz", size_px=np.array([3, 4]))
    with pytest.raises(ValueError, match="prepare the clips again"):
        read_truth(tmp_path / "00_still.npz")
