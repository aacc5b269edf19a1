"""Laws of a camera that travels: its rotations and its path, up to the unit, out of where corners are seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from vibe.records import UNITS, Background
from vibe.world.background import BEGUN, TURNED
from vibe.world.camera_motion import solve_rotations
from vibe.world.focal import focal_from_travel
from vibe.world.travel import Path, Sightings, find_path, mean_cost

SIZE, K_PX = (1280, 720), np.array([[1100.0, 0, 640], [0, 1100.0, 360], [0, 0, 1]])
FRAMES, KEYS = 48, (0, 16, 32)


def scene() -> np.ndarray:
    """Points on a floor, a wall and in between."""
    points = np.random.default_rng(0).uniform((-4, -1.5, 4), (4, 1.5, 12), (80, 3))
    points[:30, 1], points[30:50, 2] = 1.5, 12
    return points


DEPTHS = scene()[:, 2]


def film(path: np.ndarray, degrees: float = 4.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """R_cam0_cam, places, and pixels of the scene's points, as a camera on a path sees them."""
    random, time = np.random.default_rng(0), np.arange(FRAMES)[:, None] / 30
    angles = degrees * np.sin(2 * np.pi * time / np.array([2.0, 3.0, 2.5]))
    R_cam0_cam = Rotation.from_euler("xyz", angles - angles[0], degrees=True).as_matrix()
    seen = np.einsum("tij,tni->tnj", R_cam0_cam, scene() - path[:, None])
    return R_cam0_cam, path, (seen[..., :2] / seen[..., 2:]) * K_PX[0, 0] + random.normal(0, 0.1, (FRAMES, 80, 2))


def background(pixels: np.ndarray) -> Background:
    """What is known of these pixels, from the middle, with three key frames; the points are corners of all of them."""
    rows, pairs = [(0, BEGUN, 0, 0, 0)], []
    for frame in range(1, FRAMES):
        key = max(each for each in KEYS if each < frame)
        inside = (np.abs(pixels[[key, frame]]) < np.array(SIZE) / 2).all((0, 2))
        pairs.append(np.concatenate([pixels[key], pixels[frame]], 1)[inside])
        count = int(inside.sum())
        rows.append((frame, TURNED, key, count, rows[-1][-1] + count))
    frames, kinds, keys, inliers, ends = np.array(rows, np.int32).T.copy()
    units = (np.concatenate(pairs) * (UNITS / max(SIZE))).round().astype(np.int16)
    return Background(frames, kinds, keys, inliers, ends, units)


def walk(step: np.ndarray) -> np.ndarray:
    time = np.arange(FRAMES)[:, None] / 30
    return time * step + 0.05 * np.sin(6 * time) * np.array([0.2, 1.0, 0.0])


@pytest.mark.parametrize("step", [(0.8, 0.0, 0.0), (0.1, 0.0, 1.2), (-0.5, 0.2, 0.3)])
def test_a_travelling_camera_s_rotation_and_path_are_found_up_to_the_unit(step):
    R_cam0_cam, path, pixels = film(walk(np.array(step)))
    found = solve_rotations(background(pixels), np.arange(FRAMES) / 30, K_PX, SIZE)
    error = np.degrees(Rotation.from_matrix(R_cam0_cam.mT @ found.R_cam0_cam).magnitude())
    assert found.travels and not found.still and error.mean() < 0.1
    unit = (found.path_cam0 * path).sum() / (found.path_cam0**2).sum()
    assert unit > 0 and np.linalg.norm(unit * found.path_cam0 - path, axis=1).max() < 0.06


def test_a_camera_that_only_turns_has_no_path():
    R_cam0_cam, _, pixels = film(np.zeros((FRAMES, 3)))
    found = solve_rotations(background(pixels), np.arange(FRAMES) / 30, K_PX, SIZE)
    assert not found.travels and not found.path_cam0.any() and found.notes == ()
    assert np.degrees(Rotation.from_matrix(R_cam0_cam.mT @ found.R_cam0_cam).magnitude()).max() < 0.03


def test_a_lens_that_zooms_is_no_path():
    _, _, pixels = film(np.zeros((FRAMES, 3)), 0.0)
    zoomed = pixels * np.linspace(1, 1.4, FRAMES)[:, None, None]
    found = solve_rotations(background(zoomed), np.arange(FRAMES) / 30, K_PX, SIZE)
    assert not found.travels and "zooms" in found.notes[0]
    assert np.degrees(Rotation.from_matrix(found.R_cam0_cam).magnitude()).max() < 0.1


def test_wrong_sightings_do_not_bend_a_path():
    R_cam0_cam, _, pixels = film(walk(np.array([0.8, 0.0, 0.0])))
    random, seen = np.random.default_rng(1), (np.abs(pixels) < np.array(SIZE) / 2).all((0, 2))
    xy = pixels[:16, seen] / K_PX[0, 0]
    wrong = random.random(xy.shape[:2]) < 0.15
    xy[wrong] += random.normal(0, 0.02, (int(wrong.sum()), 2))
    rays = np.concatenate([pixels[0, seen] / K_PX[0, 0], np.ones((int(seen.sum()), 1))], 1)
    sightings = Sightings(rays, xy, np.ones(xy.shape[:2], bool), 0.5 / K_PX[0, 0])
    start = np.tile(np.eye(3), (16, 1, 1))
    found = find_path(sightings, start)
    assert mean_cost(found, sightings) < 0.5 * mean_cost(Path(start, np.zeros((16, 3)), np.ones(len(rays))), sightings)
    error = np.degrees(Rotation.from_matrix(R_cam0_cam[:16].mT @ found.R_key_cam).magnitude())
    assert error.mean() < 0.15


def test_what_the_key_frame_before_knows_of_distances_steadies_a_few_frames():
    R_cam0_cam, path, pixels = film(walk(np.array([0.8, 0.1, 0.3])))
    seen, errors = (np.abs(pixels) < np.array(SIZE) / 2).all((0, 2)), []
    for seed in range(8):
        random = np.random.default_rng(seed)
        xy = (pixels[1:4, seen] + random.normal(0, 0.4, (3, int(seen.sum()), 2))) / K_PX[0, 0]
        rays = np.concatenate([pixels[0, seen] / K_PX[0, 0], np.ones((int(seen.sum()), 1))], 1)
        alone = Sightings(rays, xy, np.ones(xy.shape[:2], bool), 0.5 / K_PX[0, 0])
        nearness = 1 / DEPTHS[seen]
        unit = nearness.mean()
        known = np.where(random.random(len(nearness)) < 0.4, nearness / unit, np.nan)
        told = replace(alone, known=known, step=(path[1] - path[0]) * unit)
        found = [find_path(each, np.tile(np.eye(3), (3, 1, 1))).R_key_cam for each in (alone, told)]
        errors.append(
            [np.degrees(Rotation.from_matrix(R_cam0_cam[1:4].mT @ each).magnitude()).mean() for each in found]
        )
    alone, told = np.mean(errors, 0)
    assert told < 0.6 * alone and told < 0.1, (alone, told)


def test_a_travelling_camera_shows_the_focal_length():
    _, _, pixels = film(walk(np.array([0.8, 0.1, 0.5])))
    found = focal_from_travel(background(pixels), SIZE)
    assert found is not None and abs(found[0] - K_PX[0, 0]) < 2 * found[1] < 0.2 * K_PX[0, 0]


def test_a_camera_that_neither_turns_nor_travels_shows_no_focal_length():
    assert focal_from_travel(background(film(np.zeros((FRAMES, 3)), 0.0)[2]), SIZE) is None
