"""Laws of the lens that a video is estimated through: whose word counts, and that a bent picture is the same motion."""

import struct
from dataclasses import replace
from pathlib import Path

import lenses
import numpy as np
import pytest
import torch
from inference.test_estimate import estimated, scene

from vibe.arrays import as_tensors
from vibe.cameras import LENS_SOURCES, angle_of_view, project
from vibe.distortion import distort
from vibe.inference.config import EstimatorConfig
from vibe.inference.lens import find_lens
from vibe.records import Camera, Clip, Track


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """A phone's film of 1920x1080, 26 mm."""
    film = tmp_path / "cam01.mov"
    film.write_bytes(lenses.phone_film(lenses.keyed(21, struct.pack(">i", 26))))
    return Clip(film, 30.0, 1920, 1080, torch.arange(3) / 30, 0)


@pytest.fixture
def calibration(tmp_path: Path) -> Path:
    (tmp_path / "rig.txt").write_text(lenses.COLMAP)
    return tmp_path / "rig.txt"


def test_a_calibration_counts_before_the_option_that_before_the_file_and_last_comes_the_default(
    clip: Clip, calibration: Path
) -> None:
    by_file = find_lens(EstimatorConfig(camera_file=f"{calibration}:1"), clip)
    by_option = find_lens(EstimatorConfig(fov_deg=70.0), clip)
    by_phone, nobody = find_lens(EstimatorConfig(), clip), find_lens(EstimatorConfig(), replace(clip, path=calibration))
    found = [by_file, by_option, by_phone, nobody]
    assert [lens.camera.source for lens in found] == ["calibration", "fov", "file", "default"]
    assert {lens.camera.source for lens in found} <= set(LENS_SOURCES)
    angles = [angle_of_view(lens.camera) for lens in found]
    assert angles == pytest.approx([75.4, 70.0, 74.8, 53.13], abs=0.1)
    assert [len(lens.notes) for lens in found] == [0, 0, 1, 1]
    assert nobody.notes[0].startswith("the lens is not known") and "--camera" in nobody.notes[0]


def test_a_calibration_s_content_and_camera_are_in_the_keys_and_its_place_is_not(calibration: Path) -> None:
    def key(given: Path | str) -> list[str]:
        return list(EstimatorConfig(camera_file=given).resolved().keys("film").values())

    (other := calibration.with_name("copy.txt")).write_text(lenses.COLMAP)
    before = key(calibration)
    assert before == key(str(other)) and before != key(f"{calibration}:2") != key(f"{calibration}:1")
    plain = list(EstimatorConfig().resolved().keys("film").values())
    assert before[:2] == plain[:2] and not set(before[2:]) & set(plain[2:])
    calibration.write_text(lenses.COLMAP.replace("950", "951"))
    assert key(calibration) != before
    with pytest.raises(ValueError, match="leave --fov or --camera out"):
        EstimatorConfig(camera_file=calibration, fov_deg=70.0).resolved()
    with pytest.raises(FileNotFoundError, match="there is no calibration file"):
        EstimatorConfig(camera_file="none.toml").resolved()


@pytest.mark.parametrize("fisheye", [False, True], ids=["barrel", "fisheye"])
def test_through_a_bending_lens_the_same_motion_is_seen_and_lies_where_the_lens_shows_it(fisheye: bool) -> None:
    track, clip, plain = scene(30.0, 12)
    numbers = (0.02, -0.01, 0.0, 0.0) if fisheye else (-0.25, 0.08, 0.001, -0.001)
    lens = replace(plain, distortion=torch.tensor(numbers), fisheye=fisheye)
    bent = seen_by(track, lens)
    assert (bent.keypoints_px - track.keypoints_px).abs().max() > 4
    one, other = estimated(track, clip, plain), estimated(bent, clip, lens)
    assert np.abs(one.joints_cam - other.joints_cam).max() < 0.01
    shown = project(distort(as_tensors(other.joints_cam), lens), lens.K_px)
    assert np.abs(shown.numpy() - other.joints_px).max() < 0.01
    assert np.array_equal(other.keypoints_px, bent.keypoints_px.numpy())


def seen_by(track: Track, lens: Camera) -> Track:
    """A pinhole's track as a lens shows it."""

    def moved(points_px: torch.Tensor) -> torch.Tensor:
        rays = torch.nn.functional.pad(points_px - lens.K_px[:2, 2], (0, 1), value=1.0)
        rays[..., :2] /= lens.K_px[[0, 1], [0, 1]]
        return project(distort(rays, lens), lens.K_px)

    centre, half = track.box_px[:, None, :2], track.box_px[:, None, 2:] / 2
    sides = moved(centre + half * torch.tensor([[-1, 0], [1, 0], [0, -1], [0, 1.0]]))
    left, right, top, bottom = sides.unbind(1)
    low, high = torch.stack([left[:, 0], top[:, 1]], -1), torch.stack([right[:, 0], bottom[:, 1]], -1)
    keypoints_px = torch.cat([moved(track.keypoints_px[..., :2]), track.keypoints_px[..., 2:]], -1)
    return replace(track, box_px=torch.cat([(low + high) / 2, high - low], -1), keypoints_px=keypoints_px)
