"""Where people and camera go: depths for which feet that stand do stand, and the path of a camera that travels.

One sparse linear least-squares problem for all people and frames together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import scipy.sparse
import scipy.sparse.linalg
from jaxtyping import Float, Int
from numpy import ndarray

from vibe.rotations import unit

DEPTH = 0.02
"""Expected error of a person's distance, as a share of it."""
LIFT = 0.03
"""Metres by which a person may be read too high or too low."""
UNSTEADY = 1.0
"""Expected error of a person's acceleration along the line of sight, metres per second squared."""
SLIDE, SWAY = 0.2, 0.1
"""Metres a second by which a sole that stands may seem to move: before a camera that stands what the pose says of it
is no better, and before one that travels more of it is the camera's."""
LEVEL = 0.03
"""Expected error of a standing sole's height above what it stands on, metres."""
DRIFT = 0.003
"""Metres a frame by which the shape of a camera's path may be wrong."""
LENGTH = 0.03
"""Expected error of the length of a camera's path as it is thought to be, as a share of it."""
ROUNDS, ROBUST = 3, 3.0
"""Of the solution, each but the first with soles that miss by more than so many expected errors counting less."""


@dataclass(frozen=True)
class Walk:
    """One person's path and soles, in axes that do not turn, from where the camera is in each frame; metres."""

    frames: Int[ndarray, "time"]
    """Indices into the clip."""
    pelvis: Float[ndarray, "time 3"]
    soles: Float[ndarray, "time 4 3"]
    contacts: Float[ndarray, "time 4"]
    """How likely each sole stands."""
    ground: Float[ndarray, "time 4"] | None
    """Height, along up from the first place of the camera, of what is under each sole; None where no floor is known."""


def solve_paths(
    walks: Sequence[Walk],
    timestamps: Float[ndarray, "frame"],
    up: Float[ndarray, "3"],
    likely: Float[ndarray, "frame 3"] | None = None,
) -> tuple[list[Float[ndarray, "_ 3"]], Float[ndarray, "frame 3"]]:
    """What is to be added to each person's path, along their line of sight and a little up or down, and the path of the
    camera's centre from its first place.

    `likely` is that path as it is thought to be, whose length the feet tell better; without it the camera stands.
    """
    # one system, since a camera that travels ties all people together; soles that slide lose their say in rounds
    counts = [2 * len(walk.frames) for walk in walks]
    firsts = [0, *accumulate(counts)]
    camera = firsts[-1]
    travels = likely is not None and bool(likely.any())
    unknowns = camera + (3 * len(timestamps) + 1 if travels else 0)
    ways = [np.stack([unit(walk.pelvis), np.broadcast_to(up, walk.pelvis.shape)], 1) for walk in walks]
    fixed, soft = _Rows(unknowns), _Rows(unknowns)
    for walk, way, first in zip(walks, ways, firsts[:-1], strict=True):
        _keep(fixed, walk, first, timestamps)
        _stand(soft, walk, way, first, timestamps, up, camera if travels else None)
    if travels and likely is not None:
        _carry(fixed, camera, likely)
    solution = np.zeros(unknowns)
    A, b = fixed.matrix()
    C, d = soft.matrix()
    weight = np.ones(len(d))
    for _ in range(ROUNDS):
        W = scipy.sparse.diags(weight)
        normal = (A.T @ A + C.T @ W @ C + 1e-9 * scipy.sparse.eye(unknowns)).tocsc()
        solution = scipy.sparse.linalg.splu(normal).solve(A.T @ b + C.T @ (weight * d))
        weight = 1 / (1 + ((C @ solution - d) / ROBUST) ** 2)
    spans = zip(firsts[:-1], firsts[1:], ways, strict=True)
    steps = [(solution[first:last].reshape(-1, 2, 1) * way).sum(1) for first, last, way in spans]
    path = solution[camera:-1].reshape(-1, 3) if travels else np.zeros((len(timestamps), 3))
    return steps, path


