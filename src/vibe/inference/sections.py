"""One person's fit in sections, so that an hour takes no more memory than a minute but for the motion itself.

The section with the most evidence sets the shape; neighbours share some seconds, over which they fade into each other.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.body.keypoint_regressor import joints_and_keypoints
from vibe.body.record import Body
from vibe.cache import StageCache, fits
from vibe.inference.pages import Pages
from vibe.inference.predict import Reading
from vibe.records import Camera
from vibe.refine.energies import Energy
from vibe.refine.fitting import Fitting
from vibe.refine.smooth import close_gaps, one_shape
from vibe.refine.smplify import fit
from vibe.refine.translation import solve_translation

SECTION = 3000
"""Moments that are fitted at once, the last ones of which are ..."""
SHARED = 120
"""... those with which the next section begins."""
STAGE = "refinement"
LAYOUT = {"rotmat": (24, 3, 3), "trans": (3,), "confidence": ()}
"""Shape of each array of a kept section but for the moments; beside them is one shape."""


def spans(count: int) -> list[slice]:
    """The sections of so many moments."""
    if count <= SECTION:
        return [slice(0, count)]
    return [slice(start, min(start + SECTION, count)) for start in range(0, count - SHARED, SECTION - SHARED)]


@dataclass(frozen=True)
class Fitted:
    """A section after the fit, before it is smoothed."""

    rotmat: Float[Tensor, "moment 24 3 3"]
    betas: Float[Tensor, "*m 10"]
    trans: Float[Tensor, "moment 3"]
    confidence: Float[Tensor, "moment"]


@dataclass(frozen=True)
class Fitter:
    """What a fit needs beside the person: how it is done, and where."""

    camera: Camera
    body: Body
    fitting: Fitting | None
    terms: Mapping[str, Energy]
    pool: Executor | None = None
    """Threads for windows; without them, those of each fit's own."""


class Sections:
    """The sections of one person, each computed when it is asked for, if it is not on the shelf."""

    def __init__(
        self, reading: Reading | Pages, fitter: Fitter, whole: bool, shelf: StageCache | None = None, person: int = 0,
        tell: Callable[[int], None] = lambda moments: None,
    ) -> None:  # fmt: skip
        """`whole`: whether one shape is to hold throughout. `tell` hears of moments that are fitted."""
        self.reading, self._fitter, self._whole = reading, fitter, whole
        self._shelf, self._person, self._tell = shelf if fitter.fitting else None, person, tell
        self.spans = spans(len(reading.times))
        self._lead: tuple[int, Fitted] | None = None

    def fitted(self, number: int) -> Fitted:
        """A section."""
        found = (
            self._lead[1] if self._lead and self._lead[0] == number else self._kept(number) or self._computed(number)
        )
        span = self.spans[number]
        self._tell((self.spans[number + 1].start if number + 1 < len(self.spans) else span.stop) - span.start)
        return found

    def _computed(self, number: int) -> Fitted:
        """A section that is not on the shelf; of a long track the one that sets the shape, first."""
        if not self._whole:
            return self._fit(number, None)
        if self._lead is None and (len(self.spans) == 1 or self._fitter.fitting is None):
            return self._fit(number, one_shape(self.reading.betas, self.reading.confidence))
        if self._lead is None:
            best = self._best()
            start = one_shape(self.reading.betas, self.reading.confidence)
            self._lead = best, self._kept(best) or self._fit(best, start)
        if number == self._lead[0]:
            return self._lead[1]
        return self._fit(number, self._lead[1].betas, held=True)

    def _best(self) -> int:
        """The section that holds the window with the most evidence."""
        sure, window = self.reading.confidence, self._fitter.fitting.window if self._fitter.fitting else SECTION
        most = [sure[span].unfold(0, min(window, span.stop - span.start), 1).sum(-1).max() for span in self.spans]
        return max(range(len(most)), key=most.__getitem__)

    def _fit(self, number: int, betas: Float[Tensor, "10"] | None, held: bool = False) -> Fitted:
        """The body placed where its keypoints are seen, then fitted to them over time; `held` keeps its shape."""
        how, span = self._fitter, self.spans[number]
        part, times = self.reading.part(span), self.reading.times[span]
        rotmat, trans, seen = part.rotmat, part.trans, part.keypoints_px
        if not self.reading.everywhere:
            rotmat, trans = close_gaps(rotmat, trans, times, part.confidence > 0)
        if how.fitting is None or betas is None:
            return Fitted(rotmat, part.betas if betas is None else betas, trans, part.confidence)
        with torch.no_grad():
            joints, points = joints_and_keypoints(how.body, rotmat, betas, "detected17")
            trans = solve_translation(points - joints[:, :1], seen, how.camera.K_px, times, trans)
        marks = partial(joints_and_keypoints, how.body, points=how.fitting.points)
        given = rotmat, betas, trans, seen, how.camera.K_px, times, marks, how.fitting, how.terms
        fitted = Fitted(*fit(*given, held, how.pool), part.confidence)
        if self._shelf and self._shelf.keeps:
            self._shelf.save(STAGE, self._name(number), vars(fitted))
        return fitted

    def _kept(self, number: int) -> Fitted | None:
        """A section from the shelf, if it is there and fits the track."""
        arrays, _ = (self._shelf and self._shelf.load(STAGE, self._name(number))) or ({}, {})
        betas, span = arrays.pop("betas", None), self.spans[number]
        if betas is None or betas.shape != (10,) or not fits(arrays, LAYOUT, span.stop - span.start):
            return None
        return Fitted(betas=betas, **arrays)

    def _name(self, number: int) -> str:
        return f"{self._person}-{number:06}"
