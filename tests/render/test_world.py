"""Films of people in the world: on its floor, and the camera that moves in it."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import performers
import pytest

from vibe.motion import Result
from vibe.records import World
from vibe.render.film import render
from vibe.render.viewpoints import place

LOOK = {"background": "black", "size": "160x120", "end": 0.5}


@pytest.fixture(scope="module")
def standing(filmed, low) -> Result:
    """Two people who stand on the floor before a camera that moves."""
    return performers.on_the_floor(low, filmed)


def pictures(result: Result, folder: Path, **look) -> np.ndarray:
    """Every frame of a film, [frame, row, column, 3]."""
    render(result, folder, **{**LOOK, **look})
    files = sorted(folder.glob("*.png"))
    return np.stack([np.asarray(cv2.imread(str(file)), int) for file in files])


def test_who_stands_still_in_the_world_does_so_beside_a_camera_that_moves(standing, filmed, low, tmp_path):
    """Also the floor, in all but the calm way of the camera beside people, of whom one comes and goes."""
    alone = replace(standing, people=standing.people[1:])
    around = place([(2, alone.people[0], low)], alone.clip.timestamps, standing.world)
    assert around is not None and np.ptp(around.centres, axis=0).max() < 1e-4
    here = pictures(alone, tmp_path / "here", view="side", ground=True)
    assert np.abs(here - here[:1]).max() < 40 and np.abs(here - here[:1]).mean() < 0.2 and here.max() > 100
    there = pictures(alone, tmp_path / "there", view="side", ground=True, space="camera")
    assert np.abs(there - there[:1]).mean() > 2, "the camera is taken for still, so people move"


def test_the_camera_s_view_is_the_same_in_the_world_and_in_its_own_space(standing, tmp_path):
    world = pictures(standing, tmp_path / "world", ground=False)
    camera = pictures(standing, tmp_path / "camera", ground=False, space="camera")
    assert world.max() > 100 and np.abs(world - camera).mean() < 0.05
    assert ((world > 30).any(-1) != (camera > 30).any(-1)).mean() < 1e-3


def test_the_floor_is_the_world_s(standing, low):
    numbered = [(number, motion, low) for number, motion in standing.numbered()]
    found = place(numbered, standing.clip.timestamps, standing.world)
    assert found is not None and found.floor == 0 and found.up.tolist() == [0, 0, 1]
    heights = [motion.vertices(low, "world")[..., 2].min() for motion in standing]
    assert min(heights) == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(found.joints[: len(standing.people[0])], standing.people[0].joints_world, atol=1e-6)


def test_who_stands_above_the_floor_has_a_shadow_under_the_feet_and_a_piece_of_ground(standing, tmp_path):
    alone = replace(standing.people[1], contacts=np.ones((len(standing.people[1]), 4), np.float32))
    high = replace(standing, people=(alone,), world=performers.raised(performers.world_of(standing), 1.0))
    unknown = replace(high, people=(replace(alone, contacts=None),))
    seen = [
        pictures(each, tmp_path / str(turn), view="side", background="white", end=0.2)
        for turn, each in enumerate((high, unknown))
    ]
    changed = np.abs(seen[0] - seen[1]).max(-1) > 30
    assert changed.any((1, 2)).all(), "the patch, and no shadow on the floor below"
    rows = np.nonzero(changed)[1]
    feet = np.nonzero(seen[0].max(-1) < 100)[1].max()
    assert rows.min() < feet + 5 and np.median(rows) < 110


@pytest.mark.parametrize(
    ("R", "wanted"),
    [
        ([[1, 0, 0], [0, 0, 1], [0, -1, 0]], [0, 1, 0]),
        ([[1, 0, 0], [0, -1, 0], [0, 0, -1]], [0, 1, 0]),
        ([[0, 0, 1], [1, 0, 0], [0, 1, 0]], [1, 0, 0]),
    ],
    ids=["level", "straight down", "upside down"],
)
def test_ahead_is_where_the_camera_looks_or_its_picture_s_top_points(standing, low, R, wanted):
    frames = len(standing.clip.timestamps)
    R_world_cam = np.array(R, np.float32)[None].repeat(frames, 0)
    world = World(R_world_cam, np.zeros((frames, 3), np.float32), "still", "people", "feet", 1.0)
    given = performers.filmed(standing, world)
    found = place([(1, given.people[0], low)], given.clip.timestamps, world)
    assert found is not None
    np.testing.assert_allclose(found.ahead, wanted, atol=1e-6)


def test_a_camera_that_looks_all_around_has_some_direction_ahead(standing, low):
    angles = np.linspace(0, 2 * np.pi, len(standing.clip.timestamps), endpoint=False)
    cos, sin, nil = np.cos(angles), np.sin(angles), 0 * angles
    R_world_cam = np.stack([cos, nil, sin, sin, nil, -cos, nil, nil + 1, nil], 1).reshape(-1, 3, 3)
    world = World(
        R_world_cam.astype(np.float32), np.zeros((len(angles), 3), np.float32), "turning", "people", "none", 1
    )
    found = place([(1, standing.people[0].in_world(world), low)], standing.clip.timestamps, world)
    assert found is not None
    assert np.linalg.norm(found.ahead) == pytest.approx(1) and abs(found.ahead @ found.up) < 1e-6


def test_a_space_that_there_is_not_and_a_world_that_is_not_known_are_told(filmed, standing, tmp_path):
    with pytest.raises(ValueError, match="no space 'moon': choose camera or world"):
        render(standing, tmp_path / "x.png", space="moon")
    notes = render(filmed, tmp_path / "x.png", size="64x48", columns=1, space="world")
    assert notes == ("the motion has no world: people are as the camera sees them",)
