#!/usr/bin/env bash
# OpenSim 4.6: the time range of a new InverseKinematicsTool is open at its start (-inf) but ends at 2.0 s, while that of
# InverseDynamicsTool is open at both ends: without a range a longer TRC is solved for its first two seconds, run() gives
# True, and nothing says that the rest is left out. Always set the end, from the TRC's own time column.
# Prints the ranges and how many of the 120 rows of a TRC of 4 s come out; exits with 1 if all of them do.
set -euo pipefail
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
python3 -m venv "$place/venv"
python="$place/venv/bin/python"
"$python" -m pip install --quiet opensim==4.6
cat > "$place/solve.py" <<'PROGRAM'
import sys

import opensim

RATE, SECONDS = 30, 4
MARKERS = {"heel": (0, 0, 0), "toe": (0.2, 0, 0), "inner": (0.15, 0, 0.05), "ankle": (0.05, 0.1, 0)}
opensim.Logger.setLevelString("Warn")


def foot():
    """A free body with four markers."""
    model = opensim.Model()
    body = opensim.Body("foot", 1, opensim.Vec3(0), opensim.Inertia(1, 1, 1))
    model.addBody(body)
    model.addJoint(opensim.FreeJoint("free", model.getGround(), body))
    for name, place in MARKERS.items():
        model.addMarker(opensim.Marker(name, body, opensim.Vec3(*place)))
    model.finalizeConnections()
    return model


def write_trc(path):
    """The markers while the foot moves along x by 0.3 m a second."""
    count = RATE * SECONDS
    lines = [
        "PathFileType\t4\t(X/Y/Z)\tfoot.trc",
        "DataRate\tCameraRate\tNumFrames\tNumMarkers\tUnits\tOrigDataRate\tOrigDataStartFrame\tOrigNumFrames",
        f"{RATE}\t{RATE}\t{count}\t{len(MARKERS)}\tm\t{RATE}\t1\t{count}",
        "Frame#\tTime\t" + "\t\t\t".join(MARKERS) + "\t\t",
        "\t\t" + "\t".join(f"{axis}{number + 1}" for number in range(len(MARKERS)) for axis in "XYZ"),
        "",
    ]
    for index in range(count):
        numbers = [number for x, y, z in MARKERS.values() for number in (x + 0.3 * index / RATE, y, z)]
        lines.append("\t".join([str(index + 1), f"{index / RATE:.6f}", *(f"{number:.6f}" for number in numbers)]))
    with open(path, "w") as file:
        file.write("\n".join(lines) + "\n")


write_trc("foot.trc")
print(opensim.GetVersionAndDate())
print("range of InverseDynamicsTool:", opensim.InverseDynamicsTool().getStartTime(), opensim.InverseDynamicsTool().getEndTime())
rows = {}
for end in (None, SECONDS):
    model, tool = foot(), opensim.InverseKinematicsTool()
    tool.setModel(model)
    tool.set_report_errors(False)
    tool.setMarkerDataFileName("foot.trc")
    tool.setOutputMotionFileName("foot.mot")
    if end is not None:
        tool.setEndTime(end)
    else:
        print("range of InverseKinematicsTool:", tool.getStartTime(), tool.getEndTime())
    done, table = tool.run(), opensim.TimeSeriesTable("foot.mot")
    times = table.getIndependentColumn()
    rows[end] = len(times)
    print(f"end {end}: run() {done}, {len(times)} of {RATE * SECONDS} rows, from {times[0]:.3f} to {times[-1]:.3f} s")
sys.exit(rows[None] >= rows[SECONDS])
PROGRAM
cd "$place"
"$python" "$place/solve.py"
