"""Kill a run at every step at which it changes a file, and go on with it: `python killing.py FOLDER PLAN`.

FOLDER holds `model.onnx` and the tree `in`; PLAN is `copy`, `place`, `backup` or `copied backup`, as where
there are no hard links. Prints how often it killed, as JSON, or ends with an error. The processes are
forked from one that has loaded everything and run nothing.
"""

import errno
import json
import os
import shutil
import signal
import sys
from pathlib import Path

from runs import correct_planned
from trees import everything

from rotnet import Predictor
from rotnet.files import Journal, plan_in_place, plan_targets
from rotnet.images import turn_file

CHANGES = {"os.rename", "os.remove", "os.link", "os.mkdir", "os.utime", "os.chmod", "os.truncate"}


class Steps:
    """Counts the steps of this process, and kills it at the one that is asked for."""

    def __init__(self, last: int) -> None:
        self.left = last
        sys.addaudithook(self.hear)
        fsync, record, turn = os.fsync, Journal._record, turn_file.turn_bytes

        def heard_fsync(file):
            self.step()
            fsync(file)

        def torn_record(journal, entry, **options):
            if self.left == 1:
                journal._file.write(json.dumps(entry).encode()[:-7])
            self.step()
            record(journal, entry, **options)
            self.step()

        def counted_turn(data, angle, *, name, **options):
            with open("turned", "a") as turned:
                turned.write(f"{name}\n")
            return turn(data, angle, name=name, **options)

        os.fsync, Journal._record, turn_file.turn_bytes = heard_fsync, torn_record, counted_turn

    def hear(self, event, arguments):
        if event in CHANGES or (event == "open" and "w" in str(arguments[1]) and arguments[0] != "turned"):
            self.step()

    def step(self):
        self.left -= 1
        if self.left == 0:
            os.kill(os.getpid(), signal.SIGKILL)


def no_links(*_: object, **__: object) -> None:
    raise OSError(errno.EPERM, os.strerror(errno.EPERM))


def correct(plan: str, last: int, resume: bool) -> None:
    """Correct the tree, as the command does."""
    Steps(last)
    predictor = Predictor("../model.onnx", threads=1)
    backup = ".orig" if plan.endswith("backup") else None
    if plan == "copied backup":
        os.link = no_links
    with Journal("../journal", resume=resume) as journal:
        if plan == "copy":
            targets = plan_targets(["in"], "out", finished=journal.touched)
        else:
            targets = plan_in_place(["in"], backup=backup, finished=journal.touched)
        journal.begin({"plan": plan})
        results = list(correct_planned(targets, predictor, journal=journal, backup=backup, jobs=1))
    assert [result.action for result in results].count("turned") == 2, results


def fork(plan: str, last: int = 0, resume: bool = False) -> bool:
    """Whether a process of its own came to the end of it."""
    child = os.fork()
    if child == 0:
        try:
            correct(plan, last, resume)
            os._exit(0)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", file=sys.stderr)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    assert status in (0, signal.SIGKILL), status
    return status == 0


def begin_anew() -> None:
    """The tree as it was, in the current folder."""
    for name in os.listdir("."):
        shutil.rmtree(name) if os.path.isdir(name) else os.unlink(name)
    shutil.copytree("../in", "in")
    Path("../journal").unlink(missing_ok=True)


def check_kept(original: dict, undisturbed: dict) -> None:
    """Each original, or its complete successor, is there, and no file is anything else."""
    for path, digest in everything(".").items():
        whole = (original.get(path), undisturbed.get(path))
        assert digest in whole or path == "./turned" or os.path.basename(path).startswith(".rotnet-"), path
    assert original.keys() <= everything(".").keys()


def main(folder: str, plan: str) -> None:
    os.makedirs(os.path.join(folder, "work"))
    os.chdir(os.path.join(folder, "work"))
    begin_anew()
    original = everything(".")
    assert fork(plan)
    undisturbed = everything(".")
    kills = 0
    while True:
        begin_anew()
        if fork(plan, last=kills + 1):
            break
        kills += 1
        check_kept(original, undisturbed)
        # and now and then once more
        if kills % 3 == 0 and not fork(plan, last=kills // 3, resume=True):
            check_kept(original, undisturbed)
        assert fork(plan, resume=True)
        after = everything(".")
        turned = Path("turned").read_text().split()
        assert after | {"./turned": ""} == undisturbed | {"./turned": ""}, (kills, set(after) ^ set(undisturbed))
        assert len(turned) <= 2 + 2, (kills, turned)
    print(json.dumps({"kills": kills}))


if __name__ == "__main__":
    main(*sys.argv[1:])
