"""Work given to Ray: its answers are those of one process, whoever dies; test_evidence has more."""

import os
import sys
from functools import partial
from pathlib import Path

import pytest
from killed_worker import SEARCH_PATH, begin_doubling, begin_slowly

from vibe.parallel import TRIES, run_tasks

raylets = pytest.mark.skipif(
    not os.environ.get("VIBE_FAULTS"), reason="two raylets take half a minute: VIBE_FAULTS=1, or make faults"
)


def test_where_no_cluster_is_that_is_said_at_once() -> None:
    pytest.importorskip("ray")
    with pytest.raises(OSError, match="no Ray cluster answers at 127.0.0.1:9"):
        list(run_tasks(lambda _: abs, [1], 1, ray="127.0.0.1:9"))


@raylets
def test_a_task_that_kills_every_actor_is_answered_for_and_the_others_are_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.setenv("PYTHONPATH", SEARCH_PATH)
    lost = lambda task, how: -task  # noqa: E731
    found = dict(run_tasks(partial(begin_doubling, tmp_path, TRIES), [0, 1, 3, 4], 2, ray="local", on_lost=lost))
    assert found == {0: 0, 1: 2, 2: -3, 3: 8}


@raylets
@pytest.mark.skipif(sys.platform == "win32", reason="Ray's test cluster is for Linux and macOS")
def test_a_machine_that_vanishes_costs_only_the_tasks_in_hand_however_often_machines_vanish(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    from ray.cluster_utils import Cluster

    monkeypatch.setenv("PYTHONPATH", SEARCH_PATH)
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
        cluster.wait_for_nodes()
        ray.init(cluster.address, log_to_driver=False, logging_level="ERROR")
        tasks, began = list(range(12)), partial(begin_slowly, tmp_path)
        found: dict[int, int] = {}
        for number, answer in run_tasks(began, tasks, 2, ray=cluster.address):
            found[number] = answer
            if len(found) in (2, 4, 6, 8):  # more often than a task is tried
                cluster.remove_node(nodes.pop(0), allow_graceful=False)
                nodes.append(cluster.add_node(num_cpus=1))
        assert found == dict(run_tasks(partial(begin_slowly, tmp_path / "alone"), tasks))
        done = [path.name.split("-")[0] for path in tmp_path.glob("*-*")]
        assert len(done) - len(set(done)) <= 8  # in hand when their machine vanished
    finally:
        ray.shutdown()
        cluster.shutdown()
