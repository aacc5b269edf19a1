"""Bones as another program's receiver of the Virtual Motion Capture protocol has them: run by a Python that has it.

python in_vmcp.py PORT LAST OUT.json: prints a line when it listens, and ends at the first time from LAST on.
"""

import json
import sys
from pathlib import Path

from vmcp.events import BoneTransformEvent, RelativeTimeEvent, RootTransformEvent, StateEvent
from vmcp.facades import on_receive
from vmcp.osc import OSC
from vmcp.osc.backend.osc4py3 import as_eventloop as backend


def main(port, last, out):
    got = {"bones": [], "roots": 0, "states": 0, "times": []}

    def bone(event):
        place, turn = event.position, event.rotation
        got["bones"].append([event.joint.value, place.x, place.y, place.z, turn.x, turn.y, turn.z, turn.w])

    def count(name):
        got[name] += 1

    osc = OSC(backend)
    with osc.open():
        receiver = osc.create_receiver("127.0.0.1", int(port), "receiver").open()
        on_receive(receiver, BoneTransformEvent, bone)
        on_receive(receiver, RootTransformEvent, lambda _: count("roots"))
        on_receive(receiver, StateEvent, lambda _: count("states"))
        on_receive(receiver, RelativeTimeEvent, lambda event: got["times"].append(float(event.delta)))
        sys.stdout.write("listens\n")
        sys.stdout.flush()
        while not got["times"] or got["times"][-1] < float(last):
            osc.run()
    Path(out).write_text(json.dumps(got))


if __name__ == "__main__":
    main(*sys.argv[1:])
