"""Reads the hands of people who are tracked, some times a second, in a thread of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from jaxtyping import UInt8
from numpy import ndarray as Array

from vibe.records import HandReadings
from vibe.tracking.hand_model import POINTS, PRESENT, HandModel, palm_region
from vibe.tracking.tracker import TrackedPerson

EVERY = 0.12
"""Least seconds between two looks at a hand: a look takes as long as half of what a frame of a person takes."""
PATIENCE, SELDOM = 2, 4
"""Looks in vain after which a hand is looked for at every so manieth look only."""
SIDES = ("left", "right")


class HandReader:
    """Shown the frames of a clip, in order, with the people in them; the caller goes on while a frame is read."""

    def __init__(self, model: HandModel) -> None:
        self._model = model
        self._pool = ThreadPoolExecutor(1, "vibe-hands")
        self._working: Future[None] | None = None
        self._due = 0.0
        self._hands: dict[str, dict[str, Any]] = {}
        self._rows: list[Array] = []

    def step(
        self, index: int, time: float, rgb: UInt8[Array, "height width 3"], people: Sequence[TrackedPerson]
    ) -> None:
        """The next frame, at `time` in seconds; the picture must not be changed any more."""
        if time < self._due - 1e-6:
            return
        self._due = time + EVERY
        self._wait()
        self._working = self._pool.submit(self._look, index, rgb, people)

    def _look(self, index: int, rgb: UInt8[Array, "height width 3"], people: Sequence[TrackedPerson]) -> None:
        hands: dict[str, dict[str, Any]] = {}
        for person in people:
            whole = person.landmarks.whole
            for side in SIDES:
                if whole is None or (palm := palm_region(whole, side, rgb)) is None:
                    continue
                name = f"{person.number} {side}"
                known = self._hands.get(name, {"missed": 0, "palm": palm, "points_px": None})
                hands[name] = known | {"palm": palm, "missed": known["missed"] + 1, "points_px": None}
                if known["missed"] >= PATIENCE and known["missed"] % SELDOM:
                    continue
                last = known["points_px"]
                seen = self._model.look(rgb, palm, None if last is None else last + (palm - known["palm"])[:2])
                if seen.presence > PRESENT:
                    hands[name] |= {"missed": 0, "points_px": seen.points_px}
                    numbers = seen.points_px.ravel(), seen.places.ravel(), [seen.presence, seen.right]
                    self._rows.append(np.concatenate([[index], *numbers]).astype(np.float32))
        self._hands = hands

    def finish(self) -> HandReadings:
        """All that was read."""
        rows = self._numbers()
        self.close()
        points, places = np.split(rows[:, 1:-2], [2 * POINTS], axis=1)
        shaped = points.reshape(-1, POINTS, 2), places.reshape(-1, POINTS, 3)
        return HandReadings(rows[:, 0].astype(np.int64), *shaped, rows[:, -2], rows[:, -1])

    def close(self) -> None:
        """End the thread."""
        self._pool.shutdown()

    def state(self) -> dict[str, Any]:
        """All that the next frames depend on, and what was read, as plain values and arrays."""
        return {"rows": self._numbers(), "hands": self._hands, "due": self._due}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a `state`; raises KeyError, TypeError or ValueError for what is none."""
        self._rows = list(state["rows"].reshape(-1, 3 + 5 * POINTS).astype(np.float32))
        self._hands = {name: {**hand, "missed": int(hand["missed"])} for name, hand in state["hands"].items()}
        self._due = float(state["due"])

    def _numbers(self) -> Array:
        self._wait()
        return np.stack(self._rows) if self._rows else np.zeros((0, 3 + 5 * POINTS), np.float32)

    def _wait(self) -> None:
        """Wait for the frame that is being read; raises what went wrong there."""
        if self._working:
            self._working.result()
            self._working = None
