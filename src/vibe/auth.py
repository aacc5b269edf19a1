"""Who may ask the servers that this machine's browser talks to, and how the browser gets there.

A browser lets any site's page send requests to this machine, and a name can be made to mean 127.0.0.1 once such a page
is loaded (DNS rebinding). So the address that a request was sent to (Host) has to be a number, localhost or the name
that the server listens on, and a page that sends it (Origin) has to come from that same address."""

from __future__ import annotations

import errno
import hmac
import ipaddress
import os
import sys
import tempfile
import webbrowser
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from html import escape
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HEADERS = {
    "Cache-Control": "no-store",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer."""


def refusal_reason(path: str, headers: Iterable[tuple[str, str]], token: str, host: str) -> str | None:
    """Why a request is not answered; None for one that may be. `host` is what the server was told to listen on.

    `path` is with its query, `headers` are names in any case with their values, as they came.
    """
    found: dict[str, str] = {}
    for name, value in headers:
        if (name := name.lower()) in ("host", "origin", "authorization"):
            if name in found:
                return "a header stands twice"
            found[name] = value
    asked = found.get("host", "")
    try:
        name = (urlsplit(f"//{asked}").hostname or "").lower()
    except ValueError:
        name = ""
    if not (name in ("localhost", host.lower()) or _is_number(name)):
        return "this address is not one of this server"
    if found.get("origin", f"http://{asked}").lower() != f"http://{asked}".lower():
        return "a page from another place asked"
    given = parse_qs(path.partition("?")[2]).get("token", [""])[-1]
    scheme, _, credentials = found.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given = credentials.strip()
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        return "the token is missing or wrong: use the address that vibe printed"
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return ipaddress.ip_address(host).is_loopback if _is_number(host) else host.lower() == "localhost"


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def listening_error(error: OSError, host: str, port: int) -> OSError:
    """What says why nobody can listen there, and what to do."""
    if error.errno == errno.EADDRINUSE:
        return OSError(f"port {port} is taken: give another one with --port, or 0 for any that is free")
    if error.errno in (errno.EACCES, errno.EPERM):
        return PermissionError(f"port {port} may not be used: give one from 1024 on with --port")
    return OSError(f"nobody can listen on {host} ({error.strerror or error}): give an address of this machine")


@contextmanager
def page_file(address: str) -> Iterator[str]:
    """The address of a file that only this user can read and that leads a browser to the page; removed at the end.

    Whatever a browser is started with, everybody on the machine can read.
    """
    with tempfile.TemporaryDirectory(prefix="vibe-page-") as folder:
        file = Path(folder) / "page.html"
        file.write_text(f'<meta http-equiv="refresh" content="0; url={escape(address)}">', encoding="utf-8")
        yield file.as_uri()


@contextmanager
def browser_at(address: str, wanted: bool = True) -> Iterator[None]:
    """Open the browser at a page, if that is wanted and there is a screen; what leads it there goes at the end."""
    screen = sys.platform != "linux" or any(os.environ.get(name) for name in ("DISPLAY", "WAYLAND_DISPLAY"))
    if not (wanted and screen):
        yield
        return
    with page_file(address) as place:
        webbrowser.open(place)
        yield
