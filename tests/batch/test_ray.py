"""Many videos on a Ray cluster of two machines, one of which vanishes; both are processes here."""

import json
import os
import shutil
import sys
from pathlib import Path

import pytest
from faults import kit
from faults.many_videos import judge, write_videos

pytestmark = [
    pytest.mark.skipif(not os.environ.get("VIBE_FAULTS"), reason="takes minutes: VIBE_FAULTS=1, or make faults"),
    pytest.mark.skipif(sys.platform == "win32", reason="Ray's test cluster is for Linux and macOS"),
]


def test_where_a_machine_vanishes_in_the_middle_the_results_are_those_of_single_runs(tmp_path: Path) -> None:
    pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    folder, out = tmp_path / "videos", tmp_path / "out"
    right, wrong = write_videos(folder, 14, 4, seconds=1.0, places=2)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        command = ("estimate", folder, "-o", out, "--no-overlay", "--ray", cluster.address, "--workers", 2)
        process = kit.begin(*command)
        assert kit.wait_for(lambda: len(list(out.glob("*/*/summary.json"))) >= 2, process, 300)
        cluster.remove_node(nodes.pop(), allow_graceful=False)
        done = kit.end(process, 600)
    finally:
        cluster.shutdown()
    assert done.code == 1, done.err
    found = judge(folder, out, right, wrong, ("motion.npz", "summary.json"))
    assert (found.pop("results"), found.pop("named failures")) == (10, 4)
    assert found == dict.fromkeys(found, [])
    states = [each["state"] for each in json.loads((out / "report.json").read_text())["videos"]]
    assert states.count("done") + states.count("skipped") == 10
    shutil.rmtree(out)
