#!/usr/bin/env bash
# mvnx 0.2, Xsens MVN's exports: what a frame's element holds is told from its place among fourteen, never from its name. By
# Xsens's manual orientation and position alone are compulsory, the rest is as chosen at export. Of a file with orientation,
# position and joint angles it gives the angles, in degrees, as `velocity`, and `jointAngle` is empty; of one that has all
# elements with `jointAngleErgoXZY` among them, those angles are its `centerOfMass`. It also drops the first three frames
# whatever their type: of an export with two calibration poses the first frame of the motion is lost. None of it is told.
# Look elements up by name and frames by type="normal". Prints what it makes of three files; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet mvnx==0.2 numpy==2.4.6
cat > "$place/names.py" <<'PROGRAM'
import sys
import xml.etree.ElementTree as ET
from importlib.metadata import version

import mvnx
import numpy as np

SPACE = "http://www.xsens.com/mvn/mvnx"
# Numbers in a frame: a person of two segments with one joint, two sensors and one ergonomic angle.
SIZES = {
    "orientation": 8, "position": 6, "velocity": 6, "acceleration": 6, "angularVelocity": 6, "angularAcceleration": 6,
    "footContacts": 4, "sensorFreeAcceleration": 6, "sensorMagneticField": 6, "sensorOrientation": 8, "jointAngle": 3,
    "jointAngleXZY": 3, "jointAngleErgo": 3, "jointAngleErgoXZY": 3, "centerOfMass": 3,
}  # fmt: skip
STILL, FRAMES = ("identity", "tpose", "tpose-isb"), 4
BODY = """<comment/><segments segmentCount="2"><segment label="Pelvis" id="1"/><segment label="L5" id="2"/></segments>
<sensors><sensor label="Pelvis"/><sensor label="L5"/></sensors><joints><joint label="jL5S1"><connector1>Pelvis/jL5S1</connector1>
<connector2>L5/jL5S1</connector2></joint></joints><ergonomicJointAngles/><footContactDefinition/>"""


def value(name, index):
    """What stands in an element: 100 for each place in the list above, and the number of the frame."""
    return 100 * list(SIZES).index(name) + index


def write(path, names, still=STILL):
    def frame(index, kind, names):
        inside = "".join(f"<{name}>{' '.join([str(value(name, index))] * SIZES[name])}</{name}>" for name in names)
        return f'<frame time="{max(index, 0) * 10}" index="{max(index, 0)}" tc="00:00:00:00" ms="0" type="{kind}">{inside}</frame>'

    frames = "".join(frame(-1, kind, ("orientation", "position")) for kind in still)
    frames += "".join(frame(index, "normal", names) for index in range(FRAMES))
    with open(path, "w") as file:
        file.write(
            f'<?xml version="1.0" encoding="UTF-8"?><mvnx xmlns="{SPACE}" version="4"><mvn version="2023.0" build="1"/><comment/>'
            '<subject label="S" frameRate="100" segmentCount="2" recDate="x" configuration="FullBody" userScenario="x">'
            f'{BODY}<frames segmentCount="2" sensorCount="2" jointCount="1">{frames}</frames></subject>'
            '<securityCode code="0"/></mvnx>'
        )


def by_name(path, name):
    normal = ET.parse(path).iterfind(f".//{{{SPACE}}}frame[@type='normal']")
    return [float(frame.find(f"{{{SPACE}}}{name}").text.split()[0]) for frame in normal]


print("mvnx", version("mvnx"))
chosen = ("orientation", "position", "jointAngle")
cases = (("chosen.mvnx", chosen, STILL, "jointAngle"), ("all.mvnx", tuple(SIZES), STILL, "centerOfMass"),
         ("two_poses.mvnx", ("orientation", "position"), ("tpose", "npose"), "position"))  # fmt: skip
right, read = [], {}
for path, names, still, asked in cases:
    write(path, names, still)
    read[path], truth = mvnx.load(path), by_name(path, asked)
    seen = np.asarray(getattr(read[path], asked))
    seen = seen[:, 0].tolist() if seen.size else []
    right.append(seen == truth)
    print(f"{path}: {asked} in the file {truth}, by mvnx {seen}")
print(f"chosen.mvnx: velocity, which is not in the file, by mvnx {read['chosen.mvnx'].velocity[:, 0].tolist()}")
as_told = (
    read["chosen.mvnx"].velocity[:, 0].tolist() == by_name("chosen.mvnx", "jointAngle")
    and read["chosen.mvnx"].jointAngle.size == 0
    and read["all.mvnx"].centerOfMass[:, 0].tolist() == by_name("all.mvnx", "jointAngleErgoXZY")
    and read["two_poses.mvnx"].position[:, 0].tolist() == by_name("two_poses.mvnx", "position")[1:]
)
sys.exit(any(right) or not as_told)
PROGRAM
cd "$place"
"$python" names.py
