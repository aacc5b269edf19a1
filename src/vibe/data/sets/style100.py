"""100STYLE: one person walking, running, standing and turning in a hundred styles, as BVH."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from vibe.data.recording import RawJob, RawSet, Recording
from vibe.data.sets.bvh import read_bvh
from vibe.data.sets.mocap import RECIPE, Capture, below, part, take
from vibe.data.sets.retarget import Rig, both_sides, to_smpl

CENTIMETRE = 0.01
CUTS = "Frame_Cuts.csv"
LAYOUT = f"{CUTS} and STYLE/STYLE_GAIT.bvh, as in Angry/Angry_FW.bvh (unpack 100STYLE.zip)"
RIG = Rig(
    drivers={"pelvis": "Hips", "spine1": "Chest", "spine2": "Chest2", "spine3": "Chest4"}
    | {"neck": "Neck", "head": "Head"}
    | both_sides(
        {
            "{side}_hip": "{Side}Hip",
            "{side}_knee": "{Side}Knee",
            "{side}_ankle": "{Side}Ankle",
            "{side}_foot": "{Side}Toe",
            "{side}_collar": "{Side}Collar",
            "{side}_shoulder": "{Side}Shoulder",
            "{side}_elbow": "{Side}Elbow",
            "{side}_wrist": "{Side}Wrist",
        }
    )
)
"""The zero pose is a T-pose. Its spine has a joint more than SMPL's: Chest3 turns with Chest4."""


def cuts(raw: Path) -> dict[str, tuple[int, int]]:
    """First frame and the one after the last to keep of each clip, by the clip's name; the rest is T-poses and walking
    on and off. Raises FileNotFoundError, or ValueError for a table of another kind."""
    path = raw / CUTS
    if not path.is_file():
        raise FileNotFoundError(f"{path} is not there: {raw} should hold {LAYOUT}")
    found = {}
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
            rows = csv.DictReader(file)
            names, table = rows.fieldnames or (), list(rows)
    except csv.Error as error:
        raise ValueError(f"{path} is no table ({error}): copy it again") from error
    if "STYLE_NAME" not in names:
        raise ValueError(f"{path} has no column STYLE_NAME but {', '.join(names)[:80]}: copy it again")
    for row in table:
        for column in names:
            gait, _, end = column.partition("_")
            start, stop = (str(row.get(name)).strip() for name in (column, f"{gait}_STOP"))
            if end == "START" and start.isdecimal() and stop.isdecimal() and len(start + stop) < 20:
                found[f"{str(row['STYLE_NAME']).strip()}_{gait}"] = int(start), int(stop)
    return found


def _cut(capture: Capture, cut: tuple[int, int] | None) -> Capture:
    if cut is None or not cut[0] < cut[1] <= len(capture.turns) + 1:
        seen = "no frames" if cut is None else f"frames {cut[0]} to {cut[1]}"
        raise ValueError(
            f"{capture.path} has {len(capture.turns)} frames, and {CUTS} keeps {seen} of it: one of them is wrong"
        )
    return part(capture, slice(*cut))


def _files(raw: Path) -> list[Path]:
    return below(raw, "*.bvh", LAYOUT)


def _read(path: Path, cut: tuple[int, int] | None) -> Iterator[Recording]:
    capture = _cut(read_bvh(path, CENTIMETRE), cut)
    rotmat, pelvis = to_smpl(capture, RIG)
    yield take(path.stem, rotmat, pelvis, capture.fps, subject="100style")


def _jobs(raw: Path) -> Iterator[RawJob]:
    files, keep = _files(raw), cuts(raw)
    for path in files:
        yield RawJob(path.stem, partial(_read, path, keep.get(path.stem)))


def _sources(raw: Path) -> Iterable[Path]:
    return [raw / CUTS, *_files(raw)]


STYLE100 = RawSet(
    title="100STYLE",
    licence=(
        "100STYLE, by Ian Mason, Sebastian Starke and Taku Komura (2022): CC BY 4.0, free for any use that names them."
    ),
    layout=LAYOUT,
    jobs=_jobs,
    sources=_sources,
    recipe=RECIPE | {"cuts": CUTS, "splits": "none by its owner: all for training"},
)
