#!/usr/bin/env bash
# C3D of a take that was cut: its first frame is number 101 at 100 frames a second, and the times of its events count from
# the take's start. kineticstoolkit 0.17.0 lets the points begin at 1.00 s, which fits the events; pyomeca 2026.0.2 lets
# them begin at 0.00 s and tells the first frame in its attributes, numbered from 0 as ezc3d does, while c3d 0.6.0 numbers
# from 1. A heel strike at 1.10 s is the eleventh row for one and lies beyond the end for the other.
# Take the time from the first frame's number, and know from where your library counts it.
# Prints each one's times and frame numbers for one file; exits with 1 if the times agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet kineticstoolkit==0.17.0 pyomeca==2026.0.2 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cat > "$place/cut.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import c3d
import ezc3d
import kineticstoolkit.lab as ktk
import numpy as np
import pyomeca

FRAMES, RATE, FIRST, STRIKE = 50, 100.0, 101, 1.10
file = ezc3d.c3d()
file["parameters"]["POINT"]["RATE"]["value"] = [RATE]
file["parameters"]["POINT"]["UNITS"]["value"] = ["mm"]
file["parameters"]["POINT"]["LABELS"]["value"] = ("heel",)
file["header"]["points"]["first_frame"] = FIRST - 1
file.add_event([0, STRIKE], context="Left", label="Foot Strike")
heights = 100 * np.abs(np.arange(FRAMES) / RATE + (FIRST - 1) / RATE - STRIKE)  # 0 at the strike
file["data"]["points"] = np.stack([np.zeros(FRAMES), np.zeros(FRAMES), heights, np.ones(FRAMES)])[:, None]
file.write("cut.c3d")

print(*(f"{name} {version(name)}" for name in ("kineticstoolkit", "pyomeca", "ezc3d", "c3d")))
read = ktk.read_c3d("cut.c3d")["Points"]
strike = read.events[0].time
markers = pyomeca.Markers.from_c3d("cut.c3d")
by_pyomeca = markers.time.values
with open("cut.c3d", "rb") as handle:
    by_c3d = c3d.Reader(handle).first_frame
print(f"kineticstoolkit: points from {read.time[0]:.2f} to {read.time[-1]:.2f} s, the heel is lowest at "
      f"{read.time[np.argmin(read.data['heel'][:, 2])]:.2f} s, strike at {strike:.2f} s")
print(f"pyomeca:         points from {by_pyomeca[0]:.2f} to {by_pyomeca[-1]:.2f} s, the heel is lowest at "
      f"{by_pyomeca[np.argmin(markers.values[2, 0])]:.2f} s")
print(f"the first frame's number: ezc3d {ezc3d.c3d('cut.c3d')['header']['points']['first_frame']}, "
      f"pyomeca {markers.attrs['first_frame']}, c3d {by_c3d}")
sys.exit(np.allclose(read.time, by_pyomeca))
PROGRAM
cd "$place"
"$python" cut.py
