"""Work spread over processes and machines; who does what changes no result."""

from vibe.spread.processes import here, in_processes
from vibe.spread.seats import TRIES, Begin, Heard, Lost, Seat, Spread

__all__ = ["TRIES", "Begin", "Heard", "Lost", "Seat", "Spread", "here", "in_processes"]
