#!/usr/bin/env bash
# scikit-kinematics 0.10.4, angles of a rotation: quat.quat2seq folds heading and roll at 90 degrees: a body that
# turned by 170 degrees has turned by 10. For "Euler" (z, x, z) it gives 150 for a first angle of 30. rotmat.sequence is right
# for "nautical", but gives the first two of "Helmholtz" (y, z, x) in the other order than it says, and for half of all
# rotations an "Euler" of 0, 0 and some third angle. rotmat.convert turns an exact half-turn about (1, -1, 0) into one about
# (1, 1, 0), with NaN for w. Use scipy's Rotation.
# Prints what each gives for known angles; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet numpy==2.4.6 scipy==1.17.1 sympy==1.14.0 matplotlib==3.11.2 pandas==2.3.3
"$python" -m pip install --quiet --no-deps scikit-kinematics==0.10.4
cat > "$place/angles.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import numpy as np
from scipy.spatial.transform import Rotation
from skinematics import quat, rotmat

# By the package's documentation: Rz Ry Rx, Ry Rz Rx and Rz Rx Rz, angles from the left-most matrix to the right-most.
AXES = {"nautical": "ZYX", "Helmholtz": "YZX", "Euler": "ZXZ"}
CASES = {  # sequence and angles: what quat2seq and sequence give
    ("nautical", (30, 20, 10)): ((30, 20, 10), (30, 20, 10)),
    ("nautical", (170, 0, 0)): ((10, 0, 0), (170, 0, 0)),
    ("nautical", (-120, 5, 100)): ((-60, 5, 80), (-120, 5, 100)),
    ("Helmholtz", (30, 40, 50)): ((30, 40, 50), (40, 30, 50)),
    ("Helmholtz", (130, 20, 10)): ((50, 20, 10), (20, 50, 10)),
    ("Euler", (30, 40, 50)): ((150, 40, 50), (30, 40, 50)),
    ("Euler", (120, 40, 50)): ((60, 40, 50), (0, 0, 15.3)),
}


def by_quat2seq(rotation, sequence):
    return quat.quat2seq(rotation.as_quat(scalar_first=True), sequence)[0]


def by_sequence(rotation, sequence):
    return np.degrees(rotmat.sequence(rotation.as_matrix(), sequence))


print(*(f"{name} {version(name)}" for name in ("scikit-kinematics", "numpy", "scipy")))
as_told = True
for (sequence, angles), told in CASES.items():
    rotation = Rotation.from_euler(AXES[sequence], angles, degrees=True)
    found = [reader(rotation, sequence) for reader in (by_quat2seq, by_sequence)]
    as_told &= all(np.allclose(one, other, atol=0.1) for one, other in zip(found, told, strict=True))
    shown = [(one.round(1) + 0.0).tolist() for one in found]
    print(f"{sequence} {angles}: quat2seq {shown[0]}, sequence {shown[1]}")

flat = [by_sequence(rotation, "Euler")[1] == 0 for rotation in Rotation.random(1000, rng=np.random.default_rng(0))]
print(f"of 1000 random rotations sequence gives {sum(flat)} a middle angle of 0 for Euler")
as_told &= 450 < sum(flat) < 550

half_turn = np.array([[0.0, -1, 0], [-1, 0, 0], [0, 0, -1]])
w, *axis = rotmat.convert(half_turn)[0]
right = Rotation.from_matrix(half_turn).as_quat(scalar_first=True).round(3).tolist()
print(f"half-turn about (1, -1, 0), w x y z: convert {[float(round(number, 3)) for number in (w, *axis)]}, scipy {right}")
as_told &= bool(np.isnan(w)) and np.allclose(axis, [0.5**0.5, 0.5**0.5, 0])
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" angles.py
