"""Threads that work a bounded number of items ahead of whoever asks for the results."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import TypeVar

from rotnet.errors import UsageError

T = TypeVar("T")
R = TypeVar("R")


_QUOTA = "/sys/fs/cgroup/cpu.max"  # of a container: microseconds a period, or max


def usable_cores() -> int:
    """Processor cores that this process may use: those it is bound to, or the quota of its container if that is less.

    Example:
        >>> usable_cores() >= 1
        True
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        with open(_QUOTA, encoding="ascii") as file:
            quota, period = file.read().split()
        return max(1, min(cores, int(quota) // int(period)))
    except (OSError, ValueError):  # no container, or one without a quota
        return cores


JOBS = min(4, usable_cores())  # pictures in memory grow with it, and disks do not get quicker
_WINDOW = 32  # items under way, more than a network answers for at once
_NOTICE = 0.2  # seconds
_PATIENCE = 0.4  # seconds that whoever stops early waits for what has begun, which a large picture may exceed


def check_jobs(jobs: int) -> None:
    """Raise `UsageError` unless this is a number of threads."""
    if not isinstance(jobs, int) or jobs < 1:
        raise UsageError(f"jobs must be a whole number, at least 1. Received: jobs={jobs!r}.")


def ahead(function: Callable[[T], R], items: Iterable[T], *, jobs: int = JOBS) -> Generator[R, None, None]:
    """Apply a function to items, in order, while the results of those before are used.

    Args:
        function: Called by the threads; what it raises ends the iteration.
        items: Taken by the calling thread, at most 32 before their results are.
        jobs: Threads, at least 1.

    Yields:
        `function(item)` for each item. Close the iterator to stop early: what has not begun is dropped.

    Example:
        >>> list(ahead(abs, [-2, 1, -3]))
        [2, 1, 3]
    """
    check_jobs(jobs)
    pool = ThreadPoolExecutor(jobs)
    pending: deque[Future[R]] = deque()
    try:
        for item in items:
            pending.append(pool.submit(function, item))
            if len(pending) == _WINDOW:
                yield _result(pending[0])
                pending.popleft()
        while pending:
            yield _result(pending[0])
            pending.popleft()
    finally:
        # not `wait=True`: what an interrupt kept from being noted in `pending` may take long
        pool.shutdown(wait=False, cancel_futures=True)
        wait([future for future in pending if not future.cancelled()], timeout=_PATIENCE)


def _result(future: Future[R]) -> R:
    while not future.done():  # an interrupt that comes just before a wait begins is noticed only when it ends
        wait([future], timeout=_NOTICE)
    return future.result()
