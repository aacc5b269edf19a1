#!/usr/bin/env bash
# biomechzoo 0.8.25, C3D: of a file with two analog channels, which ezc3d 1.7.2 reads right, each channel gets every other
# sample of both, one after the other: force and moment are mixed, and nothing is said. Of the time of an event, which C3D
# writes as minutes and seconds, the minutes are dropped, and rates lose what follows the point: a strike at 85 s of 59.94
# frames a second lands in frame 1474 instead of 5095. Take channels, rates and events from ezc3d itself.
# Prints both readings of one file; exits with 1 if biomechzoo's channels, events or rates are right.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet biomechzoo==0.8.25 ezc3d==1.7.2 numpy==1.26.4
cat > "$place/force.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import ezc3d
import numpy as np
from biomechzoo.conversion.c3d2zoo_data import c3d2zoo_data

RATE, RATIO, FRAMES, STRIKES = 59.94, 10, 5400, ((0, 15.0), (1, 25.0))  # strikes: minutes and seconds
file = ezc3d.c3d()
point, analog = file["parameters"]["POINT"], file["parameters"]["ANALOG"]
point["RATE"]["value"], point["UNITS"]["value"], point["LABELS"]["value"] = [RATE], ["mm"], ("SACR",)
analog["RATE"]["value"], analog["LABELS"]["value"] = [RATE * RATIO], ("force", "moment")
file["data"]["points"] = np.ones((4, 1, FRAMES))
force = np.arange(FRAMES * RATIO) / 100
file["data"]["analogs"] = np.stack([force, np.full_like(force, -1)])[None]
for time in STRIKES:
    file.add_event(time, context="Left", label="Foot Strike")
file.write("force.c3d")

print(*(f"{name} {version(name)}" for name in ("biomechzoo", "ezc3d", "numpy")))
read = ezc3d.c3d("force.c3d")
minutes, seconds = read["parameters"]["EVENT"]["TIMES"]["value"]
frames = np.round((60 * minutes + seconds) * RATE).astype(int).tolist()
print(f"ezc3d:      rates {RATE:.2f} and {read['parameters']['ANALOG']['RATE']['value'][0]:.2f}, strikes in frames {frames}")
channels = read["data"]["analogs"][0]
for name, samples in zip(("force", "moment"), channels, strict=True):
    print(f"  {name:6} first {samples[:4].round(2).tolist()}, last {samples[-3:].round(2).tolist()}")
zoo = c3d2zoo_data(read)
found = sorted(place[0] for place in zoo["SACR"]["event"].values())
rates = [zoo["zoosystem"][kind]["Freq"] for kind in ("Video", "Analog")]
print(f"biomechzoo: rates {rates[0]} and {rates[1]}, strikes in frames {found}")
for name in ("force", "moment"):
    samples = zoo[name]["line"][:, 0]
    print(f"  {name:6} first {samples[:4].round(2).tolist()}, last {samples[-3:].round(2).tolist()}")
right = (
    np.allclose(zoo["force"]["line"][:, 0], channels[0]), np.allclose(found, frames, atol=1),
    np.allclose(rates, [RATE, RATE * RATIO], atol=1e-3),
)
sys.exit(int(any(right)))
PROGRAM
cd "$place"
"$python" force.py
