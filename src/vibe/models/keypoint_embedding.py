"""2D keypoints as evidence: seen from the crop, and embedded as one feature vector a frame."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from vibe import cameras, skeletons
from vibe.records import Observation

LEAST_CONFIDENCE = 0.1
"""Below it a keypoint counts as unseen."""


def observe(
    keypoints_px: Float[Tensor, "*b time 17 3"], box_px: Float[Tensor, "*b time 4"], K_px: Float[Tensor, "*k 3 3"]
) -> Observation:
    """Keypoints as rays of the camera, seen by a view that looks at the box's centre, over half the crop's side."""
    R_crop_cam, centre, half_side = cameras.crop_view(box_px, K_px)
    seen = cameras.rays(keypoints_px[..., :2], K_px) @ R_crop_cam.mT
    place = seen[..., :2] / (seen[..., 2:].clamp_min(0.05) * half_side[..., None, None])
    keypoints = torch.cat([place.clamp(-3, 3), keypoints_px[..., 2:]], -1)
    keypoints = keypoints * (keypoints[..., 2:] >= LEAST_CONFIDENCE)
    return Observation(keypoints, torch.cat([centre[..., :2], half_side.log()[..., None]], -1))


def mirror_observation(observation: Observation) -> Observation:
    """The same evidence in a mirror: x negated, left and right exchanged."""
    flip = torch.tensor([-1.0, 1.0, 1.0], device=observation.box.device)
    return Observation(observation.keypoints[..., skeletons.mirrored(skeletons.COCO), :] * flip, observation.box * flip)


@dataclass(frozen=True)
class EmbeddingConfig:
    """Sizes of the keypoint embedding."""

    features: int = 512
    """Width of the feature vector, in place of ResNet-50's 2048."""
    blocks: int = 2
    """Residual blocks of two layers each."""


class KeypointEmbedding(nn.Module):
    """One frame's keypoints and box as a feature vector, in place of ResNet-50's (the paper, section 3.1)."""

    def __init__(self, config: EmbeddingConfig) -> None:
        super().__init__()
        width = config.features
        self.first = nn.Linear(len(skeletons.COCO) * 3 + 3, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
            for _ in range(config.blocks)
        )

    def forward(self, observation: Observation) -> Float[Tensor, "*b time feature"]:
        features = self.first(torch.cat([observation.keypoints.flatten(-2), observation.box], -1))
        for block in self.blocks:
            features = features + block(features)
        return features
