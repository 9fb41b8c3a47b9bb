"""How many things are done at once."""

import os


def usable_cores() -> int:
    """Processor cores that this process may use, which in a container can be fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


JOBS = min(4, usable_cores())  # pictures in memory grow with it, and disks do not get quicker
