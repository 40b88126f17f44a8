"""frontend/places: where in the user's own Python file something stands."""

from __future__ import annotations

import sys
import sysconfig
from pathlib import Path
from types import FrameType

from nablac.errors import Place

_PACKAGE = str(Path(__file__).resolve().parents[1])
_FOREIGN = (_PACKAGE, "<frozen ", *(sysconfig.get_paths()[kind] for kind in ("stdlib", "purelib", "platlib")))
"""How the names of files begin that are not the user's own."""


def user_place() -> Place:
    """Where in the user's own file the call stands that led here."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_foreign(frame):
        frame = frame.f_back
    return frame_place(frame) if frame is not None else Place("<python>")


def _is_foreign(frame: FrameType) -> bool:
    """Whether a frame is not the user's own; the methods that ``dataclass`` makes have no file, but a module."""
    module = str(frame.f_globals.get("__name__"))
    return frame.f_code.co_filename.startswith(_FOREIGN) or module.partition(".")[0] == "nablac"


def frame_place(frame: FrameType, lasti: int | None = None) -> Place:
    """The place of what a frame is doing."""
    code = frame.f_code
    at = (frame.f_lasti if lasti is None else lasti) // 2
    line, column = None, None
    for number, position in enumerate(code.co_positions()):
        if number == at:
            line, column = position[0], position[2]
            break
    return Place(code.co_filename, line or frame.f_lineno, None if column is None else column + 1)


def last_place(error: BaseException) -> Place | None:
    """The deepest line of the user's own in a traceback."""
    found, trace = None, error.__traceback__
    while trace is not None:
        if not _is_foreign(trace.tb_frame):
            found = frame_place(trace.tb_frame, trace.tb_lasti)
        trace = trace.tb_next
    return found
