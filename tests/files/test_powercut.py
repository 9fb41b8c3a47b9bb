"""Power cuts at every step: each original is there or its whole successor is, and the next run goes on."""

import errno
import os
import random
from collections import Counter
from pathlib import Path

import pytest
from compass import crooked
from PIL import Image
from powercut import Disk, restore
from runs import correct_planned
from trees import everything, save

from rotnet.errors import RotNetError
from rotnet.files import Journal, correct_files, plan_in_place, plan_targets

pytestmark = pytest.mark.skipif(not hasattr(os, "pread"), reason="the model of the disk needs POSIX")

PLANS = ["copy", "overwrite", "place", "backup", "copied backup"]


def correct(plan, compass, *, resume=False):
    backup = ".orig" if plan.endswith("backup") else None
    overwrite = plan == "overwrite"
    with Journal("state/rotnet/journal", resume=resume) as journal:
        if plan in ("copy", "overwrite"):
            targets = plan_targets(["in"], "out", overwrite=overwrite, finished=journal.touched)
        else:
            targets = plan_in_place(["in"], backup=backup, finished=journal.touched)
        journal.begin({"plan": plan})
        results = correct_planned(targets, compass, journal=journal, backup=backup, overwrite=overwrite, jobs=1)
        return [result.action for result in results]


def begin(plan):
    save("in/a.jpg", 30.0)
    os.makedirs("in/sub")
    # turned, it has as many bytes as before
    Image.fromarray(crooked(90.0, 48, 64)).save("in/sub/b.bmp")
    if plan in ("copy", "overwrite"):
        save("in/c.png", 0.0)
    if plan == "overwrite":
        for name in ("a.jpg", "sub/b.bmp", "c.png"):
            Path("out", name).parent.mkdir(parents=True, exist_ok=True)
            Path("out", name).write_text("of another run")


def pictures():
    return {path: digest for path, digest in everything(".").items() if not path.startswith("./state")}


@pytest.mark.parametrize("plan", PLANS)
def test_power_cut_at_every_step(plan, folder, compass, monkeypatch):
    if plan == "copied backup":

        def no_links(*_, **__):
            raise OSError(errno.EPERM, os.strerror(errno.EPERM))

        monkeypatch.setattr(os, "link", no_links)
    begin(plan)
    before = pictures()
    with Disk(folder) as disk:
        actions = correct(plan, compass)
    assert actions.count("turned") == 2 and "failed" not in actions
    after = pictures()
    restore(folder, disk.certain)
    problems = [] if pictures() == after else [("what is finished may be lost", "")]
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the power has gone once; be quick
    for state in disk.states.values():
        restore(folder, state)
        problems += problems_of(plan, compass, before, after)
    assert not problems, (len(disk.states), Counter(problem for problem, _ in problems), problems[:5])


@pytest.mark.parametrize("plan", ["copy", "backup"])
def test_power_cut_twice(plan, folder, compass, monkeypatch):
    begin(plan)
    before = pictures()
    with Disk(folder) as disk:
        correct(plan, compass)
    after = pictures()
    monkeypatch.setattr(os, "fsync", lambda _: None)
    chance = random.Random(0)
    problems = []
    for state in chance.sample(list(disk.states.values()), 8):
        restore(folder, state)
        with Disk(folder) as again:
            correct(plan, compass, resume=True)
        for second in chance.sample(list(again.states.values()), min(6, len(again.states))):
            restore(folder, second)
            problems += problems_of(plan, compass, before, after)
    assert not problems, (Counter(problem for problem, _ in problems), problems[:5])


def test_power_cut_without_a_journal(folder, compass, monkeypatch):
    begin("backup")
    before = pictures()
    with Disk(folder) as disk:
        list(correct_files("in", in_place=True, backup=".orig", model=compass, jobs=1))
    after = pictures()
    restore(folder, disk.certain)
    assert pictures() == after
    for state in disk.states.values():
        restore(folder, state)
        assert not list(losses("backup", before, after))


def problems_of(plan, compass, before, after):
    """What is wrong with what a power cut has left, and with what the next run makes of it."""
    yield from losses(plan, before, after)
    try:
        actions = correct(plan, compass, resume=True)
    except RotNetError as error:
        yield "not taken up", str(error)
        return
    if "failed" in actions:
        yield "failed", str(actions)
    now = pictures()
    for path in {path for path, _ in now.items() ^ after.items()}:
        yield "left behind" if ".rotnet-" in path else "not finished", path


def losses(plan, before, after):
    """What is wrong with what a power cut has left."""
    left = pictures()
    for path, digest in before.items():
        if left.get(path) not in (digest, after[path]):
            yield "lost", path
        if plan.endswith("backup") and left.get(path) != digest != left.get(f"{path}.orig"):
            yield "no backup", path
    for path, digest in left.items():
        if digest not in (before.get(path), after.get(path)) and ".rotnet-" not in path:
            yield "not whole", path
