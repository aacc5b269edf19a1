#!/usr/bin/env bash
# Pose2Sim 0.10.49, its tools for TRC. c3d_to_trc writes metres and says "mm": OpenSim 4.6 takes a knee at 0.5 m for one at
# 0.5 mm. It drops what follows the point in a rate and begins a frame late: of 600 frames at 59.94 a second the first comes at
# 0.017 s and the last at 10.169, in place of 0 and 9.993. A point that was not seen stands at the origin. trc_to_c3d takes every
# TRC for metres, also one in mm, keeps whole millimetres in 16 bits, where more than 32 m wraps round, and puts what was not seen
# at the origin, as seen. trc_desample from 120 to 50 a second keeps every second row but says 50 a second and too few frames:
# OpenSim reads 50 of 60. Write a TRC from the points of ezc3d yourself. Prints what OpenSim and ezc3d read back; exits with 1 if
# any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet opensim==4.6 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6 pandas==2.3.3
"$python" -m pip install --quiet --no-deps pose2sim==0.10.49
cat > "$place/convert.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import ezc3d
import numpy as np
import opensim
from Pose2Sim.Utilities import c3d_to_trc, trc_desample, trc_to_c3d

opensim.Logger.setLevelString("Off")
UNSEEN = 20


def write_c3d(path, rate, frames):
    """A knee that moves along x by 1 m a second, 500 mm high, and an ankle that is not seen in one frame."""
    file = ezc3d.c3d()
    point = file["parameters"]["POINT"]
    point["RATE"]["value"], point["UNITS"]["value"], point["LABELS"]["value"] = [rate], ["mm"], ("knee", "ankle")
    points = np.ones((4, 2, frames))
    points[0], points[1], points[2] = np.arange(frames) / rate * 1000, 500, 50
    points[:3, 1, UNSEEN] = np.nan
    file["data"]["points"] = points
    file.write(path)


def write_trc(path, rate, frames, unit, scale):
    """The same; scale: units in a metre."""
    header = f"{rate}\t{rate}\t{frames}\t2\t{unit}\t{rate}\t1\t{frames}"
    names = "DataRate CameraRate NumFrames NumMarkers Units OrigDataRate OrigDataStartFrame OrigNumFrames".split()
    lines = [f"PathFileType\t4\t(X/Y/Z)\t{path}", "\t".join(names), header]
    lines += ["Frame#\tTime\tknee\t\t\tankle\t\t", "\t\tX1\tY1\tZ1\tX2\tY2\tZ2"]
    for frame in range(frames):
        knee = "\t".join(f"{value * scale:.6g}" for value in (frame / rate, 0.5004, 0.05))
        lines.append(f"{frame + 1}\t{frame / rate:.6f}\t{knee}\t" + ("\t\t" if frame == UNSEEN else knee))
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


def read_trc(path):
    """By OpenSim: frames, rate, first and last time, and the places of all markers of a frame in metres."""
    data = opensim.MarkerData(path)
    data.convertToUnits(opensim.Units("m"))
    ends = [data.getFrame(frame).getFrameTime() for frame in (0, data.getNumFrames() - 1)]

    def places(frame):
        row = data.getFrame(frame)
        return [row.getMarker(marker).to_numpy().round(6).tolist() for marker in range(data.getNumMarkers())]

    return data.getNumFrames(), data.getDataRate(), ends, places


print(*(f"{name} {version(name)}" for name in ("pose2sim", "opensim", "ezc3d", "c3d", "numpy")))
write_c3d("walk.c3d", 59.94, 600)
c3d_to_trc.c3d_to_trc_func("walk.c3d")
frames, rate, (first, last), places = read_trc("walk.trc")
print(f"C3D in mm, 600 frames at 59.94, of 0 to {599 / 59.94:.3f} s: {frames} at {rate}, of {first:.3f} to {last:.3f} s")
print(f"  frame 1 in metres {places(0)}, true: height 0.5; unseen ankle {places(UNSEEN)[1]}")
as_told = rate == 59.0 and np.allclose([first, last], [1 / 59, 600 / 59], atol=1e-3)
as_told &= places(0)[0][1] == 0.0005 and places(UNSEEN)[1] == [0, 0, 0]

for unit, scale, told in (("m", 1, 500), ("mm", 1000, 500_400 - 8 * 65_536)):
    write_trc(f"{unit}.trc", 60, 60, unit, scale)
    trc_to_c3d.trc_to_c3d_func(f"{unit}.trc")
    file = ezc3d.c3d(f"{unit}.c3d")
    points, residuals = file["data"]["points"], file["data"]["meta_points"]["residuals"]
    height, residual = points[1, 0, 0], residuals[0, 1, UNSEEN]
    gap = points[:3, 1, UNSEEN].tolist()
    said = file["parameters"]["POINT"]["UNITS"]["value"][0]
    print(f"TRC in {unit}, height 500.4 mm: C3D has {height} {said}; unseen ankle {gap}, residual {residual}")
    as_told &= height == told and said == "mm" and gap == [0, 0, 0] and residual >= 0

write_trc("fast.trc", 120, 120, "m", 1)
trc_desample.trc_desample_func("fast.trc", 50)
rows = sum(1 for _ in open("fast_50fps.trc")) - 5
frames, rate, (_, last), _ = read_trc("fast_50fps.trc")
print(f"120 frames at 120 to 50: {rows} rows, of which OpenSim reads {frames}, at {rate}, last at {last:.3f} of {119 / 120:.3f} s")
as_told &= (rows, frames, rate) == (60, 50, 50.0) and abs(last - 49 / 60) < 1e-3
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" convert.py
