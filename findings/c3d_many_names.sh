#!/usr/bin/env bash
# C3D of more than 255 points, as of a body's surface or of two people's markers. The names beyond 255 stand in LABELS2, as
# ezc3d 1.7.2 writes them and kineticstoolkit 0.17.0 reads them. c3d 0.6.0 gives 300 points a frame and 255 names, so that
# who pairs the two leaves 45 markers out without a word, and its writer stops with struct.error at 256 names. pyomeca
# 2026.0.2 cannot read such a file (ValueError). Read LABELS2, LABELS3 and so on yourself, or compare the counts.
# Prints what each reads of one file and what c3d writes; exits with 1 if all have 300 names.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet kineticstoolkit==0.17.0 pyomeca==2026.0.2 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cat > "$place/many.py" <<'PROGRAM'
import struct
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import c3d
import ezc3d
import kineticstoolkit.lab as ktk
import numpy as np
import pyomeca

COUNT, FRAMES = 300, 5
NAMES = [f"m{index}" for index in range(COUNT)]
file = ezc3d.c3d()
point = file["parameters"]["POINT"]
point["RATE"]["value"], point["UNITS"]["value"], point["LABELS"]["value"] = [100.0], ["mm"], tuple(NAMES)
file["data"]["points"] = np.ones((4, COUNT, FRAMES))
file.write("many.c3d")


def by_ezc3d():
    point = ezc3d.c3d("many.c3d")["parameters"]["POINT"]
    return [name for key in ("LABELS", "LABELS2") for name in point[key]["value"]]


def by_ktk():
    return list(ktk.read_c3d("many.c3d")["Points"].data)


def by_c3d():
    with open("many.c3d", "rb") as handle:
        reader = c3d.Reader(handle)
        print(f"  points in a frame by c3d: {len(next(iter(reader.read_frames()))[1])}")
        return [name.strip() for name in reader.point_labels]


def by_pyomeca():
    return pyomeca.Markers.from_c3d("many.c3d").channel.values.tolist()


def written_by_c3d():
    writer = c3d.Writer(point_rate=100.0)
    writer.set_point_labels(NAMES)
    writer.add_frames([(np.zeros((COUNT, 5), np.float32), np.zeros((0, 0), np.float32))] * FRAMES)
    with open("copy.c3d", "wb") as handle:
        writer.write(handle)
    return NAMES


print(*(f"{name} {version(name)}" for name in ("ezc3d", "kineticstoolkit", "c3d", "pyomeca")))
right = 0
for read in (by_ezc3d, by_ktk, by_c3d, by_pyomeca, written_by_c3d):
    try:
        names = read()
        right += names == NAMES
        print(f"{read.__name__}: {len(names)} names, {names[0]} to {names[-1]}")
    except (ValueError, struct.error) as error:
        print(f"{read.__name__}: {type(error).__name__}: {str(error).splitlines()[0]}")
sys.exit(right == 5)
PROGRAM
cd "$place"
"$python" many.py
