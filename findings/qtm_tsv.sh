#!/usr/bin/env bash
# Qualisys Track Manager's TSV has three options of its own: a header, a frame number and time in each row, a line of column
# names. micromotion 1.15.0 sees times only where the line of names is: without it the frame's number and time become x and y
# of the first marker, every number moves on by two columns, and the last two are cut off, though it says that files exported
# differently are read right. mopipe 0.2.0 reads that file, but stops with ValueError where there are no times. A gap, which
# QTM writes as 0.000 unless told to write NULL, is NaN in micromotion and a marker at the origin in mopipe. No word of either.
# Export with names and times, and NULL. Prints what both read of five files; exits with 1 if any of it changes.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet micromotion==1.15.0 mopipe==0.2.0 numpy==2.4.6 pandas==2.3.3
cat > "$place/read.py" <<'PROGRAM'
import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
from micromotion.io import read_qualisys
from mopipe.core.data.reader import MocapReader

FRAMES, RATE, UNSEEN = 4, 100, 2
HEADER = """NO_OF_FRAMES\t4
NO_OF_CAMERAS\t8
NO_OF_MARKERS\t2
FREQUENCY\t100
NO_OF_ANALOG\t0
ANALOG_FREQUENCY\t0
DESCRIPTION\t--
TIME_STAMP\t2024-01-01, 10:00:00.000\t1234.56780000
DATA_INCLUDED\t3D
MARKER_NAMES\thead\thip"""
# The head moves along x by a millimetre a frame; the hip is not seen in one frame.
PLACES = np.array([[100 + frame, 200, 1700, 110 + frame, 210, 900] for frame in range(FRAMES)], float)
PLACES[UNSEEN, 3:] = np.nan


def write_tsv(path, names, times, gap):
    lines = HEADER.split("\n")
    if names:
        columns = [f"{marker} {axis}" for marker in ("head", "hip") for axis in "XYZ"]
        lines.append("\t".join((["Frame", "Time"] if times else []) + columns))
    for frame, row in enumerate(PLACES):
        cells = [gap if np.isnan(number) else f"{number:.3f}" for number in row]
        lines.append("\t".join(([str(frame + 1), f"{frame / RATE:.5f}"] if times else []) + cells))
    Path(path).write_text("\n".join(lines) + "\n")


def by_micromotion(path):
    return read_qualisys(path).data


def by_mopipe(path):
    try:
        return MocapReader(Path(path), "walk").read().data.drop(columns="elapsed").to_numpy(float)
    except ValueError:
        return None


print(*(f"{name} {version(name)}" for name in ("micromotion", "mopipe", "numpy", "pandas")))
at_origin = np.nan_to_num(PLACES)
moved = np.column_stack([np.arange(1, FRAMES + 1), np.arange(FRAMES) / RATE, at_origin[:, :4]])
CASES = {  # names, times, how a gap is written: what each reads
    (True, True, "0.000"): (PLACES, at_origin),
    (True, True, "NULL"): (PLACES, PLACES),
    (False, True, "0.000"): (moved, at_origin),
    (True, False, "0.000"): (PLACES, None),
    (False, False, "0.000"): (PLACES, None),
}
said = "a file that was exported differently still reads correctly"
as_told = said in " ".join((read_qualisys.__doc__ or "").split())
print("read_qualisys of micromotion, of itself:", f'"{said}"' if as_told else "something else")
for (names, times, gap), told in CASES.items():
    write_tsv("walk.tsv", names, times, gap)
    options = f"{'names' if names else 'no names'}, {'times' if times else 'no times'}, gap {gap}"
    for reader, expected in zip((by_micromotion, by_mopipe), told, strict=True):
        found = reader("walk.tsv")
        as_told &= found is None if expected is None else found is not None and np.array_equal(found, expected, equal_nan=True)
        print(f"{options}: frame {UNSEEN + 1} {reader.__name__} {'ValueError' if found is None else found[UNSEEN].tolist()}")
sys.exit(not as_told)
PROGRAM
cd "$place"
"$python" read.py
