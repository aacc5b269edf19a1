#!/usr/bin/env bash
# C3D, points that were not seen, c3d 0.6.0 and ezc3d 1.7.2. Whatever place c3d's writer is given for a point of residual -1,
# it writes the place of the frame before, and its reader gives that back with residual -1 and 127 as the camera byte, where
# its documentation says -1: who looks at x, y, z alone sees a marker that stops. ezc3d writes NaN with residual 0, which
# says "filled in", and that is what it reads back; c3d makes the origin and residual -1 of it. Go by NaN in ezc3d, by a
# residual below 0 in c3d, and never by the place.
# Prints what each reads of each; exits with 1 if all four readings of the gap are alike.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet c3d==0.6.0 ezc3d==1.7.2 numpy==2.4.6
cat > "$place/gap.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

import c3d
import ezc3d
import numpy as np

warnings.filterwarnings("ignore", message="No analog data")
FRAMES, RATE, UNSEEN = 5, 100.0, (2, 3)
track = np.stack([np.arange(FRAMES) * 10.0, np.full(FRAMES, 50.0), np.full(FRAMES, 900.0)], axis=1)  # one marker, mm
track[list(UNSEEN)] = np.nan


def write_with_c3d(path):
    writer, no_analog = c3d.Writer(point_rate=RATE), np.zeros((0, 0), np.float32)
    writer.set_point_labels(["toe"])
    unseen = np.array([[0, 0, 0, -1, -1]], np.float32)  # as the documentation describes such a point
    seen = [np.array([[*point, 0, 0]], np.float32) for point in track]
    writer.add_frames([(unseen if index in UNSEEN else seen[index], no_analog) for index in range(FRAMES)])
    with open(path, "wb") as handle:
        writer.write(handle)


def write_with_ezc3d(path):
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [RATE]
    file["parameters"]["POINT"]["LABELS"]["value"] = ("toe",)
    file["data"]["points"] = np.vstack([track.T, np.ones((1, FRAMES))])[:, None]
    file.write(path)


def read_with_c3d(path):
    with open(path, "rb") as handle:
        return [points[0].round(3).tolist() for _, points, _ in c3d.Reader(handle).read_frames()]


def read_with_ezc3d(path):
    data = ezc3d.c3d(path)["data"]
    residuals = data["meta_points"]["residuals"][0, 0]
    return [[*point, residual] for point, residual in zip(data["points"][:3, 0].T.tolist(), residuals.tolist(), strict=True)]


print("c3d", version("c3d"), "ezc3d", version("ezc3d"))
found = set()
for write in (write_with_c3d, write_with_ezc3d):
    write("gap.c3d")
    for read in (read_with_c3d, read_with_ezc3d):
        rows = read("gap.c3d")
        found.add(str([row[:4] for row in rows]))
        print(f"{write.__name__}, {read.__name__}: x, y, z, residual, camera byte")
        for index, row in enumerate(rows):
            print(f"  frame {index + 1} {'not seen' if index in UNSEEN else 'seen':8} {row}")
sys.exit(len(found) == 1)
PROGRAM
cd "$place"
"$python" gap.py
