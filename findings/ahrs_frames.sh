#!/usr/bin/env bash
# AHRS 0.4.0, orientation from an inertial sensor: the estimators, fed with the same samples, do not answer in the same
# frames. Tilt, Madgwick, Complementary and Fourati give the rotation sensor to earth with x north; Mahony the same with
# y north, so its heading is 90 degrees off the others'; SAAM and AQUA give the inverse, earth to sensor. All of them call
# it Q. Have a known rotation estimated before you exchange one for another or mix their results.
# Prints what each gives for one sensor that is turned, tilted and still; exits with 1 if all agree.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet ahrs==0.4.0 numpy==2.4.6 scipy==1.17.1
cat > "$place/turn.py" <<'PROGRAM'
import sys
from importlib.metadata import version

import numpy as np
from ahrs import filters
from scipy.spatial.transform import Rotation

RATE, SECONDS = 100.0, 60
rng, count = np.random.default_rng(0), int(RATE * SECONDS)
# Sensor to earth, with east, north, up for the earth's axes: roll 30, pitch 20, then 140 degrees about the vertical.
R_earth_sensor = Rotation.from_euler("xyz", [30, 20, 140], degrees=True)
samples = {
    "acc": R_earth_sensor.inv().apply([0, 0, 9.81]) + rng.normal(0, 0.02, (count, 3)),
    "mag": R_earth_sensor.inv().apply([0, 20, -40]) + rng.normal(0, 0.2, (count, 3)),
}
moving = {**samples, "gyr": rng.normal(0, 0.002, (count, 3)), "frequency": RATE}
# The same rotation with x north instead of y: the earth's axes turned by 90 degrees.
R_north_sensor = Rotation.from_euler("z", -90, degrees=True) * R_earth_sensor
READINGS = {
    "sensor to earth, y north": R_earth_sensor,
    "sensor to earth, x north": R_north_sensor,
    "earth to sensor, x north": R_north_sensor.inv(),
}
print("ahrs", version("ahrs"))
found = set()
for name in ("Tilt", "SAAM", "Madgwick", "Mahony", "Complementary", "Fourati", "AQUA"):
    estimator = getattr(filters, name)
    w, x, y, z = estimator(**(samples if name in ("Tilt", "SAAM") else moving)).Q[-1]
    off = {what: np.degrees((R.inv() * Rotation.from_quat([x, y, z, w])).magnitude()) for what, R in READINGS.items()}
    best = min(off, key=off.get)
    found.add(best)
    others = ", ".join(f"{degrees:.0f}" for what, degrees in off.items() if what != best)
    print(f"{name:13} {w:6.3f} {x:6.3f} {y:6.3f} {z:6.3f}  {best}, to {off[best]:.1f} degrees (read otherwise: {others})")
sys.exit(len(found) == 1)
PROGRAM
"$python" "$place/turn.py"
