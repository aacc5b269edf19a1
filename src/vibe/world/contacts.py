"""Which heels and toes stand: from how fast they move across the view and how high they are over the person's
lowest."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float
from numpy import ndarray
from scipy.ndimage import minimum_filter1d
from scipy.special import expit

from vibe.body.soles import standing_spans
from vibe.skeletons import SMPL

ODDS, PER_SPEED, PER_HEIGHT = -3.3, -3.1, -11.8
"""Of standing, as a logarithm: where nothing else is known, for each e-fold of speed beyond `REST`, for each metre.
Fitted to the truth of 24 rendered clips of subjects that weights are trained on, of which it decides 0.91 of the soles
rightly."""
REST = 0.05
"""Metres a second by which a sole that stands seems to move."""
STEP, LIFTED = 0.15, -60.0
"""Metres over a person's lowest from which a foot is held up, however still, rather than stands; and for each metre
more."""
AROUND = 0.5
"""Seconds to either side in which a person's lowest sole is taken for the height of the floor."""
OTHERS = [joint for joint, name in enumerate(SMPL) if not name.endswith(("ankle", "foot"))]
FLESH = 0.06
"""Metres from one of these joints to the skin that lies on a floor."""
SAME = 0.12
"""Metres by which a stance may miss a level that somebody is known to stand on and still be taken to be on it."""


def contact_probability(
    soles: Float[ndarray, "time 4 3"], joints: Float[ndarray, "time 24 3"], sight: Float[ndarray, "time 3"],
    up: Float[ndarray, "3"], times: Float[ndarray, "time"],
) -> Float[ndarray, "time 4"]:  # fmt: skip
    """How likely each sole stands, from 0 to 1.

    `soles` and `joints` are metres in axes that neither turn nor move, in which `up` is a unit vector; `sight` is the
    direction from the camera to the person, along which a picture hardly tells how fast something moves; `times` are
    seconds.
    """
    if len(times) < 2:
        return np.full(soles.shape[:2], 0.5, np.float32)
    velocity = np.gradient(soles.astype(np.float64), times, axis=0)
    across = velocity - (velocity @ sight[..., None]) * sight[:, None]
    height = soles @ up
    # whoever stands on the hands, hangs or sits on the floor has other parts that are as low
    lowest = np.minimum(height.min(1), (joints[:, OTHERS] @ up).min(1) - FLESH)
    window = 2 * round(AROUND / float(np.median(np.diff(times)))) + 1
    above = height - minimum_filter1d(lowest, window)[:, None]
    odds = ODDS + PER_SPEED * np.log(np.linalg.norm(across, axis=-1) + REST) + PER_HEIGHT * above
    odds += LIFTED * (above - STEP).clip(min=0)
    return expit(odds).astype(np.float32)


def ground_heights(
    heights: Float[ndarray, "time 4"], contacts: Float[ndarray, "time 4"], levels: Float[ndarray, "level"],
    times: Float[ndarray, "time"],
) -> Float[ndarray, "time 4"]:  # fmt: skip
    """How high what is under each sole lies above the floor: in a stance what it stands on, between two the lower of
    both.

    `heights` are those of the soles above the floor. A stance is on the nearest of the levels, or on one of its own (a
    step, a box). Without any stance it is the level nearest to the lowest soles.
    """
    known = np.unique(np.append(levels, 0.0))
    ground = np.full(heights.shape, np.nan)
    for sole in range(4):
        for span in standing_spans(contacts[:, sole] > 0.5, times):
            height = float(np.average(heights[span, sole], weights=contacts[span, sole]))
            nearest = known[np.abs(known - height).argmin()]
            ground[span, sole] = nearest if abs(nearest - height) < SAME else height
    lowest = np.nanmin(np.where(np.isnan(ground), np.inf, ground), 1)
    if not np.isfinite(lowest).any():
        return np.full(heights.shape, known[np.abs(known - np.quantile(heights.min(1), 0.1)).argmin()])
    stood = np.flatnonzero(np.isfinite(lowest))
    rows = np.arange(len(lowest))
    before, after = np.searchsorted(stood, rows, "right") - 1, np.searchsorted(stood, rows)
    between = np.minimum(lowest[stood[before.clip(0)]], lowest[stood[after.clip(0, len(stood) - 1)]])
    return np.where(np.isnan(ground), between[:, None], ground)
