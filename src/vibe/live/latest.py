"""A place for one thing: whoever takes it gets the newest, and what nobody took in time is gone."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Mailbox(Generic[Item]):
    """Between one thread that puts and one that takes; neither waits for a slow other."""

    def __init__(self) -> None:
        self.dropped = 0
        """Things that were overtaken by a newer one before anybody took them."""
        self._changed = threading.Condition()
        self._item: Item | None = None
        self._error: Exception | None = None
        self._closed = False

    def put(self, item: Item) -> None:
        """Leave a thing, in place of one that is still there; nothing happens once the box is closed."""
        with self._changed:
            if self._closed:
                return
            self.dropped += self._item is not None
            self._item = item
            self._changed.notify_all()

    def close(self, error: Exception | None = None) -> None:
        """Nothing more will come; with an error, whoever takes is told why."""
        with self._changed:
            self._closed, self._error = True, self._error or error
            self._changed.notify_all()

    @property
    def closed(self) -> bool:
        """Whether nothing more will come."""
        return self._closed

    def take(self, timeout: float | None = None) -> Item | None:
        """The newest thing, waited for; None at the end.

        Raises the error that the box was closed with, after the last thing was taken, and TimeoutError if nothing came
        within `timeout` seconds.
        """
        with self._changed:
            if not self._changed.wait_for(lambda: self._item is not None or self._closed, timeout):
                raise TimeoutError(f"nothing came for {timeout:g} s")
            item, self._item = self._item, None
            if item is None and self._error is not None:
                raise self._error
            return item
