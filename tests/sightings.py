"""What a detector tells of people frame by frame, made up, and what a crowd answers."""

from __future__ import annotations

import numpy as np

from vibe.live.crowd import Crowd, Moment
from vibe.live.person import Streaming
from vibe.live.watch import Sighting
from vibe.method import Method
from vibe.people.landmarks import Landmarks
from vibe.people.track import Seen

WIDTH, HEIGHT, FPS = 640, 480, 30.0
LOOK = np.full(128, 128**-0.5)


def sighting(index: int, *people: np.ndarray, numbers: tuple[int, ...] | None = None, fps: float = FPS) -> Sighting:
    """Everybody's keypoints in one frame; each is looked at."""
    numbers = numbers or tuple(range(1, len(people) + 1))
    seen = tuple(Seen(number, landmarks(points)) for number, points in zip(numbers, people, strict=True))
    return Sighting(index, index / fps, seen, dict.fromkeys(numbers, LOOK))


def landmarks(points: np.ndarray) -> Landmarks:
    low, high = points[:, :2].min(0), points[:, :2].max(0)
    region = np.array([*(low + high) / 2, 1.25 * (high - low).max(), 0.0])
    return Landmarks(points, 1.0, region, region)


def answers(method: Method, told: list[Sighting], delay: int = 1, how: Streaming | None = None) -> list[Moment]:
    """Every moment that a crowd tells of these frames."""
    crowd = Crowd(method, WIDTH, HEIGHT, delay, how)
    moments = []
    for one in told:
        crowd.see(one)
        if moment := crowd.answer():
            moments.append(moment)
    return moments


def last_answer(method: Method, told: list[Sighting], delay: int = 1, how: Streaming | None = None) -> Moment:
    """The last of them, where nobody asked for the others."""
    crowd = Crowd(method, WIDTH, HEIGHT, delay, how)
    for one in told:
        crowd.see(one)
    moment = crowd.answer()
    assert moment is not None
    return moment
