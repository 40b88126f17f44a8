"""emit/shared: what the entries of a module have in common: the nests that all of their schedules begin with.

*Requires*: schedules and the places of their buffers.
*Ensures*: so many nests are the same in all of them, and read and write the same places of the working memory; they
can stand in one function.  Nothing is moved to make places agree: what shares memory is decided in ``plan/memory``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nablac.plan.loops import Nest, Schedule, Space
from nablac.plan.memory import Memory, Spot

LEAST = 3
"""Fewer nests are not worth a function."""


def shared_nests(schedules: Sequence[Schedule], memories: Sequence[Memory]) -> int:
    """How many nests all the schedules begin with; 0 where they are too few for a function of their own."""
    spots = [{s.buffer.name: s for arena in (m.reals, m.integers) for s in arena.spots} for m in memories]
    count = 0
    for nests in zip(*(s.nests for s in schedules), strict=False):
        same = all(nest.equations == nests[0].equations and nest.body == nests[0].body for nest in nests)
        if not same or not _same_places(nests[0], schedules, spots) or not _stays_inside(nests, schedules):
            break
        count += 1
    return count if count >= LEAST and len(schedules) > 1 else 0


def _same_places(nest: Nest, schedules: Sequence[Schedule], spots: Sequence[Mapping[str, Spot]]) -> bool:
    """Whether the nest's buffers, and their places, are the same in all schedules."""
    for name in (*nest.read, *nest.written):
        places = {s[name].offset if name in s else None for s in spots}
        if len({s.buffers[name] for s in schedules}) > 1 or len(places) > 1:
            return False
    return True


def _stays_inside(nests: Sequence[Nest], schedules: Sequence[Schedule]) -> bool:
    """Whether the nest gives its values by working memory alone: no array of the caller's, no scalar."""
    for nest, schedule in zip(nests, schedules, strict=True):
        for buffer in map(schedule.buffers.get, nest.written):
            if buffer is None or not (buffer.space is Space.WORK or buffer.space is Space.REGISTER):
                return False
            given = buffer.name in schedule.results or schedule.read_elsewhere(buffer.name, nest)
            if buffer.space is Space.REGISTER and given:
                return False
    return True


def handed_on(schedules: Sequence[Schedule], count: int) -> tuple[str, ...]:
    """The buffers that the first ``count`` nests write and some later nest reads."""
    later = {name for s in schedules for nest in s.nests[count:] for name in nest.read}
    made = [name for nest in schedules[0].nests[:count] for name in nest.written]
    return tuple(name for name in dict.fromkeys(made) if name in later)
