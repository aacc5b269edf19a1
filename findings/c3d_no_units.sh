#!/usr/bin/env bash
# C3D whose POINT:UNITS is empty: ezc3d 1.7.2 writes it so if nobody names a unit, and reads it. kineticstoolkit 0.17.0 and
# pyomeca 2026.0.2, which both read with ezc3d, stop with IndexError at such a file, kineticstoolkit also when it is told not
# to convert units, and neither names the unit. c3d 0.6.0 writes "mm" unasked, also over metres, hence its files can be read
# by both and kineticstoolkit makes them a thousand times smaller. Always write the unit yourself.
# Prints what each reads of four files; exits with 1 if the two read the file without units.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet kineticstoolkit==0.17.0 pyomeca==2026.0.2 ezc3d==1.7.2 c3d==0.6.0 numpy==2.4.6
cat > "$place/units.py" <<'PROGRAM'
import sys
import warnings
from importlib.metadata import version

warnings.simplefilter("ignore")
import c3d
import ezc3d
import kineticstoolkit.lab as ktk
import numpy as np
import pyomeca

HEIGHT, FRAMES = 0.9, 5  # metres


def by_ezc3d(unit):
    file = ezc3d.c3d()
    file["parameters"]["POINT"]["RATE"]["value"] = [100.0]
    file["parameters"]["POINT"]["LABELS"]["value"] = ("hip",)
    if unit:
        file["parameters"]["POINT"]["UNITS"]["value"] = [unit]
    scale = 1000 if unit == "mm" else 1
    file["data"]["points"] = np.tile([[0], [0], [HEIGHT * scale], [1]], FRAMES)[:, None]
    file.write("hip.c3d")


def by_c3d(_):
    writer, no_analog = c3d.Writer(point_rate=100.0), np.zeros((0, 0), np.float32)
    writer.set_point_labels(["hip"])
    writer.add_frames([(np.array([[0, 0, HEIGHT, 0, 0]], np.float32), no_analog)] * FRAMES)
    with open("hip.c3d", "wb") as handle:
        writer.write(handle)


def by_ktk(**options):
    return ktk.read_c3d("hip.c3d", **options)["Points"].data["hip"][0, 2]


READERS = {
    "kineticstoolkit": by_ktk,
    "kineticstoolkit, convert_point_unit=False": lambda: by_ktk(convert_point_unit=False),
    "pyomeca": lambda: pyomeca.Markers.from_c3d("hip.c3d").values[2, 0, 0],
}
print(*(f"{name} {version(name)}" for name in ("kineticstoolkit", "pyomeca", "ezc3d", "c3d")))
failed = 0
for write, unit in ((by_ezc3d, None), (by_ezc3d, "m"), (by_ezc3d, "mm"), (by_c3d, None)):
    write(unit)
    print(f"{write.__name__}, unit {unit}: POINT:UNITS {ezc3d.c3d('hip.c3d')['parameters']['POINT']['UNITS']['value']}")
    for name, read in READERS.items():
        try:
            print(f"  {name}: height {read():.6g}")
        except IndexError as error:
            failed += 1
            print(f"  {name}: IndexError: {error}")
sys.exit(failed == 0)
PROGRAM
cd "$place"
"$python" units.py
