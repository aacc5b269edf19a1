"""Who is let in: the token, the address and the page that asks."""

import html
import os
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import pytest

from vibe.auth import is_loopback, page_file, refusal_reason

TOKEN = "aN5_dummy-token-of-22-ch"


def asked(path: str = f"/live?token={TOKEN}", host: str = "127.0.0.1", **headers: str) -> str | None:
    return refusal_reason(path, {"Host": "127.0.0.1:8765", **headers}.items(), TOKEN, host)


def test_the_token_lets_in_from_the_address_or_from_a_header():
    assert asked() is None
    assert asked("/live", Authorization=f"Bearer {TOKEN}") is None
    assert asked(f"/?page=1&token={TOKEN}") is None


@pytest.mark.parametrize("path", ["/live", "/live?token=", f"/live?token={TOKEN}x", "/live?token=ünï", "/?t=1", "//["])
def test_another_token_or_none_is_refused(path):
    assert asked(path) is not None
    assert asked(path, Authorization="Bearer nonsense") is not None


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST", "[::1]:8765", "192.168.1.7:80"])
def test_a_number_and_localhost_are_this_server(host):
    assert asked(Host=host) is None
    assert asked(Host=host, Origin=f"http://{host}") is None


@pytest.mark.parametrize("host", ["evil.example:8765", "127.0.0.1.evil.example", "", "[::1", "localhost.evil.example"])
def test_a_name_that_was_made_to_mean_this_machine_is_refused(host):
    assert "address" in (asked(Host=host) or "")


def test_the_name_that_the_server_was_told_to_have_is_its_own():
    assert asked(host="studio.lan", Host="studio.lan:8765") is None
    assert asked(host="0.0.0.0", Host="studio.lan:8765") is not None


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "http://127.0.0.1:3000", "https://127.0.0.1:8765", "file://", "http://localhost:8765"],
)  # fmt: skip
def test_a_page_from_another_place_is_refused_even_with_the_token(origin):
    assert "another place" in (asked(Origin=origin) or "")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_loopback_is_for_this_machine_alone(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "studio.lan"])
def test_other_addresses_are_for_others_too(host):
    assert not is_loopback(host)


def test_a_header_that_stands_twice_is_refused():
    once = [("Host", "127.0.0.1:8765"), ("authorization", f"Bearer {TOKEN}")]
    assert refusal_reason("/live", once, TOKEN, "127.0.0.1") is None
    for name in ("host", "Origin", "Authorization"):
        twice = [*once, (name, "127.0.0.1:8765"), (name.upper(), "127.0.0.1:8765")]
        assert refusal_reason("/live", twice, TOKEN, "127.0.0.1") == "a header stands twice"


def test_the_file_that_leads_a_browser_to_the_page_is_for_this_user_alone_and_goes():
    address = f"http://127.0.0.1:8765/?token={TOKEN}&x=1"
    with page_file(address) as place:
        file = Path(url2pathname(urlsplit(place).path))
        assert TOKEN not in place and html.unescape(file.read_text()).count(address) == 1
        assert os.name == "nt" or file.parent.stat().st_mode & 0o077 == 0
    assert not file.parent.exists()
