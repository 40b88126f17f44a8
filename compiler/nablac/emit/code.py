"""emit/code: the four programs of a model -> the text of its native functions, the door of the printers.

Requires checked programs after all passes.  Ensures finished strings, in the order in which a module shows them, and
what the module has to import.  It writes no file and knows no template.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from nablac.emit.comments import Commentary, numbered
from nablac.emit.entries import Entry, entry, offsets_of, sizes_text, unpack_text
from nablac.emit.gemms import imports_text, support_text
from nablac.emit.kernels import Kernel, Site, kernels, site_of
from nablac.emit.printer import Printer
from nablac.emit.programs import Programs
from nablac.emit.shared import handed_on, shared_nests
from nablac.emit.stable import ORDER, helper_text, needed
from nablac.emit.writer import UNPACK, EntryWriter
from nablac.ir.equation import Program
from nablac.ir.tensor import Role
from nablac.plan.inplace import inplace
from nablac.plan.loops import Nest, Number, Schedule, Space
from nablac.plan.memory import Memory, plan_memory
from nablac.plan.schedule import Homes, schedule

__all__ = ["Code", "Function", "Programs", "emit_code", "scheduled"]

SHORT = 4
"""So many lines of a nest that nothing else shares stand in the entry itself."""


@dataclass(frozen=True)
class Function:
    """One function of the module: its name, the comment above it, its text."""

    name: str
    comment: str
    text: str


@dataclass(frozen=True)
class Code:
    """All native functions of a module as text, and the numbers of the equations their comments speak of."""

    imports: tuple[str, ...]
    """What to import from ``math``."""
    helpers: tuple[Function, ...]
    numba_imports: str
    """What ``products`` imports."""
    products: str
    """Intrinsics for Numba (views, matrix products), to be run only where Numba is."""
    kernels: tuple[Function, ...]
    entries: tuple[Function, ...]
    sizes: str
    """``def _sizes(entry, n)``: how long the working memory of an entry is."""
    numbers: Mapping[str, int]
    """The number of each equation's text."""
    signatures: Mapping[str, Entry]
    schedules: Mapping[str, Schedule]
    memories: Mapping[str, Memory]


def emit_code(programs: Programs, numbers: Mapping[str, int] | None = None) -> Code:
    """The text of everything native; ``numbers`` gives each equation's text its number."""
    schedules = {name: scheduled(name, program, programs) for name, program in programs.items()}
    memories = {name: plan_memory(s) for name, s in schedules.items()}
    numbers = numbers or numbered(schedules.values())
    tell = Commentary(numbers)
    sites = {
        (n, at): site_of(s, nest) for n, s in schedules.items() for at, nest in enumerate(s.nests) if _called(n, nest)
    }
    printed = [k for k in kernels(sites.values()) if not _inline(k)]
    functions = [Function(k.name, tell.above(k), k.text) for k in printed]
    entries = _entries(programs, schedules, memories, sites, printed, tell)
    text = "\n".join([k.text for k in printed] + [e.text for e in entries.values()])
    helpers = _helpers(text, programs.predict.dtype)
    products, views = (re.search(pattern, text) is not None for pattern in (r"\b_gemm\(", rf"\b(_view|{UNPACK})\("))
    if f"{UNPACK}(" in text:
        functions.append(Function(UNPACK, "", unpack_text(programs.predict)))
    return Code(
        imports=needed("\n".join([text, *(h.text for h in helpers)])),
        helpers=helpers,
        numba_imports=imports_text(products) if views or products else "",
        products=support_text(products) if views or products else "",
        kernels=tuple(functions),
        entries=tuple(Function(e.name, "", e.text) for e in entries.values()),
        sizes=sizes_text({name: e for name, e in entries.items() if name not in ("forward", "update")}),
        numbers=numbers,
        signatures=entries,
        schedules=schedules,
        memories=memories,
    )


def _entries(
    programs: Programs,
    schedules: Mapping[str, Schedule],
    memories: Mapping[str, Memory],
    sites: Mapping[tuple[str, int], Site],
    printed: list[Kernel],
    tell: Commentary,
) -> dict[str, Entry]:
    """The entries in order, before them ``forward`` if they begin alike."""
    of_site = {id(site): kernel for kernel in printed for site in kernel.sites}
    alike, shared = _alike(schedules, memories)
    entries: dict[str, Entry] = {}

    def enter(name: str, source: str, nests: range, returns: tuple[str, ...] = ()) -> None:
        program = dict(programs.items())[source]
        own = {at: site for (n, at), site in sites.items() if n == source and id(site) in of_site}
        calls = {at: of_site[id(site)] for at, site in own.items()}
        offsets = offsets_of(name, program, programs)
        writer = EntryWriter(schedules[source], memories[source], offsets, own, calls, tell, nests, returns)
        entries[name] = entry(name, program, programs, writer, entries.get("forward") if name in alike else None)

    if shared:
        enter("forward", "predict", range(shared), handed_on([schedules[name] for name in alike], shared))
    for name, s in schedules.items():
        enter(name, name, range(shared if name in alike else 0, len(s.nests)))
    return entries


def _alike(schedules: Mapping[str, Schedule], memories: Mapping[str, Memory]) -> tuple[list[str], int]:
    """Which entries begin with the same nests, and with how many: all, or all but the gradient; what saves more."""
    best: tuple[list[str], int] = ([], 0)
    for left_out in ({"update"}, {"update", "gradient"}):
        names = [name for name in schedules if name not in left_out]
        count = shared_nests([schedules[name] for name in names], [memories[name] for name in names])
        best = max(best, (names, count), key=lambda found: (len(found[0]) - 1) * found[1])
    return best


def scheduled(name: str, program: Program, programs: Programs) -> Schedule:
    """The loop nests of one program of a module, its results where the module has them."""
    if name == "gradient":
        spaces = {programs.gradient_of(t.name): Space.GRAD for t in program.having(Role.PARAM)}
        return schedule(program, Homes(spaces, wide=(programs.loss,)))
    if name == "evaluate":
        return schedule(program, Homes(wide=(programs.loss, *programs.metrics)))
    if name == "update":
        return inplace(schedule(program), programs.updates)
    wide = (programs.loss, *programs.metrics)
    return schedule(program, Homes(dict.fromkeys(program.results, Space.OUTPUT), wide))


def _inline(k: Kernel) -> bool:
    """Whether a nest's lines stand in the entry: it is short, nothing else shares it, all it reads has the dtype."""
    (site, *others), buffers = k.sites, k.sites[0].schedule.buffers
    wide = any(buffers[name].number is Number.WIDE for name in site.signature.scalars)
    return not others and not wide and k.length <= SHORT


def _called(name: str, nest: Nest) -> bool:
    """Whether a nest is a kernel of its own; those of the update stand in it."""
    return name != "update" and not nest.is_product and not nest.is_scalar


def _helpers(text: str, dtype: str) -> tuple[Function, ...]:
    """The scalar functions that a text calls."""
    called = set(re.findall(r"\b(_[a-z]\w*)\(", text))
    number = Printer(dtype).number
    names = [n for n in ORDER if n in called] + sorted(n for n in called if n.startswith("_exprel"))
    return tuple(Function(n, "", f"@kernel\n{helper_text(n, number, dtype)}") for n in dict.fromkeys(names))
