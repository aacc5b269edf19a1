#!/usr/bin/env bash
# pupyc3d 0.1.3, C3D whose points are stored as integers, which by the format are signed and to be multiplied by POINT:SCALE:
# it reads them as unsigned, so that every negative coordinate comes out 65,536 steps too high. With a scale of 0.1 mm a
# marker at -250 mm stands at 6303.6 mm, and the residual -1 of a point that was not seen becomes 6553.5, so that it counts
# as seen. c3d 0.6.0 and ezc3d 1.7.2 read the same file right. No error, no warning.
# Subtract 65,536 steps from what lies above 32,767, or read with another. Prints what each reads; exits with 1 if that changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pupyc3d==0.1.3 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cat > "$place/signs.py" <<'PROGRAM'
import struct
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import c3d
import ezc3d
import numpy as np
import pupyC3D

FRAMES, RATE, SCALE, BLOCK = 5, 100.0, 0.1, 512
track = np.stack([np.linspace(-250, 150, FRAMES), np.full(FRAMES, 40.0), np.full(FRAMES, 900.0)], axis=1)  # mm
UNSEEN = 3


def parameter(group, name, kind, dims, data):
    body = struct.pack("bB", kind, len(dims)) + bytes(dims) + data + b"\0"
    return struct.pack("bb", len(name), group) + name + struct.pack("<H", len(body) + 2) + body


def write_integers(path):
    """One marker, header and parameters in blocks 1 and 2, the points as 16-bit integers from block 3 on."""
    header = struct.pack("<BB5HfHHf", 2, 80, 1, 0, 1, FRAMES, 0, SCALE, 3, 0, RATE)
    parameters = struct.pack("4B", 1, 80, 1, 84) + struct.pack("bb", 5, -1) + b"POINT" + struct.pack("<HB", 3, 0)
    for name, kind, dims, data in (
        (b"USED", 2, (), struct.pack("<h", 1)), (b"FRAMES", 2, (), struct.pack("<h", FRAMES)),
        (b"SCALE", 4, (), struct.pack("<f", SCALE)), (b"RATE", 4, (), struct.pack("<f", RATE)),
        (b"DATA_START", 2, (), struct.pack("<h", 3)), (b"UNITS", -1, (2,), b"mm"), (b"LABELS", -1, (4, 1), b"KNEE"),
        (b"DESCRIPTIONS", -1, (4, 1), b"knee"),
    ):  # fmt: skip
        parameters += parameter(1, name, kind, dims, data)
    parameters += struct.pack("bb", 6, -2) + b"ANALOG" + struct.pack("<HB", 3, 0)
    parameters += parameter(2, b"USED", 2, (), struct.pack("<h", 0)) + b"\0\0"
    steps = np.round(track / SCALE).astype("<i2")
    points = np.concatenate([steps, np.zeros((FRAMES, 1), "<i2")], axis=1)
    points[UNSEEN] = 0, 0, 0, -1
    with open(path, "wb") as file:
        file.write(b"".join(part.ljust(BLOCK, b"\0") for part in (header, parameters, points.tobytes())))


def by_c3d(path):
    with open(path, "rb") as handle:
        points = np.array([points[0, :4] for _, points, _ in c3d.Reader(handle).read_frames()])
    return points[:, 0], points[:, 3] >= 0


def by_ezc3d(path):
    data = ezc3d.c3d(path)["data"]
    return data["points"][0, 0], data["meta_points"]["residuals"][0, 0] >= 0


def by_pupyc3d(path):
    points = pupyC3D.C3DFile(path).get_point_data("KNEE")
    return points[:, 0], points[:, 3] >= 0


print(*(f"{name} {version(name)}" for name in ("pupyc3d", "c3d", "ezc3d", "numpy")))
write_integers("knee.c3d")
seen = np.arange(FRAMES) != UNSEEN
print("written: x", track[seen, 0].tolist(), "seen", seen.tolist())
wrong = {}
for reader in (by_c3d, by_ezc3d, by_pupyc3d):
    x, found = reader("knee.c3d")
    wrong[reader] = np.abs(np.asarray(x, float)[seen] - track[seen, 0]) > 0.01, found != seen
    print(f"{reader.__name__}: x {np.round(np.asarray(x, float)[seen], 1).tolist()} seen {found.tolist()}")
assert not any(np.any(part) for reader in (by_c3d, by_ezc3d) for part in wrong[reader])
x_wrong, seen_wrong = wrong[by_pupyc3d]
sys.exit(not (np.array_equal(x_wrong, track[seen, 0] < 0) and seen_wrong.any()))
PROGRAM
cd "$place"
"$python" signs.py
