"""What the search for other cameras reads: one person as one view alone has them."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Bool, Float
from numpy import ndarray

from vibe.skeletons import COCO, mirrored

SWAP = mirrored(COCO)
LONGEST_GAP = 0.3
"""Seconds between neighbours beyond which nothing is known in between."""


@dataclass(frozen=True)
class Sighting:
    """One person as the network has them in one view, about the pelvis in the camera's axes, metres; float64."""

    times: Float[ndarray, "moment"]
    """Seconds of the view's own clock, increasing."""
    keypoints_px: Float[ndarray, "moment 17 3"]
    """COCO-17 as a pinhole shows them: x, y, confidence; 0 throughout where nothing was seen."""
    points: Float[ndarray, "moment 17 3"]
    """Those of the body."""
    pelvis: Float[ndarray, "moment 3"]
    """Its place in the camera's frame."""
    R_cam_pelvis: Float[ndarray, "moment 3 3"]
    """Global orientation; between moments no exact rotation."""

    @property
    def local(self) -> Float[ndarray, "moment 17 3"]:
        """The body's points in the pelvis's own axes: the same in every view."""
        return self.points @ self.R_cam_pelvis

    @property
    def seen(self) -> Bool[ndarray, "moment"]:
        """Whether there is evidence."""
        return self.keypoints_px[..., 2].max(-1, initial=0.0) > 0

    @property
    def mirrored(self) -> Sighting:
        """The person in the mirror of the picture, left and right exchanged; keypoints without their places."""
        flip = np.diag([-1.0, 1.0, 1.0])
        return replace(
            self,
            keypoints_px=self.keypoints_px[:, SWAP],
            points=self.points[:, SWAP] @ flip,
            pelvis=self.pelvis @ flip,
            R_cam_pelvis=flip @ self.R_cam_pelvis @ flip,
        )

    def at(self, times: Float[ndarray, "other"]) -> Sighting:
        """The same at other times, in straight lines between neighbours; unseen where there are none."""
        after = np.searchsorted(self.times, times).clip(1, max(len(self.times) - 1, 1))
        before, after = after - 1, after.clip(max=len(self.times) - 1)
        gap = self.times[after] - self.times[before]
        share = ((times - self.times[before]) / np.where(gap > 0, gap, 1.0)).clip(0, 1)
        moved = {}
        for each in fields(self):
            if each.name != "times":
                array = getattr(self, each.name)
                s = share.reshape(-1, *[1] * (array.ndim - 1))
                moved[each.name] = (1 - s) * array[before] + s * array[after]
        inside = (times >= self.times[0]) & (times <= self.times[-1]) & (gap <= LONGEST_GAP)
        sure = np.minimum(self.keypoints_px[before, :, 2], self.keypoints_px[after, :, 2])
        moved["keypoints_px"][..., 2] = sure * inside[:, None]
        return Sighting(times=times, **moved)
