"""How well the standard deviations of joints tell their errors, on the rendered clips of `benchmarks/rendered.py`.

    python benchmarks/uncertainty.py [--clips 80] [--subjects held-out|training|procedural] [--cache runs/rendered]
        [--table FILE]

Errors are those of the 23 joints about the pelvis, and of the pelvis's place before the camera, along the two axes
across the line of sight and along it. Asked of joints: 0.60 to 0.76 within one deviation, 0.92 to 0.98 within two, and
an error of 0.75 of the whole where the fifth with the largest deviations is left out.
"""

from __future__ import annotations

import numpy as np
import rendered
import report
import tyro
from jaxtyping import Float
from numpy import ndarray

from vibe.body.load import load_body
from vibe.evaluate.scores import WHOLE
from vibe.models.network import load_network
from vibe.motion import Motion
from vibe.parallel import one_thread

REMOVED = 0.2
"""Share of joints, those with the largest deviations, that are left out."""


def errors(found: Motion, true: Float[ndarray, "time 24 3"]) -> Float[ndarray, "time 24 3"]:
    """Of places about the pelvis, and of its own: along two axes across the line of sight, and along it; metres."""
    off = found.joints_cam - true
    off[:, 1:] -= off[:, :1]
    sight = found.joints_cam / np.linalg.norm(found.joints_cam, axis=-1, keepdims=True)
    aside = np.cross(sight, [0.0, 1.0, 0.0])
    aside /= np.linalg.norm(aside, axis=-1, keepdims=True)
    return np.stack([(off * axis).sum(-1) for axis in (aside, np.cross(sight, aside), sight)], -1)


def cells(off: Float[ndarray, "time 24 3"], std: Float[ndarray, "time 24 2"]) -> list[float | str]:
    """Mean error in mm, shares within one and two deviations across and along, and the error that is left."""
    ratio = np.abs(off) / std[..., [0, 0, 1]]
    parts = [ratio[:, 1:, :2], ratio[:, 1:, 2], ratio[:, :1, :2], ratio[:, :1, 2]]
    length, doubt = (np.linalg.norm(each[:, 1:], axis=-1).ravel() for each in (off, std[..., [0, 0, 1]]))
    left = length[doubt <= np.quantile(doubt, 1 - REMOVED)].mean() / length.mean()
    return [
        1000 * length.mean(),
        *(f"{(part < 1).mean():.2f} / {(part < 2).mean():.2f}" for part in parts),
        f"{left:.2f}",
    ]


def main(options: rendered.Options) -> None:
    network, body, after = load_network(options.weights), load_body(), rendered.compared()[-1:]
    seen: dict[str, list[tuple[ndarray, ndarray]]] = {WHOLE: []} | {kind: [] for kind in rendered.KINDS}
    with one_thread():
        for plan in rendered.plans(options.clips, options.subjects):
            one = rendered.take(plan, body, options.cache)
            found = rendered.estimates(one, network, body, after).get(f"{after[-1].name} + {rendered.WORLD}")
            if found is None or found.joints_std is None:
                continue
            both = errors(found, one.motion.joints_cam[found.frames]), found.joints_std
            for part in (WHOLE, plan.kind):
                seen[part].append(both)
    rows = []
    for part, each in seen.items():
        off, std = (np.concatenate(arrays) for arrays in zip(*each, strict=True))
        rows.append([part, len(off), *cells(off, std)])
    head = ["joints across", "joints along", "pelvis across", "pelvis along"]
    report.table(
        f"How sure each joint is, on rendered clips of {options.subjects} subjects",
        ["clips", "frames", "MPJPE mm", *(f"{name}, within 1 / 2 std" for name in head), "error left"],
        rows,
        f"{options.clips} clips; error left: of the surer four fifths of joints, over that of all; weights "
        f"{network.about.name} {network.about.sha256[:12]}",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(rendered.Options, description=__doc__))
