"""Videos and results in S3: a real server on this machine, and several workers."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path

import pytest
from faults import kit
from pretended import make_video

from vibe import assets, cache

fsspec = pytest.importorskip("fsspec")
pytest.importorskip("s3fs", reason="S3 needs vibe-motion[s3]")
server = pytest.importorskip("moto.server", reason="the S3 server of this test needs moto[s3], flask and flask-cors")


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """What leads S3's clients to a server here that has one empty bucket."""
    try:
        for name in assets.MODELS:
            assets.find_model(name)
    except FileNotFoundError as error:
        pytest.skip(str(error))
    running = server.ThreadedMotoServer(port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    found = {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_DEFAULT_REGION": "us-east-1"}
    found |= {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "x"}
    for name, value in found.items():
        monkeypatch.setenv(name, value)
    fsspec.filesystem("s3", skip_instance_cache=True).mkdir("bucket")
    yield found
    running.stop()


@kit.posix_only
def test_a_bucket_works_as_a_folder_does_and_a_second_run_fetches_nothing(environment, tmp_path: Path) -> None:
    store = fsspec.filesystem("s3", skip_instance_cache=True)
    for frames, name in ((3, "a"), (4, "below/b"), (5, "below/c")):
        store.put_file(str(make_video(tmp_path / "video.mp4", frames)), f"bucket/videos/{name}.mp4")
    store.pipe_file("bucket/videos/broken.mp4", b"no video")
    command = ("estimate", "s3://bucket/videos", "-o", "s3://bucket/out", "--no-overlay", "--workers", 2)
    first = kit.run(*command, environment=environment)
    assert first.code == 1 and "broken.mp4" in first.said[-1], first.err
    each = [
        f"bucket/out/{name}/{file}" for name in ("a", "below/b", "below/c") for file in ("motion.npz", "summary.json")
    ]
    store.invalidate_cache()
    assert store.find("bucket/out") == sorted([*each, "bucket/out/report.csv", "bucket/out/report.json"])
    before = {name: store.info(name)["LastModified"] for name in each}
    store.rm_file("bucket/videos/broken.mp4")
    second = kit.run(*command, environment=environment)
    assert second.code == 0 and "fetching" not in second.err, second.err
    store.invalidate_cache()
    assert {name: store.info(name)["LastModified"] for name in each} == before
    rows = list(csv.DictReader(io.StringIO(store.cat_file("bucket/out/report.csv").decode())))
    assert [row["state"] for row in rows] == ["skipped"] * 3
    assert [row["results"] for row in rows] == [f"s3://bucket/out/{name}" for name in ("a", "below/b", "below/c")]
    found = kit.run(
        "estimate", "s3://bucket/videos/a.mp4", "-o", tmp_path / "out", "--no-overlay", environment=environment
    )
    assert found.code == 0, found.err
    store.get_file("bucket/out/a/motion.npz", str(tmp_path / "sent.npz"))
    assert cache.content_key(tmp_path / "sent.npz") == cache.content_key(tmp_path / "out" / "a" / "motion.npz")
