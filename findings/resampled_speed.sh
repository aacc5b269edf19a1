#!/usr/bin/env bash
# Another frame rate, pose-format 0.15.0 (interpolate) and bvhtools 1.6.0 (resampleFPS): both make frames x new / old frames and
# spread them from the first to the last of the old. But 60 frames at 60 a second span 59/60 s, and 30 at 30 a second 29/30:
# what moves at 1.000 a second moves at 1.017 afterwards, at 0.983 the other way round, and the last frame is 17 ms early or
# late; a clip of 10 frames comes out at 1.125. UPC's pymotion 0.3.4, which is told the times, keeps the speed.
# pose-format's flatten says that a row begins with milliseconds and ends with the confidence: it begins with seconds, and the
# confidence stands before the place. No word of either. Interpolate at the times that you want, and divide by the rate yourself.
# Prints speed and end by each, and a row of flatten; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pose-format==0.15.0 bvhtools==1.6.0 numpy==2.4.6 scipy==1.17.1
"$python" -m pip install --quiet --no-deps upc-pymotion==0.3.4
cat > "$place/speed.py" <<'PROGRAM'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from bvhTools.bvhIO import readBvh
from bvhTools.bvhMotionEditor import resampleFPS
from pose_format.numpy import NumPyPoseBody
from pymotion.ops.time_np import interpolate_positions

BODY = """HIERARCHY
ROOT hips
{
  OFFSET 0 0 0
  CHANNELS 6 Xposition Yposition Zposition Zrotation Xrotation Yrotation
  End Site
  {
    OFFSET 0 10 0
  }
}
MOTION
"""


def moving(frames, rate):
    """Where something is that moves by 1 a second."""
    return np.arange(frames) / rate


def by_pose_format(frames, rate, new_rate):
    data = np.zeros((frames, 1, 1, 2))
    data[:, 0, 0, 0] = moving(frames, rate)
    return NumPyPoseBody(rate, data, np.ones((frames, 1, 1))).interpolate(new_rate, kind="linear").data[:, 0, 0, 0]


def by_bvhtools(frames, rate, new_rate):
    lines = [f"{x:.9f} 90 0 0 0 0" for x in moving(frames, rate)]
    Path("hips.bvh").write_text(BODY + f"Frames: {frames}\nFrame Time: {1 / rate:.9f}\n" + "\n".join(lines) + "\n")
    return np.array([frame[0] for frame in resampleFPS(readBvh("hips.bvh"), new_rate).motion.frames])


def by_pymotion(frames, rate, new_rate):
    times = np.arange(frames) / rate
    places = np.stack([moving(frames, rate), np.zeros(frames), np.zeros(frames)], axis=1)
    return interpolate_positions(np.arange(0, times[-1], 1 / new_rate), times, places, axis=0)[:, 0]


print(*(f"{name} {version(name)}" for name in ("pose-format", "bvhtools", "upc-pymotion", "numpy")))
as_told = True
for frames, rate, new_rate in ((60, 60, 30), (30, 30, 60), (10, 60, 30)):
    stretched = (frames - 1) / rate * new_rate / (round(frames * new_rate / rate) - 1)
    for reader in (by_pose_format, by_bvhtools, by_pymotion):
        places = np.asarray(reader(frames, rate, new_rate), float)
        speeds = np.diff(places) * new_rate
        assert np.allclose(speeds, speeds[0], atol=1e-4)
        off = (len(places) - 1) / new_rate - places[-1]
        as_told &= bool(abs(speeds[0] - (1 if reader is by_pymotion else stretched)) < 1e-3)
        end = f"{abs(off) * 1000:.1f} ms {'late' if off > 0 else 'early'}" if abs(off) > 1e-6 else "in time"
        print(f"{frames} frames, {rate} to {new_rate} a second, {reader.__name__}: speed {speeds[0]:.3f}, last frame {end}")

data, confidence = np.zeros((2, 1, 1, 2)), np.full((2, 1, 1), 0.5)
data[1, 0, 0] = 7, 8
row = NumPyPoseBody(25, data, confidence).flatten()[1].round(6).tolist()
print("flatten, frame 1 of 25 a second at x 7, y 8, confidence 0.5:", row)
sys.exit(not (as_told and row == [0.04, 0, 0, 0.5, 7, 8]))
PROGRAM
cd "$place"
"$python" speed.py
