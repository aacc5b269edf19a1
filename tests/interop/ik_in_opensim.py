"""OpenSim's inverse kinematics of a TRC file: run by a Python that has it, not by pytest.

python ik_in_opensim.py MODEL.osim MARKERS.trc OUT.mot JOINT,JOINT...

Markers of these names, which are centres of joints, count ten times as much as points of the skin.
"""

import sys

import opensim


def main(model, markers, out, joints):
    table = opensim.TimeSeriesTableVec3(markers)
    times, centres = list(table.getIndependentColumn()), joints.split(",")
    tool, person = opensim.InverseKinematicsTool(), opensim.Model(model)  # the tool does not hold the model
    tool.setModel(person)
    for name in table.getColumnLabels():
        if person.getMarkerSet().contains(name):
            task = opensim.IKMarkerTask()
            task.setName(name)
            task.setWeight(10 if name in centres else 1)
            tool.getIKTaskSet().cloneAndAppend(task)
    tool.setMarkerDataFileName(markers)
    # by default it ends at 2 s
    tool.setStartTime(times[0])
    tool.setEndTime(times[-1])
    tool.setOutputMotionFileName(out)
    tool.set_report_errors(False)
    if not tool.run():
        raise SystemExit("OpenSim could not solve it")


if __name__ == "__main__":
    main(*sys.argv[1:])
