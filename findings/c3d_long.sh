#!/usr/bin/env bash
# C3D of more than 65,535 frames (nine minutes at 120 a second), ezc3d 1.7.2 and c3d 0.6.0 with numpy 2.4.6: ezc3d writes the
# points of all frames but says 65,535 in header and parameters, so that reading its own file loses the rest without a
# word, and c3d reads no frame of it (its count overflows; warnings only). c3d's writer names the true last frame
# (TRIAL:ACTUAL_END_FIELD) and reads it back, but ezc3d reads on to the file's end: the padding of the last block becomes
# frames with the marker at the origin. Compare the count before and after, or cut takes.
# Prints what each reads of each; exits with 1 if both read all frames, and no more, of both files.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet c3d==0.6.0 ezc3d==1.7.2 numpy==2.4.6
cat > "$place/count.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version
from pathlib import Path

import c3d
import ezc3d
import numpy as np

FRAMES, RATE = 70_000, 120.0
place = Path(sys.argv[1])
warnings.filterwarnings("ignore", message="No analog data")
track = np.full((3, FRAMES), 1000.0)
track[0] = np.arange(FRAMES) / 100  # the one marker moves along x


def write_with_ezc3d(path):
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [RATE]
    file["parameters"]["POINT"]["LABELS"]["value"] = ("toe",)
    file["data"]["points"] = np.vstack([track, np.ones((1, FRAMES))])[:, None]
    file.write(str(path))


def write_with_c3d(path):
    writer, no_analog = c3d.Writer(point_rate=RATE), np.zeros((0, 0), np.float32)
    writer.set_point_labels(["toe"])
    writer.add_frames([(np.array([[*point, 0, 0]], np.float32), no_analog) for point in track.T])
    with open(path, "wb") as handle:
        writer.write(handle)


def read_with_ezc3d(path):
    return ezc3d.c3d(str(path))["data"]["points"][:3, 0].T


def read_with_c3d(path):
    with open(path, "rb") as handle:
        return np.array([points[0, :3] for _, points, _ in c3d.Reader(handle).read_frames()])


print("ezc3d", version("ezc3d"), "c3d", version("c3d"))
right = 0
for write in (write_with_ezc3d, write_with_c3d):
    path = place / f"{write.__name__}.c3d"
    write(path)
    print(f"{write.__name__}: {FRAMES} frames of 16 bytes, file of {path.stat().st_size} bytes")
    for read in (read_with_ezc3d, read_with_c3d):
        points = read(path).round(2)
        right += len(points) == FRAMES
        beyond = f", the last at x {points[-1][0]:.2f}, z {points[-1][2]:.2f}" if len(points) else ""
        print(f"  {read.__name__}: {len(points)} frames{beyond} (written: {FRAMES}, x {track[0, -1]:.2f}, z {track[2, -1]:.2f})")
sys.exit(right == 4)
PROGRAM
"$python" "$place/count.py" "$place"
