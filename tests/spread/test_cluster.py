"""Work given to Ray; that its answers are those of one process is in test_evidence."""

import pytest

from vibe.spread.cluster import in_ray


def test_where_no_cluster_is_that_is_said_at_once() -> None:
    pytest.importorskip("ray")
    with pytest.raises(OSError, match="no Ray cluster answers at 127.0.0.1:9"):
        list(in_ray(lambda: abs, [1], 1, "127.0.0.1:9"))
