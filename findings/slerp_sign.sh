#!/usr/bin/env bash
# Between two turns of 10 and 30 degrees lies 20, whatever the quaternions' signs, which mean nothing; estimators and files
# often change the sign from one frame to the next. pytransform3d 3.17.0 (quaternion_slerp), spatialmath 1.1.18 (qslerp)
# and rowan 1.3.2 (squad) then go the long way round, 340 degrees, and a limb whirls once in one frame. spatialmath's
# own UnitQuaternion.interp and rowan's own slerp do not. Say shortest_path=True to the first and shortest=True to the second,
# or make the signs follow one another before. Prints each one's turn; exits with 1 if all give 20 degrees.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet pytransform3d==3.17.0 spatialmath-python==1.1.18 numpy-quaternion==2024.0.13 rowan==1.3.2 \
    numpy==2.4.6 scipy==1.17.1
cat > "$place/between.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import numpy as np
import quaternion
import rowan
from pytransform3d.rotations import quaternion_slerp
from scipy.spatial.transform import Rotation, Slerp
from spatialmath import UnitQuaternion
from spatialmath.base import qslerp


def turn(degrees):
    """About z, (w, x, y, z)."""
    return np.array([np.cos(np.radians(degrees) / 2), 0, 0, np.sin(np.radians(degrees) / 2)])


def degrees_of(turned):
    w, _, _, z = np.asarray(turned, float).ravel()
    return (np.degrees(2 * np.arctan2(z, w)) + 180) % 360 - 180


def by_scipy(a, b):
    x, y, z, w = Slerp([0, 1], Rotation.from_quat(np.array([a, b])[:, [1, 2, 3, 0]]))(0.5).as_quat()
    return w, x, y, z


def by_quaternion_slerp(a, b):
    return quaternion.as_float_array(quaternion.slerp(*quaternion.as_quat_array([a, b]), 0, 1, 0.5))


WAYS = {
    "scipy Slerp": by_scipy,
    "rowan slerp": lambda a, b: rowan.interpolate.slerp(a, b, 0.5),
    "rowan squad": lambda a, b: rowan.interpolate.squad(a, a, b, b, 0.5),
    "numpy-quaternion slerp": by_quaternion_slerp,
    "pytransform3d quaternion_slerp": lambda a, b: quaternion_slerp(a, b, 0.5),
    "the same, shortest_path=True": lambda a, b: quaternion_slerp(a, b, 0.5, shortest_path=True),
    "spatialmath UnitQuaternion.interp": lambda a, b: UnitQuaternion(a).interp(UnitQuaternion(b), 0.5).vec,
    "spatialmath qslerp": lambda a, b: qslerp(a, b, 0.5),
    "the same, shortest=True": lambda a, b: qslerp(a, b, 0.5, shortest=True),
}
PACKAGES = ("scipy", "rowan", "numpy-quaternion", "pytransform3d", "spatialmath-python")
print(*(f"{name} {version(name)}" for name in PACKAGES))
right = 0
for name, between in WAYS.items():
    same, other = (degrees_of(between(turn(10), sign * turn(30))) for sign in (1, -1))
    right += bool(np.isclose(same, 20) and np.isclose(other, 20))
    print(f"{name:34} same sign {same:7.2f}, other sign {other:7.2f} degrees")
sys.exit(right == len(WAYS))
PROGRAM
"$python" "$place/between.py"
