"""The command `vibe`. Torch and all that need it are imported only once there is work for them."""

from vibe.cli.app import main

__all__ = ["main"]
