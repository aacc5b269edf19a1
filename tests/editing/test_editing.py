"""Who may correct a motion over HTTP, what is written, and that a command makes the same motion of the same edits."""

import json
import re
from http.client import HTTPConnection

import numpy as np
import pytest

import vibe
from vibe import cli, editing
from vibe.edits.file import FORMAT, LARGEST, read_edits
from vibe.inference.track import STAGE

SWAP = {"edit": "swap_sides", "person": 2, "first": 3, "last": 9}
NAME = {"edit": "name", "person": 1, "name": "Ånna </script>"}


@pytest.fixture
def ask(server):
    """Status and text of an answer."""

    def asked(method, path="/edits", body=None, **headers):
        connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
        ours = {"Authorization": f"Bearer {server.token}", "Edits-Revision": server.editor.revision}
        connection.request(method, path, body, {**ours, **headers})
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    return asked


def content(opened, *edits):
    return json.dumps({"format": FORMAT, "video": vars(opened.video), "edits": edits})


def test_only_who_knows_the_token_and_comes_from_the_page_is_answered(ask):
    for headers in (
        {"Authorization": "Bearer no"},
        {"Host": "evil.example"},
        {"Origin": "http://evil.example"},
    ):
        for method, path in (("GET", "/"), ("POST", "/edits")):
            assert ask(method, path, b"{}" if method == "POST" else None, **headers)[0] == 403
    assert ask("GET", "/edits.json")[0] == 404 and ask("PUT")[0] == 501


def test_edits_are_made_written_and_on_the_page_that_is_opened_next(ask, opened, files):
    status, text = ask("POST", body=content(opened, SWAP, NAME).encode())
    shown = json.loads(text)
    assert status == 200 and [one["name"] for one in shown["people"]] == ["Ånna </script>", ""]
    assert read_edits(files.edits, opened.video).edits[0].values == {"person": 2, "first": 3, "last": 9}
    assert vibe.load(files.motion).people[0].name == "Ånna </script>"
    page = ask("GET", "/")[1]
    assert page.count("</script>") == ask("GET", "/")[1].count("</script>") and "Ånna </script>" not in page
    assert "connect-src 'self'" in page
    assert ask("POST", body=content(opened).encode())[0] == 200
    assert read_edits(files.edits, opened.video).edits == ()


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        (lambda opened: "no", "the edits is no JSON"),
        (lambda opened: content(opened, SWAP | {"person": 3}), "edit 1, swap_sides: there is no person 3"),
        (lambda opened: content(opened, SWAP | {"last": "9"}), "last is '9', not a whole number"),
        (lambda opened: content(opened).replace(opened.video.sha256, "0" * 64), "of another video"),
    ],
)
def test_what_does_not_fit_is_one_sentence_and_changes_nothing(wrong, why, ask, opened, files):
    ask("POST", body=content(opened, NAME).encode())
    before = files.edits.read_bytes(), files.motion.read_bytes()
    status, text = ask("POST", body=wrong(opened).encode())
    assert status == 400 and re.search(why, json.loads(text)["error"])
    assert before == (files.edits.read_bytes(), files.motion.read_bytes())


def test_a_page_that_does_not_show_anothers_edits_is_refused_and_changes_nothing(ask, opened, files):
    revision = lambda text: json.loads(text)["edits"]["revision"]  # noqa: E731
    first = json.loads(re.search(r'"revision": ?("\w{64}")', ask("GET", "/")[1])[1])
    status, text = ask("POST", body=content(opened, NAME).encode(), **{"Edits-Revision": first})
    assert status == 200 and revision(text) != first
    before = files.edits.read_bytes(), files.motion.read_bytes()
    for late in (first, "no"):
        status, refused = ask("POST", body=content(opened, SWAP).encode(), **{"Edits-Revision": late})
        assert status == 409
        assert json.loads(refused) == {"error": "another page changed the edits: reload this one"}
        assert before == (files.edits.read_bytes(), files.motion.read_bytes())
    both = content(opened, NAME, SWAP).encode()
    assert ask("POST", body=both, **{"Edits-Revision": revision(text)})[0] == 200
    assert [each.kind for each in read_edits(files.edits, opened.video).edits] == ["name", "swap_sides"]


def test_no_more_is_read_than_edits_have(ask):
    for length in (LARGEST + 1, "x", -1, 10**30):
        status, text = ask("POST", body=b"", **{"Content-Length": str(length)})
        assert status == 400 and "at most 4 MB" in text


@pytest.fixture
def motion(opened, files, monkeypatch):
    """A motion file whose stages are kept, for the commands."""
    tensors = {"timestamps": opened.found.clip.timestamps}
    for number, track in enumerate(opened.found.tracks):
        fields = {name: value for name, value in vars(track).items() if value is not None}
        tensors |= {f"{number}/{name}": value for name, value in fields.items()}
    clip = {"fps": 30.0, "width": 1280, "height": 720, "damaged": 0}
    opened.stages.put(STAGE, STAGE, tensors, {"clip": clip, "notes": [], "people": 2})
    monkeypatch.setattr(editing, "load_estimator", lambda config: opened.estimator)
    opened.solve([]).save(files.edits.with_name("motion.npz"))
    return files.edits.with_name("motion.npz")


def test_the_command_makes_the_motion_that_the_page_makes(motion, ask, opened, files, capsys):
    ask("POST", body=content(opened, SWAP, NAME).encode())
    out = motion.with_name("by_command.npz")
    before = motion.read_bytes()
    assert cli.main(["refit", str(motion), "--edits", str(files.edits), "-o", str(out)]) == 0, capsys.readouterr().err
    assert ", with 2 edits\n" in capsys.readouterr().out
    one, other = vibe.load(out), vibe.load(files.motion)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.smpl.rotmat, b.smpl.rotmat) and np.array_equal(a.joints_world, b.joints_world)
        assert a.name == b.name
    assert motion.read_bytes() == before
    files.edits.write_text(content(opened, NAME), encoding="utf-8")
    assert cli.main(["refit", str(motion), "--edits", str(files.edits), "-o", str(out)]) == 0
    assert capsys.readouterr().out.endswith(", with 1 edit\n")


def test_the_command_says_what_is_wrong_and_begins_a_file_where_there_is_none(motion, opened, files, capsys):
    def said(*arguments):
        code = cli.main(["refit", str(motion), *map(str, arguments)])
        return code, capsys.readouterr().err

    code, text = said()
    assert code == 2 and "with no edits yet" in text
    assert read_edits(files.edits, opened.video).edits == ()
    assert said()[0] == 0 and files.motion.is_file()
    assert "two files" in said("-o", motion.with_name("a.html"), "--page")[1]
    assert "two files" in said("-o", motion.with_name("a.json"), "--edits", motion.with_name("a.json"))[1]
    assert "would be overwritten" in said("-o", motion)[1] and "would be overwritten" in said("-o", files.edits)[1]
    files.edits.write_text(content(opened).replace(opened.video.sha256, "0" * 64))
    assert "it is of another video (sha256)" in said()[1]
    for stage in opened.stages.place(STAGE).iterdir():
        stage.unlink()
    assert "--keep-stages" in said()[1]
