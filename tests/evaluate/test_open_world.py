"""Laws of the protocol on rendered videos: the truth has no errors, and errors that are put in are found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import roma
import torch

from vibe.body.load import load_body
from vibe.cameras import box_from_keypoints, project
from vibe.evaluate import open_world
from vibe.evaluate.open_world import compared_in_world, matched_people, read_truth, wanted_of
from vibe.evaluate.open_world_clips import FPS, MANIFEST, joints_world, placed, stage, truth_arrays
from vibe.evaluate.scores import METRICS, WHOLE, Tally, systems
from vibe.inference.estimate import Estimator
from vibe.models.network import load_network
from vibe.motion import Motion, Result
from vibe.motion.tensors import to_motion
from vibe.records import Camera, Clip, SmplParams, Track, World
from vibe.synthetic.camera_paths import film

FRAMES = 40


def seen(person, filming, body) -> Motion:
    """The true motion as a result has it."""
    R_cam_world = torch.from_numpy(filming.R_world_cam).float().mT
    pelvis = (R_cam_world @ (person.smpl.pelvis - torch.from_numpy(filming.t_world_cam).float())[..., None])[..., 0]
    rotmat = torch.cat([(R_cam_world @ person.smpl.rotmat[:, 0])[:, None], person.smpl.rotmat[:, 1:]], 1)
    keypoints = torch.nn.functional.pad(
        project(pelvis[:, None].expand(-1, 17, -1), filming.camera.K_px), (0, 1), value=1.0
    )
    keypoints[..., :2] += torch.randn(17, 2)
    times = torch.arange(FRAMES, dtype=torch.float64) / FPS
    track = Track(torch.arange(FRAMES), box_from_keypoints(keypoints), keypoints)
    motion = to_motion(SmplParams(rotmat, person.smpl.betas, pelvis), track, times, filming.camera, body)
    return replace(motion, contacts=person.contacts.astype(np.float32))


@pytest.fixture(scope="module")
def clip(tmp_path_factory, shared: Path):
    """A folder with the truth about two people, their motions, and the world."""
    folder, body, rng = tmp_path_factory.mktemp("clips"), load_body(), np.random.default_rng(1)
    with np.load(shared / "data" / "motion" / "open2_30fps.npz", allow_pickle=False) as file:
        start = file["seq_offsets"][list(file["names"]).index("cmu_12_01")] + 40
        poses, trans = (file[name][start : start + FRAMES] for name in ("poses", "trans"))
    people = placed([stage(poses, trans, body, rng) for _ in range(2)], rng)
    points = np.concatenate([joints_world(body, each.smpl).numpy() for each in people], 1)
    filming = film(points, "along", FPS, rng)
    np.savez(folder / "00_along.npz", allow_pickle=False, **truth_arrays(body, people, filming))
    manifest = {
        "subjects": "training",
        "body": body.origin.sha256,
        "fps": FPS,
        "clips": {"00_along": {"camera": "moving"}},
    }
    (folder / MANIFEST).write_text(json.dumps(manifest))
    world = World(filming.R_world_cam, filming.t_world_cam, "moving", "people", "feet", 0.5)
    return folder, [seen(each, filming, body).in_world(world) for each in people], world


def errors_of(motion: Motion, folder: Path, number: int = 0) -> dict[str, float]:
    truth, tally = read_truth(folder / "00_along.npz"), Tally()
    both = compared_in_world(motion, truth.people[number], truth)
    tally.add(both, (*wanted_of(both), "rte_percent"))
    return dict(tally.score(WHOLE, "", "", "").errors)


def test_the_truth_has_no_errors(clip) -> None:
    folder, motions, _ = clip
    errors = errors_of(motions[0], folder)
    none = (
        "mpjpe_mm",
        "pa_mpjpe_mm",
        "w_mpjpe_mm",
        "wa_mpjpe_mm",
        "floor_tilt_deg",
        "camera_rotation_deg",
        "rte_percent",
    )
    assert all(errors[name] < 0.1 for name in none) and errors["contact_f1"] == 100
    assert errors["foot_sliding_mm"] < 4 and errors["penetration_mm"] < 6 and errors["floating_mm"] < 6


def test_a_tilted_world_is_found_to_be_tilted_and_nothing_else(clip) -> None:
    folder, motions, world = clip
    turn = roma.rotvec_to_rotmat(torch.tensor([0.05, 0.0, 0.6])).double().numpy()
    other = replace(world, R_world_cam=turn @ world.R_world_cam, t_world_cam=world.t_world_cam @ turn.T)
    errors = errors_of(motions[0].in_world(other), folder)
    assert errors["floor_tilt_deg"] > 2 and errors["camera_rotation_deg"] < 0.1
    assert errors["w_mpjpe_mm"] < 0.1 and errors["rte_percent"] < 0.1


def test_a_camera_that_is_taken_for_still_drags_people_along(clip) -> None:
    folder, motions, world = clip
    still = replace(
        world, R_world_cam=world.R_world_cam[:1].repeat(FRAMES, 0), t_world_cam=world.t_world_cam[:1].repeat(FRAMES, 0)
    )
    errors = errors_of(motions[0].in_world(still), folder)
    assert errors["w_mpjpe_mm"] > 50 and errors["foot_sliding_mm"] > 10 and errors["camera_rotation_deg"] > 0.1


def test_each_is_matched_with_who_is_nearest_and_strangers_with_nobody(clip) -> None:
    folder, motions, _ = clip
    points = [each["joints_px"].numpy() for each in read_truth(folder / "00_along.npz").people]
    assert matched_people(points, motions[::-1]) == motions
    assert matched_people(points, motions[1:]) == [None, motions[1]]
    assert matched_people([each + 900 for each in points], motions) == [None, None] and matched_people(points, []) == [
        None,
        None,
    ]


def test_the_protocol_reports_cameras_apart_and_counts_who_is_not_found(clip, monkeypatch) -> None:
    folder, motions, world = clip

    def estimate(self: Estimator, video: Path) -> Result:
        camera = Camera(np.eye(3, dtype=np.float32), 854, 480)
        about = Clip(video, FPS, 854, 480, np.arange(FRAMES) / FPS, 0)
        assert self.config.fov_deg == pytest.approx(read_truth(folder / "00_along.npz").fov_deg)
        return Result(about, camera, (motions[1],), motions[1].body, self.network.about, (), world)

    monkeypatch.setattr(open_world.Estimator, "estimate", estimate)
    report = open_world.open_world(folder, load_network(), systems())
    whole = report.scores[0]
    assert whole.evidence == "moving camera" and whole.frames == FRAMES and whole.errors["coverage"] == 50
    assert whole.errors["w_mpjpe_mm"] < 0.1 and set(whole.errors) - {"coverage"} <= set(METRICS)


def test_a_clip_without_its_truth_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="vibe prepare open-world"):
        read_truth(tmp_path / "00_still.npz")
    np.savez(tmp_path / "00_still.npz", size_px=np.array([3, 4]))
    with pytest.raises(ValueError, match="prepare the clips again"):
        read_truth(tmp_path / "00_still.npz")
