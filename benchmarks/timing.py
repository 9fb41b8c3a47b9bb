"""Comparing several ways to do one thing, all in one run and in turns, so that a busy minute troubles all alike."""

from __future__ import annotations

import os
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    """One way to do a thing, measured.

    Attributes:
        name: What was done.
        median, low, high: Of the rounds, in the table's unit; `low` and `high` are the quartiles.
    """

    name: str
    median: float
    low: float
    high: float


@dataclass(frozen=True)
class Table:
    """What one question found.

    Attributes:
        title: The question.
        unit: Of the values, such as pictures/s.
        rows: In the order they were measured; the first is what the others are compared with.
        notes: What has to be known to read it.
    """

    title: str
    unit: str
    rows: tuple[Row, ...]
    notes: tuple[str, ...] = field(default=())

    def ratio(self, row: Row) -> float:
        """How many times the first row's median a row's median is."""
        return row.median / self.rows[0].median if self.rows[0].median else float("nan")


def row(name: str, values: list[float]) -> Row:
    """Median and quartiles of several measurements."""
    low, _, high = statistics.quantiles(values, n=4, method="inclusive") if len(values) > 1 else values * 3
    return Row(name, statistics.median(values), low, high)


def processor_seconds() -> float:
    """Of this process and of those that it has started and that have ended."""
    return sum(os.times()[:4])


def rates(
    ways: Mapping[str, Callable[[], object]],
    things: int,
    *,
    rounds: int,
    clock: Callable[[], float] = processor_seconds,
) -> tuple[Row, ...]:
    """How many things a second each way does.

    Args:
        ways: Each does all the things once.
        things: How many that are.
        rounds: Every way has its turn in each; one more before is not counted.
        clock: The processor's seconds by default, which other work on the machine hardly changes;
            `time.perf_counter` where several threads shall work at once.

    Returns:
        One row a way.
    """
    spent: dict[str, list[float]] = {name: [] for name in ways}
    for way in ways.values():
        way()
    for _ in range(rounds):
        for name, way in ways.items():
            start = clock()
            way()
            spent[name].append(things / max(clock() - start, 1e-9))
    return tuple(row(name, values) for name, values in spent.items())