class _Rows:
    """Equations, collected as blocks of rows."""

    def __init__(self, unknowns: int) -> None:
        self._unknowns, self._count = unknowns, 0
        self._parts: list[tuple[ndarray, ndarray, ndarray]] = []
        self._right: list[ndarray] = []

    def add(self, right: Float[ndarray, "row"], *terms: tuple[Int[ndarray, "row"], Float[ndarray, "row"]]) -> None:
        """Rows in which the sum of factors times unknowns is to be `right`; each term is columns and factors."""
        rows = self._count + np.arange(len(right))
        self._parts += [(rows, columns, factors) for columns, factors in terms]
        self._right.append(right)
        self._count += len(right)

    def matrix(self) -> tuple[scipy.sparse.csr_matrix, Float[ndarray, "row"]]:
        """All of them."""
        none = np.zeros(0)
        rows, columns, factors = (np.concatenate([none, *(part[which] for part in self._parts)]) for which in range(3))
        shape = self._count, self._unknowns
        return scipy.sparse.csr_matrix((factors, (rows, columns)), shape), np.concatenate([none, *self._right])


def _keep(rows: _Rows, walk: Walk, first: int, timestamps: Float[ndarray, "frame"]) -> None:
    """A person stays near where the fit has them, and is moved from it smoothly."""
    expected = [DEPTH * np.linalg.norm(walk.pelvis, axis=-1), np.full(len(walk.frames), LIFT)]
    for way, error in enumerate(expected):
        columns = first + 2 * np.arange(len(walk.frames)) + way
        rows.add(np.zeros(len(columns)), (columns, 1 / error))
        _smooth(rows, columns, timestamps[walk.frames], UNSTEADY)


def _carry(rows: _Rows, camera: int, likely: Float[ndarray, "frame 3"]) -> None:
    """A camera starts at 0 and goes along a path like another one, times the last unknown."""
    scale = camera + 3 * len(likely)
    rows.add(np.full(1, 1 / LENGTH), (np.array([scale]), np.full(1, 1 / LENGTH)))
    for axis in range(3):
        columns = camera + 3 * np.arange(len(likely)) + axis
        rows.add(np.zeros(1), (columns[:1], np.full(1, 1e3)))
        even, step = np.full(len(likely) - 1, 1 / DRIFT), np.diff(likely[:, axis]) / DRIFT
        terms = (columns[1:], even), (columns[:-1], -even), (np.full(len(step), scale), -step)
        rows.add(np.zeros(len(step)), *terms)


def _smooth(rows: _Rows, columns: Int[ndarray, "time"], times: Float[ndarray, "time"], expected: float) -> None:
    """Second differences at uneven times, over an expected acceleration."""
    if len(times) < 3:
        return
    before, after = np.diff(times)[:-1], np.diff(times)[1:]
    scale = 2 / (before + after) / expected
    left, right = scale / before, scale / after
    rows.add(np.zeros(len(left)), (columns[:-2], left), (columns[1:-1], -left - right), (columns[2:], right))


def _stand(
    rows: _Rows, walk: Walk, ways: Float[ndarray, "time 2 3"], first: int, timestamps: Float[ndarray, "frame"],
    up: Float[ndarray, "3"], camera: int | None,
) -> None:  # fmt: skip
    """A sole that stands neither moves nor leaves the height of what it stands on."""
    times, columns = timestamps[walk.frames], first + 2 * np.arange(len(walk.frames))
    near = np.diff(walk.frames) == 1
    for sole in range(4):
        place, sure = walk.soles[:, sole], walk.contacts[:, sole].astype(np.float64)
        if walk.ground is not None:
            factor = sure / LEVEL
            terms = [(columns + way, factor * (ways[:, way] @ up)) for way in range(2)]
            if camera is not None:
                terms += [(camera + 3 * walk.frames + axis, factor * up[axis]) for axis in range(3)]
            rows.add(factor * (walk.ground[:, sole] - place @ up), *terms)
        both = np.minimum(sure[1:], sure[:-1]) * near / ((SLIDE if camera is None else SWAY) * np.diff(times))
        for axis in range(3):
            terms = [(columns[1:] + way, both * ways[1:, way, axis]) for way in range(2)]
            terms += [(columns[:-1] + way, -both * ways[:-1, way, axis]) for way in range(2)]
            if camera is not None:
                terms += [(camera + 3 * walk.frames[1:] + axis, both), (camera + 3 * walk.frames[:-1] + axis, -both)]
            rows.add(-both * np.diff(place[:, axis]), *terms)
