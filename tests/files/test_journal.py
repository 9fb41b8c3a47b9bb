"""Runs that are killed or stopped: what is there is whole, and the next run goes on where they ended."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from compass import compass_onnx
from runs import correct_planned
from trees import everything, save, save_flat

from rotnet.errors import OutputError, UsageError
from rotnet.files import Journal, journal_path, plan_in_place, plan_targets
from rotnet.images import turn_file, writing
from rotnet.images.finding import stamp


@pytest.fixture
def folder(folder):
    """A folder with a journal, named relatively, that holds a picture to turn and one to leave."""
    save("in/a.png")
    save_flat("in/b.png")
    return folder


def run(compass, *, resume=False, **options):
    with Journal("journal", resume=resume) as journal:
        targets = plan_in_place(["in"], finished=journal.touched)
        journal.begin({})
        return [result.action for result in correct_planned(targets, compass, journal=journal, **options)]


def entries():
    return [json.loads(line) for line in Path("journal").read_text().splitlines()]


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not hasattr(os, "fork"), reason="kills processes that it forks")
@pytest.mark.parametrize("plan", ["copy", "place", "backup", "copied backup"])
def test_killed_at_every_step(tmp_path, plan):
    compass_onnx(tmp_path / "model.onnx")
    save(tmp_path / "in/a.jpg")
    save(tmp_path / "in/sub/b.png", 90.0)
    if plan == "copy":
        save(tmp_path / "in/c.png", 0.0)
    script = Path(__file__).parents[1] / "killing.py"
    run = subprocess.run([sys.executable, script, tmp_path, plan], capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stderr
    assert json.loads(run.stdout)["kills"] > 15


@pytest.mark.parametrize("torn", [b'{"replac', b'{"done": "/x', b"\xff\xfe", b"\n\n"])
def test_line_that_was_not_finished_is_passed_over(folder, compass, torn):
    run(compass)
    before = everything("in")
    with open("journal", "ab") as file:
        file.write(torn)
    assert run(compass, resume=True) == ["turned", "unsure"]
    assert run(compass, resume=True) == ["turned", "unsure"]
    assert everything("in") == before


def test_finished_work_is_not_done_again(folder, compass, monkeypatch):
    assert run(compass) == ["turned", "unsure"]
    before = everything("in")
    monkeypatch.setattr(compass, "view", None)
    monkeypatch.setattr(turn_file, "turn_bytes", None)
    assert run(compass, resume=True) == ["turned", "unsure"]
    assert everything("in") == before


def test_failed_and_new_pictures_are_done_by_the_next_run(folder, compass):
    Path("in/c.png").write_text("not yet a picture")
    assert run(compass) == ["turned", "unsure", "failed"]
    save("in/c.png", 60.0)
    save("in/d.png", 200.0)
    assert run(compass, resume=True) == ["turned", "unsure", "turned", "turned"]


def test_successor_that_was_removed_is_made_again(folder, compass):
    for resume in (False, True):
        with Journal("journal", resume=resume) as journal:
            targets = plan_targets(["in"], "out", finished=journal.touched)
            journal.begin({})
            assert len(list(correct_planned(targets, compass, journal=journal))) == 2
        assert sorted(os.listdir("out")) == ["a.png", "b.png"]
        os.unlink("out/a.png")


@pytest.mark.parametrize("in_place", [False, True])
def test_original_that_was_replaced_is_turned_anew(folder, compass, in_place):
    def look(resume):
        with Journal("journal", resume=resume) as journal:
            finished = {"finished": journal.touched}
            targets = plan_in_place(["in"], **finished) if in_place else plan_targets(["in"], "out", **finished)
            journal.begin({})
            return {one.path.name: one.angle for one in correct_planned(targets, compass, journal=journal)}

    first = look(resume=False)
    assert first["a.png"] == pytest.approx(30, abs=3) and look(resume=True) == first
    save("in/a.png", 200.0)
    os.utime("in/a.png", (1e9, 1e9))
    second = look(resume=True)
    assert second["a.png"] == pytest.approx(200, abs=3) and second["b.png"] == first["b.png"]
    assert look(resume=True) == second


def test_last_record_that_cannot_be_written_leaves_nothing_open(folder, compass, monkeypatch):
    journal = Journal("journal")
    journal.begin({})
    monkeypatch.setattr(journal, "_record", lambda *_, **__: (_ for _ in ()).throw(OutputError("no room")))
    with pytest.raises(OutputError, match="no room"), journal:
        pass
    assert journal._file.closed and journal._stopped


def test_line_torn_by_a_full_disk_does_not_spoil_the_next_one(folder):
    class FullOnce:
        def __init__(self, file):
            self.file, self.full = file, True

        def write(self, line):
            written = self.file.write(line[:20] if self.full else line)
            self.full = False
            return written

        def __getattr__(self, name):
            return getattr(self.file, name)

    with Journal("journal") as journal:
        journal.begin({})
        journal._file = FullOnce(journal._file)
        with pytest.raises(OutputError, match="No space left"):
            journal.done(Path("in/a.png"), {"action": "unsure"})
        journal.done(Path("in/b.png"), {"action": "unsure"})
    with Journal("journal", resume=True) as journal:
        assert [os.path.basename(place) for place in journal.outcomes] == ["b.png"]


# Stopped --------------------------------------------------------------------------------------------------------------


def test_stopped_run_puts_nothing_in_place_any_more(folder):
    with pytest.raises(KeyboardInterrupt), Journal("journal") as journal:
        journal.begin({})
        writing = journal.writing(Path("in/a.png"), Path("in/a.png"), {"action": "turned"}, replace=os.replace)
        file = writing.__enter__()
        file.write(b"half a picture")
        raise KeyboardInterrupt
    before = everything("in")
    assert list(before) == ["in/a.png", "in/b.png"], "and the temporary file is gone"
    with pytest.raises(OutputError, match="the run was stopped"):
        writing.__exit__(None, None, None)
    with pytest.raises(OutputError, match="the run was stopped"):
        journal.done(Path("in/b.png"), {"action": "unsure"})
    assert everything("in") == before
    assert "finished" not in entries()[-1]


def test_picture_that_cannot_be_moved_is_not_taken_for_done(folder, compass, monkeypatch):
    before = everything("in")

    def fail(_source, _target):
        raise PermissionError(1, "Operation not permitted")

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", fail)
        assert run(compass) == ["failed", "unsure"]
    assert everything("in") == before
    assert run(compass, resume=True) == ["unsure", "turned"]


def test_what_lies_in_the_place_of_a_result_may_be_ours_unless_the_run_found_it_foreign(folder):
    os.mkdir("out")
    Path("out/a.png").write_text("of somebody else")
    targets = {Path("in/a.png"): Path("out/a.png"), Path("in/b.png"): Path("out/b.png")}

    def linked_only(temporary, target):
        os.link(temporary, target)
        raise PermissionError(1, "Operation not permitted")

    for source, move in zip(targets, (writing.move_new, linked_only), strict=True):
        with Journal("journal", resume=True) as journal, pytest.raises(OutputError):
            journal.begin({})
            with journal.writing(source, targets[source], {"action": "turned"}, replace=move):
                pass
    with Journal("journal", resume=True) as journal:
        assert [os.path.basename(place) for place in journal.touched] == ["b.png"] and not journal.outcomes


def test_interrupted_run_in_place_is_not_forgotten(folder, compass):
    with pytest.raises(KeyboardInterrupt), Journal("journal") as journal:
        journal.begin({})
        journal.done(Path("in/b.png"), {"action": "unsure"})
        raise KeyboardInterrupt
    with Journal("journal") as journal:
        assert not journal.outcomes and not journal.touched
        with pytest.raises(UsageError, match="was interrupted. Take it up with --resume, or delete its journal"):
            journal.begin({}, forget=False)
        journal.begin({})
    with Journal("journal") as journal:
        journal.begin({}, forget=False)


def test_plan_that_is_refused_forgets_nothing(folder, compass):
    run(compass)
    before = Path("journal").read_bytes()
    with pytest.raises(UsageError), Journal("journal") as journal:
        plan_targets(["in"], "in")
    assert Path("journal").read_bytes() == before
    assert journal.path == Path("journal")


def test_other_options_are_another_run(folder):
    with Journal("journal") as journal:
        journal.begin({"crop": "same", "fill": (1, 2)})
    with Journal("journal", resume=True) as journal:
        journal.begin({"crop": "same", "fill": (1, 2)})
        with pytest.raises(UsageError, match="had other options: crop was 'same', now it is 'expand'"):
            journal.begin({"crop": "expand", "fill": (1, 2)})


# The file -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content", [b"\xff\xd8\xff\xe0 a photograph", b'{"journal": 2, "run": ""}\n', b"{}", bytes(1024) + b"a disk image"]
)
def test_what_is_no_journal_stays_as_it_is(folder, content):
    Path("other").write_bytes(content)
    for resume in (False, True):
        with pytest.raises(UsageError, match="other is not a journal of this version"):
            Journal("other", resume=resume)
    assert Path("other").read_bytes() == content


HEADER = {"journal": 1, "run": "0" * 16, "options": {}}
OURS = f".rotnet-{'0' * 16}-0.part"


def written(*lines):
    """A journal of these lines, and the bytes in it."""
    text = "".join(line if isinstance(line, str) else f"{json.dumps(line)}\n" for line in (HEADER, *lines))
    Path("journal").write_text(text)
    return Path("journal").read_bytes()


@pytest.mark.parametrize("name", ["victim.txt", f"out/../{OURS}", OURS, f"out/x{OURS}", "out/.rotnet-0-0.part"])
@pytest.mark.parametrize("resume", [False, True])
def test_a_journal_removes_no_foreign_file(folder, name, resume):
    os.mkdir("out")
    Path(name).write_text("precious")
    before = written({"writing": "/a.jpg", "temporary": str(folder / name)})
    with pytest.raises(UsageError, match="journal is not as rotnet wrote it: it names .* Nothing was removed"):
        Journal("journal", resume=resume, within=["out"])
    assert Path(name).read_text() == "precious" and Path("journal").read_bytes() == before


def test_a_finished_run_elsewhere_leaves_nothing_to_remove(folder):
    """As of another file of decisions by the name of an earlier one."""
    written(
        {"writing": "/a.jpg", "temporary": str(folder / "other" / OURS)},
        {"done": "/a.jpg", "outcome": {"action": "turned"}},
    )
    with Journal("journal", within=["out"]) as journal:
        assert journal.outcomes == {}


def test_a_journal_removes_its_own_temporary_files(folder):
    os.mkdir("out")
    for name in (OURS, f"{OURS}.backup"):
        Path("out", name).touch()
    written({"writing": "/a.jpg", "temporary": str(folder / "out" / OURS)})
    with Journal("journal", resume=True, within=["out"]):
        assert os.listdir("out") == []


@pytest.mark.parametrize(
    "line",
    [
        {"journal": 1},
        {"journal": 1, "options": 5},
        {"writing": "/a.jpg"},
        {"writing": "/a.jpg", "temporary": 5},
        {"writing": [], "temporary": "/x"},
        {"writing": "/a.jpg", "temporary": "\ud800"},
        {"writing": "/a.jpg", "temporary": f"/\ud800/{OURS}"},
        {"writing": "/a.jpg", "temporary": f"/\0/{OURS}"},
        {"replacing": "/a.jpg", "outcome": {"action": "turned"}},
        {"kept": "/a.jpg"},
        {"done": "/a.jpg"},
        {"done": {"a": 1}, "outcome": {"action": "turned"}},
        {"done": "/a.jpg", "outcome": {"action": "turned", "angle": "north"}},
        {"done": "/a.jpg", "outcome": {"action": "turned", "angle": float("nan")}},
        {"done": "/a.jpg", "outcome": [], "stamp": None},
        {"done": "/a.jpg", "outcome": {"action": "unsure"}, "stamp": ["x"]},
        {"else": 1},
    ],
)
def test_lines_that_no_run_writes_are_refused(folder, line):
    before = written(line)
    for resume in (False, True):
        with pytest.raises(UsageError, match="journal is not as rotnet wrote it"):
            Journal("journal", resume=resume)
    assert Path("journal").read_bytes() == before


def test_what_was_not_moved_is_not_of_the_file_that_was_looked_at(folder):
    """As of a picture that was replaced since it was done, when the run that did it again was killed."""
    key, now = str(folder / "in" / "a.png"), stamp(Path("in/a.png"))
    again = {"replacing": key, "outcome": {"action": "turned"}, "stamp": now}
    written(
        {"done": key, "outcome": {"action": "upright"}, "stamp": [0, 0, 0]},
        {"writing": key, "temporary": str(folder / "out" / OURS)},
        again,
        {"kept": key},
    )
    with Journal("journal", resume=True) as journal:
        assert journal.outcome_of(Path("in/a.png")) is None
    with open("journal", "a") as file:
        file.write(f"{json.dumps(again)}\n")  # and this time it was moved, for nothing is left
    with Journal("journal", resume=True) as journal:
        assert journal.outcome_of(Path("in/a.png")) == {"action": "turned"}


def test_outcomes_of_another_kind_are_refused(folder, compass):
    key = str(folder / "in" / "a.png")
    written({"done": key, "outcome": {"action": "turned", "path": "/etc/hostname"}})
    with pytest.raises(UsageError, match="what rotnet never writes"):
        run(compass, resume=True)


def test_deeply_nested_lines_are_passed_over(folder, compass):
    written('{"done": ' + "[" * 100_000 + "\n")
    assert run(compass, resume=True) == ["turned", "unsure"]


def test_names_that_no_file_can_have(folder):
    for name in ("a\0b", "\ud800"):
        with pytest.raises(UsageError, match="cannot be the name of a journal"):
            Journal(name)


def test_without_a_home_the_journal_must_be_named(monkeypatch):
    for name in ("XDG_STATE_HOME", "LOCALAPPDATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    with pytest.raises(UsageError, match="no home folder to keep the journal in: name a file with --journal"):
        journal_path("in")


def test_two_runs_are_not_at_work_at_once(folder):
    pytest.importorskip("fcntl")
    with Journal("journal"), pytest.raises(OutputError, match="Another run is at work on these pictures"):
        Journal("journal", resume=True)
    Journal("journal").__exit__(None)


@pytest.mark.parametrize("path", ["in/a.png/journal", "in"])
def test_journal_that_cannot_be_written(folder, path):
    with pytest.raises(OutputError, match=f"The journal {path} cannot be written: .*; make room, or name another"):
        Journal(path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no device that is always full")
def test_journal_on_a_full_disk_changes_nothing(folder, compass):
    before = everything("in")
    with pytest.raises(OutputError, match="cannot be written: No space left on device"), Journal("journal") as journal:
        journal.begin({})
        journal._file.close()
        journal._file = open("/dev/full", "wb", buffering=0)
        list(correct_planned(plan_in_place(["in"]), compass, journal=journal))
    assert everything("in") == before


def test_journals_are_told_apart(monkeypatch):
    assert journal_path("in", "out") != journal_path("out", "in")
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.delenv("LOCALAPPDATA", raising=False)
    monkeypatch.setenv("HOME", "/home/someone")
    assert str(journal_path("in")).startswith("/home/someone/.local/state/rotnet/")


def test_odd_names_are_found_again(folder, compass):
    name = os.fsdecode(b"new\nline \xff.png")
    save(f"in/{name}")
    assert run(compass) == ["turned", "unsure", "turned"]
    before = everything("in")
    assert run(compass, resume=True) == ["turned", "unsure", "turned"]
    assert everything("in") == before
