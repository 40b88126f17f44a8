"""sweep/workers: where runs take place: processes on this machine (joblib's), or a cluster (Dask's).

Both are used through the executors of Python's own ``concurrent.futures``.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor
from contextlib import contextmanager
from dataclasses import dataclass

from nablac.errors import CompileError
from nablac.extras import extra


@dataclass(frozen=True)
class Workers:
    """An executor, made anew by each call of ``executor`` if the last one broke, and how many runs it takes at once.

    If none of them has ended for ``patience`` seconds, ``alive`` is asked whether there is anyone left to do them.
    """

    executor: Callable[[], Executor]
    width: int
    alive: Callable[[], bool] = lambda: True
    patience: float = 60.0


@contextmanager
def processes(jobs: int | None) -> Iterator[Workers]:
    """So many processes; as many as there are processors unless it is said."""
    with extra("sweep", "a sweep"):
        from joblib import cpu_count
        from joblib.externals.loky import get_reusable_executor
    width = jobs or cpu_count()

    made: list[Executor] = []

    def executor() -> Executor:
        made[:] = [get_reusable_executor(max_workers=width, timeout=60, initializer=_begin)]
        return made[0]

    try:
        yield Workers(executor, width)
    except BaseException:
        for last in made:
            last.shutdown(wait=True, kill_workers=True)  # type: ignore[call-arg]
        raise


def _begin() -> None:
    """In a new process: no bars are shown there, and no locks made for them, which one that is ended leaves behind."""
    sys.modules["tqdm"] = None  # type: ignore[assignment]


@contextmanager
def cluster(address: str) -> Iterator[Workers]:
    """The workers of a Dask cluster.  They need nablac, and the data under the same paths."""
    with extra("dask", "a sweep on a cluster"):
        from distributed import Client
    try:
        client = Client(address, timeout="10s")
    except (OSError, ValueError) as error:
        found, remedy = str(error)[:200], "start one with: dask scheduler, and dask worker ADDRESS"
        raise CompileError(f"no Dask scheduler answers at {address[:80]}", found=found, remedy=remedy) from None
    with client:
        executor = client.get_executor(pure=False)
        width = sum(client.nthreads().values())
        if not width:
            raise CompileError(
                f"the Dask cluster at {address[:80]} has no workers", remedy="start: dask worker ADDRESS"
            )
        try:
            yield Workers(lambda: executor, width, lambda: client.status == "running" and bool(client.nthreads()))
        except Exception as error:
            if client.status == "running":
                raise
            found, remedy = str(error)[:200], "start it again; the same command goes on"
            raise CompileError(f"the Dask scheduler at {address[:80]} is gone", found=found, remedy=remedy) from None
        finally:
            executor.shutdown(wait=False)
