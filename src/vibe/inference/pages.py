"""What a network says of a long track, in pages on a shelf: each is computed when it is first asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from vibe.cache import StageCache, fits
from vibe.inference.predict import Answer, Timeline, stack_predictions

PAGE = 2880
"""Moments of a page."""
STAGE = "motion"
LAYOUT = {"rotmat": (24, 3, 3), "betas": (10,), "trans": (3,), "keypoints_px": (17, 3)}
"""Shape of each array of a page but for the moments."""


class Pages:
    """A `Reading` of which one page at a time is in memory; a track of one page stays there."""

    def __init__(
        self, shelf: StageCache, person: int, line: Timeline, answers: Callable[[int], Iterator[Answer]]
    ) -> None:
        """`answers` gives what the network says from a moment on, in pieces."""
        self.times, self.frames, self.moments, self.everywhere = line.times, line.frames, line.moments, line.everywhere
        self._shelf, self._person, self._answers = shelf, person, answers
        self._count = -(-len(line.times) // PAGE)
        self._open: tuple[int, Answer] | None = None
        self._known: tuple[Tensor, Tensor] | None = None

    @property
    def betas(self) -> Float[Tensor, "moment 10"]:
        """The network's shapes, which may differ from moment to moment."""
        return self._light()[0]

    @property
    def confidence(self) -> Float[Tensor, "moment"]:
        """Mean over the keypoints."""
        return self._light()[1]

    def part(self, span: slice) -> Answer:
        """Some of the moments."""
        first, last = span.start // PAGE, (span.stop - 1) // PAGE
        whole = stack_predictions(self._page(number) for number in range(first, last + 1))
        return whole.part(slice(span.start - first * PAGE, span.stop - first * PAGE))

    def _light(self) -> tuple[Tensor, Tensor]:
        """Shapes and confidence of all pages, which stay in memory."""
        if self._known is None:
            pages = [(page.betas, page.confidence) for page in map(self._page, range(self._count))]
            betas, confidence = (torch.cat(each) for each in zip(*pages, strict=True))
            self._known = betas, confidence
        return self._known

    def _page(self, number: int) -> Answer:
        """A page: the one that is open, one from the shelf, or one to be computed with those after it."""
        if self._open is None or self._open[0] != number:
            self._open = number, self._kept(number) or self._computed(number)
        return self._open[1]

    def _kept(self, number: int) -> Answer | None:
        """A page from the shelf, if it is there and fits the track."""
        found = self._shelf.load(STAGE, self._name(number))
        if found is None or not fits(found[0], LAYOUT, len(self.times[number * PAGE : (number + 1) * PAGE])):
            return None
        return Answer(**found[0])

    def _computed(self, number: int) -> Answer:
        """A page; the ones after it that are not there are computed at once, where they are next in line."""
        wanted: Answer | None = None
        for page, answer in enumerate(_paged(self._answers(number * PAGE)), start=number):
            if self._shelf.keeps or self._count > 1:
                self._shelf.save(STAGE, self._name(page), {name: getattr(answer, name) for name in LAYOUT})
            wanted = wanted or answer
        assert wanted is not None, "a page has moments"
        return wanted

    def _name(self, number: int) -> str:
        return f"{self._person}-{number:06}"


def _paged(answers: Iterable[Answer]) -> Iterator[Answer]:
    """The same pieces, put together to pages."""
    waiting: list[Answer] = []
    for answer in answers:
        waiting.append(answer)
        while sum(len(each.trans) for each in waiting) >= PAGE:
            whole = stack_predictions(waiting)
            yield whole.part(slice(0, PAGE))
            waiting = [whole.part(slice(PAGE, None))]
    whole = stack_predictions(waiting)
    if len(whole.trans):
        yield whole
