"""What errors of joint angles on rendered clips consist of: a constant of each person, timing, amplitude, the rest.

    python benchmarks/joint_angles.py [--clips 40] [--cache runs/rendered] [--table FILE]

The clips, and what is kept of them, are those of `rendered.py`. A left and a right joint are one series each, and what
is constant in a clip is the person's: each person is in one. Shifts and factors are fitted to the truth of each series,
so that what they take away is the most that could be.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import rendered
import report
import tyro
from jaxtyping import Float
from numpy import ndarray

from vibe.arrays import as_numpy
from vibe.body.load import load_body
from vibe.body.record import Body
from vibe.evaluate.metrics import ANGLES
from vibe.evaluate.scores import systems
from vibe.models.network import load_network
from vibe.motion.joint_angles import SIDES
from vibe.parallel import one_thread

SHIFTS = np.arange(-5, 5.25, 0.25)
"""Frames by which a series is moved in time."""
STANDING_DEG = {"hip_flexion": (-22, 14), "knee_flexion": (-10, 18), "ankle_dorsiflexion": (-13, 23)}
"""True angles of a leg that is as those of people who stand."""
LEAST_FRAMES = 5
"""In which somebody stands like that, for a calibration."""
HEAD = (
    "flexion", "series", "RMS", "less all people's mean", "less each one's mean", "and shifted", "and stretched",
    "and both", "amplitude kept", "true range", "error at the least tenth", "at the greatest tenth",
    "series that stand", "their other frames: RMS", "less their error while standing",
)  # fmt: skip


@dataclass(frozen=True)
class Options:
    clips: int = 40
    cache: Path = Path("runs/rendered")
    table: Path | None = None


@dataclass(frozen=True)
class Pair:
    """One joint's flexion through one clip, degrees, as it was found and as it is."""

    found: Float[ndarray, "time"]
    true: Float[ndarray, "time"]
    stands: Float[ndarray, "time"]
    """Whether the leg of that side is as standing people's."""

    @property
    def off(self) -> Float[ndarray, "time"]:
        return self.found - self.true


def pairs(options: Options, body: Body) -> Iterator[tuple[str, Pair]]:
    """Each joint of each clip in which the person was found throughout, by the angle's name."""
    network, whole = load_network(None), systems()[-1:]
    with one_thread():
        for plan in rendered.plans(options.clips):
            one = rendered.take(plan, body, options.cache)
            motion = rendered.estimates(one, network, body, whole).get(f"{whole[0].name} + {rendered.WORLD}")
            if motion is None or len(motion) != len(one.motion):
                continue
            found, true = (each.joint_angles(as_numpy(body)) for each in (motion, as_numpy(one.motion)))
            for side in SIDES:
                own = {name: true[f"{side}_{name}"].values[:, 0] for name in {*ANGLES, *STANDING_DEG}}
                stands = np.all([(own[n] > low) & (own[n] < high) for n, (low, high) in STANDING_DEG.items()], 0)
                for name in ANGLES:
                    off = (found[f"{side}_{name}"].values[:, 0] - own[name] + 180) % 360 - 180
                    yield name, Pair(own[name] + off, own[name], stands)


def rms(parts: list[Float[ndarray, "_"]]) -> float:
    """Over all frames of all series."""
    return float(np.sqrt(np.mean(np.concatenate(parts) ** 2)))


def left(pair: Pair, shift: float, stretch: bool) -> Float[ndarray, "_"]:
    """What a shift in time, and the best factor, leave of the error about its mean, but for the ends."""
    rows, edge = np.arange(len(pair.true)), int(SHIFTS[-1])
    found, true = np.interp(rows + shift, rows, pair.found)[edge:-edge], pair.true[edge:-edge]
    found, true = found - found.mean(), true - true.mean()
    return (found @ true / max(found @ found, 1e-9) if stretch else 1) * found - true


def row(name: str, series: list[Pair]) -> list[object]:
    """What `HEAD` names."""
    every = np.concatenate([pair.off for pair in series])
    cells: list[object] = [name, len(series), rms([every]), rms([every - every.mean()])]
    cells.append(rms([pair.off - pair.off.mean() for pair in series]))
    for shifts, stretch in ((SHIFTS, False), (np.zeros(1), True), (SHIFTS, True)):
        tried = [[left(pair, shift, stretch) for shift in shifts] for pair in series]
        cells.append(rms([min(each, key=lambda part: float(part @ part)) for each in tried]))
    found, true = (np.concatenate([x - x.mean() for x in each]) for each in zip(*((p.found, p.true) for p in series)))
    cells += [f"{found @ true / (true @ true):.2f}", float(np.mean([np.ptp(pair.true) for pair in series]))]
    level = np.concatenate([pair.true for pair in series])
    low, high = np.quantile(level, [0.1, 0.9])
    cells += [float(every[level <= low].mean()), float(every[level >= high].mean())]
    stood = [pair for pair in series if min(pair.stands.sum(), (~pair.stands).sum()) >= LEAST_FRAMES]
    cells += [len(stood), rms([pair.off[~pair.stands] for pair in stood])]
    return [*cells, rms([(pair.off - pair.off[pair.stands].mean())[~pair.stands] for pair in stood])]


def main(options: Options) -> None:
    series: dict[str, list[Pair]] = {}
    for name, pair in pairs(options, load_body()):
        series.setdefault(name, []).append(pair)
    report.table(
        "Errors of joint angles on rendered clips, taken apart",
        HEAD,
        [row(name, series[name]) for name in ANGLES],
        f"{options.clips} clips of held-out subjects, network + fit + light + world; degrees. Errors are what was "
        "found less the truth; amplitude kept is the slope of what was found over the truth, about each one's mean",
        options.table,
    )


if __name__ == "__main__":
    main(tyro.cli(Options, description=__doc__))
