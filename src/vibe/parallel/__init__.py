"""Work spread over processes and machines; who does what changes no result."""

from vibe.parallel.processes import TRIES, Begin, Lost, Message, Seat, Spread, in_processes, in_this_process

__all__ = ["TRIES", "Begin", "Lost", "Message", "Seat", "Spread", "in_processes", "in_this_process"]
