"""A coarse mesh out of a fine one by collapsing edges; its vertices are some of the fine one's.

The cost of a collapse is the quadric error of Garland and Heckbert, "Surface Simplification Using Quadric Error
Metrics" (1997). Since vertices only vanish and never move, every attribute of the fine mesh serves the coarse one.
"""

from __future__ import annotations

import heapq

import numpy as np
from jaxtyping import Float, Int

EVEN = 1e-4
"""Weight of the squared edge length beside the quadric error: keeps flat places from emptying."""
HOLD = 0.02
"""Weight of a change of attributes along the edge."""
FLIP = 0.2
"""Least cosine between a triangle's normal before and after."""


def symmetric(
    points: Float[np.ndarray, "vertex 3"],
    faces: Int[np.ndarray, "face 3"],
    attributes: Float[np.ndarray, "vertex n"],
    mirror: Int[np.ndarray, "vertex"],
    wanted: int,
) -> tuple[Int[np.ndarray, "kept"], Int[np.ndarray, "coarse 3"]]:
    """About `wanted` of the vertices (increasing) and the triangles between them, left and right alike.

    No triangle may cross the plane x = 0, and the vertices on it must be their own mirror images.
    """
    middle = mirror == np.arange(len(points))
    half = faces[points[faces][..., 0].mean(1) > 0]
    mesh = _Mesh(points, half, attributes, middle)
    mesh.collapse(wanted // 2 + int(middle.sum()) // 4)
    left = np.array(sorted(mesh.triangles()))
    both = np.concatenate([left, mirror[left][:, ::-1]])
    kept = np.unique(both)
    return kept, np.searchsorted(kept, both)


class _Mesh:
    """Triangles that shrink; `middle` vertices stay in the middle."""

    def __init__(self, points, faces, attributes, middle):
        self.points, self.attributes, self.middle = points, attributes, middle
        self.faces = {index: tuple(int(corner) for corner in face) for index, face in enumerate(faces)}
        self.around: dict[int, set[int]] = {}
        for index, face in self.faces.items():
            for corner in face:
                self.around.setdefault(corner, set()).add(index)
        self.quadric = {vertex: np.zeros((4, 4)) for vertex in self.around}
        for face in self.faces.values():
            normal = self._normal(face)
            area = np.linalg.norm(normal)
            plane = np.append(normal, -normal @ points[face[0]]) / max(area, 1e-15)
            for corner in face:
                self.quadric[corner] += area * np.outer(plane, plane)
        self.stamp = dict.fromkeys(self.around, 0)

    def triangles(self) -> list[tuple[int, ...]]:
        """Those that are left."""
        return list(self.faces.values())

    def collapse(self, wanted: int) -> None:
        """Cheapest collapse first, until `wanted` vertices are left or none can go."""
        heap = [entry for vertex in self.around for entry in self._offers(vertex)]
        heapq.heapify(heap)
        while heap and len(self.around) > wanted:
            _, gone, kept, stamp = heapq.heappop(heap)
            if gone not in self.around or kept not in self.around or stamp != self.stamp[gone] + self.stamp[kept]:
                continue
            if not self._allowed(gone, kept):
                continue
            near = self._neighbours(gone) - {kept}
            self._merge(gone, kept)
            self.stamp[kept] += 1
            for vertex in near | {kept}:
                for entry in self._offers(vertex, both=vertex == kept):
                    heapq.heappush(heap, entry)

    def _offers(self, vertex: int, both: bool = False):
        for other in self._neighbours(vertex):
            for gone, kept in ((vertex, other), (other, vertex)) if both else ((vertex, other),):
                yield self._cost(gone, kept), gone, kept, self.stamp[gone] + self.stamp[kept]

    def _cost(self, gone: int, kept: int) -> float:
        target = self.points[kept]
        edge = self.points[gone] - target
        span = float(edge @ edge)
        quadric = self.quadric[gone] + self.quadric[kept]
        error = target @ quadric[:3, :3] @ target + 2 * quadric[3, :3] @ target + quadric[3, 3]
        change = self.attributes[gone] - self.attributes[kept]
        return float(error + span**2 * (EVEN + HOLD * float(change @ change)))

    def _neighbours(self, vertex: int) -> set[int]:
        return {corner for index in self.around[vertex] for corner in self.faces[index]} - {vertex}

    def _normal(self, face):
        a, b, c = self.points[list(face)]
        return np.cross(b - a, c - a)

    def _allowed(self, gone: int, kept: int) -> bool:
        """The middle keeps its vertices among themselves, no triangle turns over, the surface stays one sheet."""
        shared = self.around[gone] & self.around[kept]
        if self.middle[gone] and not (self.middle[kept] and len(shared) == 1):
            return False
        common = self._neighbours(gone) & self._neighbours(kept)
        if not shared or len(common) != len(shared) or len(self.around[gone]) == len(shared):
            return False
        for index in self.around[gone] - shared:
            face = self.faces[index]
            before, after = self._normal(face), self._normal([kept if corner == gone else corner for corner in face])
            sizes = np.linalg.norm(before) * np.linalg.norm(after)
            if before @ after <= FLIP * sizes:
                return False
        return True

    def _merge(self, gone: int, kept: int) -> None:
        for index in self.around.pop(gone):
            face = self.faces[index]
            if kept in face:
                for corner in face:
                    if corner != gone:
                        self.around[corner].discard(index)
                del self.faces[index]
            else:
                self.faces[index] = tuple(kept if corner == gone else corner for corner in face)
                self.around[kept].add(index)
        self.quadric[kept] = self.quadric[kept] + self.quadric.pop(gone)
