"""Skin weights spread over shoulders and hips, so that the skin there bends instead of folding."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float, Int
from scipy.sparse import coo_matrix, csr_matrix, diags

from vibe.skeletons import SMPL

JOINTS = ("left_hip", "right_hip", "left_shoulder", "right_shoulder")
ROUNDS = 10
RATE = 0.7
REACH = 6
"""Rings of vertices around the seam of a joint that are softened with it."""
CARRIERS = 6
"""Joints that may carry a vertex; more where left and right tie."""


def soften(weights: Float[np.ndarray, "vertex 24"], faces: Int[np.ndarray, "face 3"]) -> Float[np.ndarray, "vertex 24"]:
    """Averages the weights of neighbours around the ball joints, a few times; rows sum to 1."""
    mean = _neighbours(len(weights), faces)
    carried = weights[:, [SMPL.index(name) for name in JOINTS]]
    where = ((carried * (1 - carried)).sum(1) > 0.0125).astype(float)
    for _ in range(REACH):
        where = np.maximum(where, mean @ where)
    for _ in range(ROUNDS):
        weights = weights + RATE * where[:, None] * (mean @ weights - weights)
    least = np.sort(weights, 1)[:, [-CARRIERS]]
    kept = np.where(weights >= least, weights, 0)
    return kept / kept.sum(1, keepdims=True)


def _neighbours(vertices: int, faces: Int[np.ndarray, "face 3"]) -> csr_matrix:
    """Takes the mean over the vertices that share an edge."""
    start, end = faces.ravel(), np.roll(faces, -1, 1).ravel()
    edges = coo_matrix((np.ones(len(start)), (start, end)), (vertices, vertices)).tocsr()
    edges = ((edges + edges.T) > 0).astype(float)
    return (diags(1 / np.asarray(edges.sum(1)).ravel().clip(1)) @ edges).tocsr()
