"""Who may listen: only those who know the token, and no page of another site.

A browser lets any site's page send requests to this machine, and a name can be made to mean 127.0.0.1 once such a page
is loaded (DNS rebinding). So the address that a request was sent to (Host) has to be a number, localhost or the name
that the server was told to have, and a page that asks (Origin) has to come from that same address.
"""

from __future__ import annotations

import hmac
import ipaddress
import secrets
from collections.abc import Mapping
from urllib.parse import parse_qs, urlsplit


def new_token() -> str:
    """128 random bits as text for an address."""
    return secrets.token_urlsafe(16)


def refusal(path: str, headers: Mapping[str, str], token: str, host: str) -> str | None:
    """Why a request is not answered; None for one that may be. `host` is what the server was told to listen on."""
    asked = headers.get("Host", "")
    name = _host_name(asked)
    if not (name in ("localhost", host.lower()) or _is_number(name)):
        return "this address is not one of this server"
    origin = headers.get("Origin")
    if origin is not None and origin.lower() != f"http://{asked.lower()}":
        return "a page from another place asked"
    given = parse_qs(path.partition("?")[2]).get("token", [""])[-1]
    scheme, _, bearer = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "bearer":
        given = bearer.strip()
    if not hmac.compare_digest(given.encode(errors="replace"), token.encode()):
        return "the token is missing or wrong: use the address that vibe printed"
    return None


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    return ipaddress.ip_address(host).is_loopback if _is_number(host) else host.lower() == "localhost"


def _host_name(asked: str) -> str:
    """The name in a Host header, without its port; empty if it can't be told."""
    try:
        return (urlsplit(f"//{asked}").hostname or "").lower()
    except ValueError:
        return ""


def _is_number(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
