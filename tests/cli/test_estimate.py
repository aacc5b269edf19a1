"""`vibe estimate`: right exit codes, one clear line for each failure, never half a file."""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from pretended import make_video, pretend

from vibe import assets, cli, skeletons
from vibe.inference import estimate
from vibe.motion import Result, load
from vibe.synthetic import clips
from vibe.video.read import open_video


def make_sound(path: Path) -> Path:
    with av.open(str(path), "w") as file:
        stream = file.add_stream("aac", rate=44100, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 44100
        file.mux(stream.encode(frame))
        file.mux(stream.encode())
    return path


@pytest.fixture
def people(monkeypatch) -> list[int]:
    """Lets estimate read the video but find as many people as this list's number says."""
    count = [1]
    pretend(monkeypatch, count)
    return count


def files(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def run(*arguments: object) -> int:
    return cli.main([str(argument) for argument in arguments])


def test_the_help_of_estimate_names_every_option_and_the_exit_codes(capsys):
    assert run("estimate", "--help") == 0
    text = capsys.readouterr().out
    options = (
        "-o --no-overlay --weights --body --refine --no-refine --fitting --prior --smooth --fov --camera --runtime"
    )
    for option in f"{options} --height --detector --pose-model --device".split():
        assert option in text
    assert "Exit code" in text
    assert "degrees" in text


@pytest.mark.parametrize(
    "arguments",
    [
        ["estimate"],
        ["estimate", "x.mp4", "--nonsense"],
        ["estimate", "x.mp4", "--smooth", "very"],
        ["estimate", "x.mp4", "--fov", "200"],
        ["estimate", "x.mp4", "--fov", "wide"],
        ["estimate", "x.mp4", "--detector", "absent.onnx"],
        ["estimate", "x.mp4", "--pose-model", "absent.onnx"],
        ["estimate", "x.mp4", "--device", "abacus"],
        ["estimate", "x.mp4", "--weights", "absent"],
        ["estimate", "x.mp4", "--weights", "official"],
        ["estimate", "x.mp4", "--body", "smpl"],
        ["estimate", "x.mp4", "--body", "smpl-male"],
        ["estimate", "x.mp4", "--body", "absent.npz"],
        ["estimate", "x.mp4", "--refine", "--no-refine"],
        ["estimate", "x.mp4", "--fitting", "tight"],
        ["estimate", "x.mp4", "--fitting", "paper", "--no-refine"],
        ["estimate", "x.mp4", "--prior", "mposer"],
        ["estimate", "x.mp4", "--fitting", "open", "--prior", "mposer"],
        ["estimate", "x.mp4", "--fitting", "paper", "--prior", "absent"],
        ["estimate", "x.mp4", "--fitting", "paper", "--prior", "open"],
        ["estimate", "absent.mp4"],
        ["estimate", "absent*.mp4"],
        ["estimate", "x.mp4", "absent.mp4"],
        ["estimate", "gopher://nowhere/x.mp4"],
        ["estimate", "x.mp4", "--workers", "0"],
        ["estimate", "x.mp4", "--keep-stages", "-o", "memory://results"],
        ["estimate", "x.mp4", "--runtime", "openvino"],
        ["estimate", "x.mp4", "--runtime", "abacus"],
    ],
    ids=" ".join,
)
def test_wrong_usage_is_exit_code_2_and_makes_nothing(
    arguments, tmp_path, tmp_path_factory, monkeypatch, capsys, people
):
    monkeypatch.setenv("VIBE_HOME", str(tmp_path_factory.mktemp("empty")))
    monkeypatch.chdir(tmp_path)
    make_video(tmp_path / "x.mp4")
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.err
    assert "Traceback" not in said.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.mp4"]


def test_a_video_gives_three_files_a_table_and_exit_code_0(tmp_path, people, capsys):
    people[0] = 2
    video = make_video(tmp_path / "clip.mp4")
    assert run("estimate", video, "-o", tmp_path / "out", "--no-overlay") == 0
    assert files(tmp_path / "out") == ["clip/motion.npz", "clip/summary.json"]
    said = capsys.readouterr()
    assert [word for word in ("person", "frames", "share of video", "100%", "0.75") if word not in said.out] == []
    assert "free for every use" in said.out
    assert "a note on it" in said.out
    assert "clip.mp4: people" in said.err
    assert len(load(tmp_path / "out" / "clip" / "motion.npz").people) == 2


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ([], {"smoothing": "light", "refine": True, "fitting": "open", "body": "open"}),
        (["--refine"], {"refine": True, "fitting": "open"}),
        (["--no-refine", "--smooth", "none"], {"refine": False, "fitting": None, "smoothing": "none"}),
        (["--fitting", "paper"], {"refine": True, "fitting": "paper", "prior": "mixture"}),
        (["--fitting", "paper", "--prior", "mposer"], {"fitting": "paper", "prior": "mposer"}),
        (["--body", "open", "--weights", "open"], {"body": "open", "runtime": "torch"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_the_options_reach_the_method(given, taken, tmp_path, people, monkeypatch):
    whole, loaded = estimate.load_estimator, []
    monkeypatch.setattr(estimate, "load_estimator", lambda config: loaded.append(config) or whole(config))
    assert run("estimate", make_video(tmp_path / "clip.mp4"), "-o", tmp_path / "out", "--no-overlay", *given) == 0
    assert {name: getattr(loaded[0], name) for name in taken} == taken


def test_the_summary_says_what_was_found_and_what_it_cost(tmp_path, people):
    video = make_video(tmp_path / "clip.mp4", frames=4)
    assert run("estimate", video, "-o", tmp_path, "--no-overlay") == 0
    summary = json.loads((tmp_path / "clip" / "summary.json").read_text(encoding="utf-8"))
    assert summary["people"] == [{"person": 1, "frames": 4, "coverage": 1.0, "confidence": 0.75}]
    assert (summary["frames"], summary["width_px"], summary["height_px"]) == (4, 64, 48)
    assert summary["weights"] == {"name": "open", "sha256": "0" * 64, "licence": "free for every use"}
    assert summary["notes"] == ["a note on it"]
    assert summary["camera"] == {"fov_deg": 53.13, "source": "default"}
    assert summary["files"] == ["motion.npz", "summary.json"]
    assert set(summary["seconds"]) == {"people", "writing"}


def test_nobody_in_view_is_a_result_with_a_line_that_says_so(tmp_path, people, capsys):
    people[0] = 0
    assert run("estimate", make_video(tmp_path / "clip.mp4"), "-o", tmp_path / "out", "--no-overlay") == 0
    assert "nobody was found" in capsys.readouterr().out
    assert load(tmp_path / "out" / "clip" / "motion.npz").people == ()


def test_what_weights_and_body_may_be_used_for_is_said_once(tmp_path, people, capsys):
    videos = [make_video(tmp_path / f"{frames}.mp4", frames) for frames in (4, 5)]
    assert run("estimate", *videos, "-o", tmp_path / "out", "--no-overlay") == 0
    said = capsys.readouterr().out
    assert said.count("weights open: free for every use") == 1
    assert said.count("body open: free for every use") == 1


def test_20_people_are_20_rows(tmp_path, people, capsys):
    people[0] = 20
    assert run("estimate", make_video(tmp_path / "clip.mp4"), "-o", tmp_path / "out", "--no-overlay") == 0
    assert capsys.readouterr().out.count("100%") == 20


def bad(folder: Path, kind: str) -> Path:
    """An input that is no video."""
    path = folder / f"{kind}.mp4"
    if kind == "text":
        path.write_text("this is no video\n" * 200, encoding="utf-8")
    elif kind == "empty":
        path.touch()
    elif kind == "cut":
        make_video(path)
        path.write_bytes(path.read_bytes()[:900])
    elif kind == "sound":
        make_sound(path)
    elif kind == "zeros":
        path.write_bytes(bytes(100_000))
    return path


@pytest.mark.parametrize("kind", ["text", "empty", "cut", "sound", "zeros"])
def test_what_is_no_video_gives_one_line_and_exit_code_1(kind, tmp_path, people, capfd):
    path = bad(tmp_path, kind)
    before = files(tmp_path)
    assert run("estimate", path, "-o", tmp_path / "out") == 1
    said = capfd.readouterr()
    assert len(said.err.strip().splitlines()) == 1
    assert str(path) in said.err
    assert said.out == ""
    assert files(tmp_path) == before
    assert not (tmp_path / "out").exists()


def test_the_other_videos_still_finish_and_the_failures_are_listed_at_the_end(tmp_path, people, capsys):
    videos = [bad(tmp_path, "empty"), make_video(tmp_path / "good.mp4"), bad(tmp_path, "text")]
    assert run("estimate", *videos, "-o", tmp_path / "out", "--no-overlay") == 1
    assert files(tmp_path / "out") == ["good/motion.npz", "good/summary.json", "report.csv", "report.json"]
    end = capsys.readouterr().err.splitlines()[-3:]
    assert "2 of 3 videos failed" in end[0]
    assert "empty.mp4" in end[1]
    assert "text.mp4" in end[2]


def test_two_videos_of_one_name_do_not_overwrite_each_other(tmp_path, people, capsys):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    one, two = make_video(tmp_path / "a" / "clip.mp4", 3), make_video(tmp_path / "b" / "Clip.mp4", 6)
    assert run("estimate", one, two, "-o", tmp_path / "out", "--no-overlay") == 0
    assert sorted(path.name for path in (tmp_path / "out").iterdir() if path.is_dir()) == ["Clip-2", "clip"]
    assert len(load(tmp_path / "out" / "clip" / "motion.npz").clip.timestamps) == 3
    assert len(load(tmp_path / "out" / "Clip-2" / "motion.npz").clip.timestamps) == 6
    assert "Clip-2" in capsys.readouterr().out


@pytest.mark.parametrize("where", ["a file", "below a file", "a folder in place of the result"])
def test_a_place_that_cannot_be_written_is_found_before_the_work(where, tmp_path, people, monkeypatch, capsys):
    def never(*_: object, **__: object) -> None:
        raise AssertionError("the work has begun")

    monkeypatch.setattr(estimate.Estimator, "estimate", never)
    video, out = make_video(tmp_path / "clip.mp4"), tmp_path / "out"
    if where == "a folder in place of the result":
        (out / "clip" / "motion.npz").mkdir(parents=True)
    else:
        out.write_text("mine", encoding="utf-8")
    assert run("estimate", video, "-o", out / "deep" if where == "below a file" else out) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert str(out) in said


def test_results_never_replace_the_video_they_come_from(tmp_path, people, capsys):
    (tmp_path / "overlay").mkdir()
    video = make_video(tmp_path / "overlay" / "overlay.mp4")
    content = video.read_bytes()
    assert run("estimate", video, "-o", tmp_path) == 1
    assert "overwritten" in capsys.readouterr().err
    assert video.read_bytes() == content


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no limit on the size of files")
def test_a_full_disk_is_one_line_and_leaves_no_result_but_what_the_next_run_goes_on_from(tmp_path, people, capsys):
    import resource

    people[0] = 20
    video = make_video(tmp_path / "clip.mp4", frames=20)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        code = run("estimate", video, "-o", tmp_path / "out", "--no-overlay")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    said = capsys.readouterr().err.strip().splitlines()
    assert code == 1
    assert "too large" in said[-1]
    (stage,) = [name for name in files(tmp_path) if name != "clip.mp4"]
    assert stage.startswith("out/.vibe/stages/") and stage.endswith(".safetensors")
    assert run("estimate", video, "-o", tmp_path / "out", "--no-overlay") == 0
    assert files(tmp_path / "out") == ["clip/motion.npz", "clip/summary.json"]


def test_ctrl_c_is_exit_code_130_and_keeps_only_what_was_finished(tmp_path, people, monkeypatch, capsys):
    whole = estimate.Estimator.estimate

    def interrupted(self: estimate.Estimator, path: Path, **options: Any) -> Result:
        if path.name == "second.mp4":
            raise KeyboardInterrupt
        return whole(self, path, **options)

    monkeypatch.setattr(estimate.Estimator, "estimate", interrupted)
    videos = [make_video(tmp_path / f"{name}.mp4", len(name)) for name in ("first", "second", "later on")]
    assert run("estimate", *videos, "-o", tmp_path / "out", "--no-overlay") == 130
    assert files(tmp_path / "out") == ["first/motion.npz", "first/summary.json", "report.csv", "report.json"]
    states = [each["state"] for each in json.loads((tmp_path / "out" / "report.json").read_text())["videos"]]
    assert states == ["done", "left", "left"]
    assert "interrupted" in capsys.readouterr().err.splitlines()[-1]


def test_a_fault_of_our_own_is_one_line_and_the_other_videos_finish(tmp_path, people, monkeypatch, capsys):
    whole = estimate.Estimator.estimate

    def faulty(self: estimate.Estimator, path: Path, **options: Any) -> Result:
        if path.name == "first.mp4":
            raise KeyError("betas")
        return whole(self, path, **options)

    monkeypatch.setattr(estimate.Estimator, "estimate", faulty)
    videos = [make_video(tmp_path / f"{name}.mp4", len(name)) for name in ("first", "second")]
    assert run("estimate", *videos, "-o", tmp_path / "out", "--no-overlay") == 1
    said = capsys.readouterr().err
    assert "a fault of vibe's own, KeyError" in said
    assert "Traceback" not in said
    assert files(tmp_path / "out") == ["report.csv", "report.json", "second/motion.npz", "second/summary.json"]


SKIPS = """
import sys
from vibe.cli import main
code = main(sys.argv[1:])
print(code, *sorted({name.split(".")[0] for name in sys.modules}))
"""


def test_what_is_done_is_skipped_without_a_model_or_what_runs_one(tmp_path, people):
    folder, out = tmp_path / "films", tmp_path / "out"
    folder.mkdir()
    for frames in (5, 6):
        make_video(folder / f"{frames}.mp4", frames)
    command = ["estimate", str(folder), "-o", str(out), "--no-overlay"]
    assert run(*command) == 0
    done = subprocess.run([sys.executable, "-c", SKIPS, *command], capture_output=True, text=True, check=True)
    code, *modules = done.stdout.splitlines()[-1].split()
    assert code == "0" and "2 skipped" in done.stdout, done.stderr
    assert {"torch", "numba", "cv2", "ai_edge_litert", "roma", "scipy", "av"} & set(modules) == set()


def test_a_name_with_brackets_is_printed_as_it_is(tmp_path, people, capsys):
    video = make_video(tmp_path / "[red]clip :bug:.mp4")
    assert run("estimate", video, "-o", tmp_path / "out", "--no-overlay") == 0
    assert "[red]clip :bug:.mp4" in capsys.readouterr().out


@pytest.fixture(scope="session")
def models() -> None:
    """The model files that `vibe fetch` gets and the shipped weights."""
    try:
        for name in assets.MODELS:
            assets.find_model(name)
        assets.weights_path()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.parametrize(("frames", "width", "height"), [(1, 64, 48), (3, 16, 16), (2, 3840, 2160)])
def test_one_frame_16_pixels_and_4k_give_a_result(frames, width, height, tmp_path, models, capsys):
    video = make_video(tmp_path / "clip.mp4", frames, width, height)
    assert run("estimate", video, "-o", tmp_path / "out") == 0
    assert files(tmp_path / "out") == ["clip/motion.npz", "clip/overlay.mp4", "clip/summary.json"]
    assert "nobody was found" in capsys.readouterr().out
    with open_video(tmp_path / "out" / "clip" / "overlay.mp4") as overlay:
        assert (overlay.width, overlay.height) == (width, height)
        assert len(list(overlay)) == frames


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is no signal there")
def test_a_real_ctrl_c_in_the_middle_leaves_nothing(tmp_path, models):
    video = make_video(tmp_path / "clip.mp4", frames=600, width=320, height=240)
    command = [sys.executable, "-m", "vibe", "estimate", str(video), "-o", str(tmp_path / "out")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr
        begun = next((line for line in process.stderr if "clip.mp4: people" in line), None)
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=600)
    assert begun
    assert process.returncode == 130
    assert "Traceback" not in rest
    assert "interrupted" in rest
    assert files(tmp_path) == ["clip.mp4"]


def test_the_walker_of_a_made_clip_is_found_in_every_frame_and_drawn_where_they_are(tmp_path, models, capsys):
    take = clips.make_clip(tmp_path / "clip.mp4", seconds=1.2, fps=15, width=360, height=640)
    assert run("estimate", tmp_path / "clip.mp4", "-o", tmp_path / "out") == 0
    assert files(tmp_path / "out") == ["clip/motion.npz", "clip/overlay.mp4", "clip/summary.json"]
    (found,) = load(tmp_path / "out" / "clip" / "motion.npz").people
    assert found.frames.tolist() == list(range(18))
    limbs = skeletons.index(skeletons.SMPL, skeletons.LIMBS)
    off_px = np.linalg.norm((found.joints_px - take.motion.joints_px)[:, limbs], axis=-1).mean()
    height_px = take.motion.box_px[:, 3].mean()
    assert off_px < 0.04 * height_px
    summary = json.loads((tmp_path / "out" / "clip" / "summary.json").read_text(encoding="utf-8"))
    assert [each["coverage"] for each in summary["people"]] == [1.0]
    assert set(summary["seconds"]) == {"people", "motion", "writing", "overlay"}
    with open_video(tmp_path / "clip.mp4") as before, open_video(tmp_path / "out" / "clip" / "overlay.mp4") as after:
        changes = [np.abs(a.rgb.astype(int) - b.rgb).mean() for a, b in zip(before, after, strict=True)]
    assert min(changes) > 1
