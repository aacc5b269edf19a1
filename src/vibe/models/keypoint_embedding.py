"""A pose model's points as evidence: seen from the crop, and embedded as one feature vector a frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from vibe import cameras, skeletons
from vibe.records import Observation

LEAST_CONFIDENCE = 0.1
"""Below it a keypoint counts as unseen."""


def detected_points(
    keypoints_px: Float[Tensor, "*b time 17 3"], landmarks: Float[Tensor, "*b time 33 8"] | None
) -> Float[Tensor, "*b time 27 6"]:
    """The keypoints and, behind them, the landmarks' hands and feet: x, y in pixels; place in space; confidence.

    Without landmarks, and in frames without a keypoint, hands, feet and places are all 0.
    """
    points = keypoints_px.new_zeros(*keypoints_px.shape[:-2], len(skeletons.DETECTED27), 6)
    if landmarks is not None:
        seen = (keypoints_px[..., 2] > 0).any(-1)[..., None, None]
        chosen = landmarks[..., skeletons.index(skeletons.BLAZEPOSE, skeletons.DETECTED27), :].to(points) * seen
        points = torch.cat([chosen[..., :5], chosen[..., 5:].prod(-1, keepdim=True)], -1)
    points[..., : len(skeletons.COCO), [0, 1, 5]] = keypoints_px
    return points


def observe(
    keypoints_px: Float[Tensor, "*b time point 3"], box_px: Float[Tensor, "*b time 4"], K_px: Float[Tensor, "*k 3 3"],
    places: Float[Tensor, "*b time 27 3"] | None = None,
) -> Observation:  # fmt: skip
    """Keypoints as rays of the camera, seen by a view that looks at the box's centre, over half the crop's side.

    They are COCO's 17 or all 27; `places` are in the axes of a view that looks at the person, metres.
    """
    missing = len(skeletons.DETECTED27) - keypoints_px.shape[-2]
    keypoints_px = functional.pad(keypoints_px, (0, 0, 0, missing))
    places = torch.zeros_like(keypoints_px) if places is None else places.clamp(-2, 2)
    R_crop_cam, centre, half_side = cameras.crop_view(box_px, K_px)
    seen = cameras.rays(keypoints_px[..., :2], K_px) @ R_crop_cam.mT
    place = seen[..., :2] / (seen[..., 2:].clamp_min(0.05) * half_side[..., None, None])
    keypoints = torch.cat([place.clamp(-3, 3), keypoints_px[..., 2:].clamp_max(1.0)], -1)
    keypoints = keypoints * (keypoints[..., 2:] >= LEAST_CONFIDENCE)
    return Observation(keypoints, places, torch.cat([centre[..., :2], half_side.log()[..., None]], -1))


def mirror_observation(observation: Observation) -> Observation:
    """The same evidence in a mirror: x negated, left and right exchanged."""
    flip = torch.tensor([-1.0, 1.0, 1.0], device=observation.box.device)
    other = skeletons.mirrored(skeletons.DETECTED27)
    keypoints, places = (each[..., other, :] * flip for each in (observation.keypoints, observation.places))
    return Observation(keypoints, places, observation.box * flip)


@dataclass(frozen=True)
class EmbeddingConfig:
    """Sizes of the keypoint embedding."""

    features: int = 512
    """Width of the feature vector, in place of ResNet-50's 2048."""
    blocks: int = 2
    """Residual blocks of two layers each."""


class KeypointEmbedding(nn.Module):
    """One frame's evidence as a feature vector, in place of ResNet-50's (the paper, section 3.1)."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        width = config.features
        self.first = nn.Linear(len(skeletons.DETECTED27) * 6 + 3, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(config.blocks)
        )

    def forward(self, observation: Observation) -> Float[Tensor, "*b time feature"]:
        read = observation.keypoints.flatten(-2), observation.box, observation.places.flatten(-2)
        features = self.first(torch.cat(read, -1))
        for block in self.blocks:
            features = features + block(features)
        return features
