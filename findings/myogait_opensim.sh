#!/usr/bin/env bash
# myogait 0.9.2, its exports for OpenSim and C3D, all from the pixels of one camera, whose rows count downwards. In the TRC and
# the MOT they still do, but OpenSim 4.6's gravity points to -y: the person hangs head down, the ankles above the shoulders, and
# pelvis_ty falls by 0.26 m where the person jumps as high. A joint that was not seen is 0 degrees in the MOT: a knee bent by 60
# is straight for a frame. The C3D holds fractions of the picture's width and height under "mm", so that who is 1.7 m tall,
# which the TRC goes by, stands 0.6 mm tall, and a point that was not seen lies at the origin, as seen, by ezc3d 1.7.2. No
# word of it. Take y from a floor upwards, and gaps as NaN, before handing a file on. Prints what OpenSim and ezc3d read of one
# person; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet myogait==0.9.2 opensim==4.6 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6 pandas==2.3.3
cat > "$place/jump.py" <<'PROGRAM'
import logging
import sys
import warnings
from importlib.metadata import version

import ezc3d
import myogait
import numpy as np
import opensim

opensim.Logger.setLevelString("Off")
FRAMES, FPS, WIDTH, HEIGHT, TALL, BENT_DEG = 30, 30.0, 1920, 1080, 1.7, 60
JUMPS, UNSEEN = 1, 3  # frames
said = []


class Listener(logging.Handler):
    def emit(self, record):
        said.append(record.getMessage())


logging.getLogger().addHandler(Listener(logging.WARNING))

# From the side, in fractions of the picture, x to the right and y downwards: a knee in front of hip and ankle.
HIP, KNEE = np.array([0.5, 0.5]) * [WIDTH, HEIGHT], np.array([0.5, 0.7]) * [WIDTH, HEIGHT]
thigh, forward = KNEE - HIP, np.deg2rad(BENT_DEG / 2)
tilt = np.array([[np.cos(forward), np.sin(forward)], [-np.sin(forward), np.cos(forward)]])
knee = HIP + tilt @ thigh
ankle = knee + tilt.T @ thigh
POINTS = {"NOSE": (0.5, 0.2), "SHOULDER": (0.5, 0.3), "HIP": HIP / [WIDTH, HEIGHT], "KNEE": knee / [WIDTH, HEIGHT],
          "ANKLE": ankle / [WIDTH, HEIGHT], "HEEL": ankle / [WIDTH, HEIGHT] + [-0.01, 0.02],
          "FOOT_INDEX": ankle / [WIDTH, HEIGHT] + [0.05, 0.03]}
frames = []
for frame in range(FRAMES):
    landmarks = {}
    for name, (x, y) in POINTS.items():
        for side in ("",) if name == "NOSE" else ("LEFT_", "RIGHT_"):
            landmarks[side + name] = {"x": float(x), "y": float(y) - 0.1 * (frame == JUMPS), "visibility": 1.0}
    if frame == UNSEEN:
        landmarks["LEFT_KNEE"] = {"x": float("nan"), "y": float("nan"), "visibility": 0.0}
    frames.append({"frame_idx": frame, "time_s": frame / FPS, "landmarks": landmarks, "confidence": 1.0})
data = {"meta": {"fps": FPS, "width": WIDTH, "height": HEIGHT, "n_frames": FRAMES}, "subject": {"height_m": TALL},
        "extraction": {"model": "mediapipe"}, "frames": frames}

with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    myogait.export_trc(data, "jump.trc")
    myogait.export_c3d(data, "jump.c3d")
    data = myogait.compute_angles(data, correction_factor=1.0)
    myogait.export_mot(data, "jump.mot")
said += [str(each.message) for each in caught]

print(*(f"{name} {version(name)}" for name in ("myogait", "opensim", "ezc3d", "c3d", "numpy")))
gravity = opensim.Model().getGravity().to_numpy()
markers, motion = opensim.TimeSeriesTableVec3("jump.trc"), opensim.TimeSeriesTable("jump.mot")
height = {name: markers.getDependentColumn(name).getElt(0, 0).to_numpy()[1] for name in ("LEFT_SHOULDER", "LEFT_ANKLE")}
pelvis, knee_deg = (motion.getDependentColumn(name).to_numpy() for name in ("pelvis_ty", "knee_angle_l"))
angle_deg = [frame["knee_L"] and round(float(frame["knee_L"]), 2) for frame in data["angles"]["frames"]]
print(f"OpenSim: gravity {gravity.tolist()}, TRC in {markers.getTableMetaDataString('Units')}: "
      f"y of shoulder {height['LEFT_SHOULDER']:.3f}, of ankle {height['LEFT_ANKLE']:.3f}")
print(f"OpenSim, MOT: pelvis_ty {pelvis[:3].round(3).tolist()}, the person jumps in the second frame")
print(f"knee in degrees: myogait {angle_deg[:5]}, MOT {knee_deg[:5].round(2).tolist()}")
file = ezc3d.c3d("jump.c3d")
labels, units = (file["parameters"]["POINT"][name]["value"] for name in ("LABELS", "UNITS"))
points, residuals = file["data"]["points"], file["data"]["meta_points"]["residuals"][0]
tall = points[1, labels.index("LEFT_ANKLE"), 0] - points[1, labels.index("NOSE"), 0]
unseen = labels.index("LEFT_KNEE")
print(f"ezc3d: units {units}, nose to ankle {tall:.3f}; the unseen knee {points[:3, unseen, UNSEEN].tolist()}, "
      f"residual {residuals[unseen, UNSEEN]}")
print("warnings:", said)
sys.exit(not (
    gravity[1] < -9
    and markers.getTableMetaDataString("Units") == "m"
    and height["LEFT_ANKLE"] > height["LEFT_SHOULDER"] + 1
    and abs(pelvis[JUMPS] - pelvis[0] + 0.263) < 0.001
    and angle_deg[UNSEEN] is None
    and knee_deg[UNSEEN] == 0
    and all(abs(knee_deg[frame] - BENT_DEG) < 1 for frame in range(FRAMES) if frame != UNSEEN)
    and units == ["mm"]
    and abs(tall - 0.646) < 0.001
    and points[:3, unseen, UNSEEN].tolist() == [0, 0, 0]
    and residuals[unseen, UNSEEN] == 0
    and said == ["No analog data found in file."]
))
PROGRAM
cd "$place"
"$python" jump.py
