"""`rotnet apply` records what it does where `rotnet correct` looks for it, and goes by decisions that change."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from trees import everything, save, save_flat

from rotnet.cli.main import main
from rotnet.cli.progress import check_replaceable
from rotnet.errors import UsageError
from rotnet.files import journal_path
from rotnet.files.runs import run_of
from rotnet.files.turned_before import TurnedBefore

CORRECT = ("correct", "in", "-o", "out")
LOOK = (*CORRECT, "--preview", "page.html", "--report", "plan.jsonl")


@pytest.fixture
def folder(folder):
    """A folder to work in, with two pictures to turn and one to leave."""
    save("in/a.png")
    save("in/sub/b.png", 200.0)
    save_flat("in/sub/flat.png")
    return folder


@pytest.fixture
def rotnet(model, capsys):
    """The command with the test's model: exit status, and all that it printed."""

    def call(command, *arguments):
        status = main([command, *(["--model", model] if command == "correct" else []), *arguments])
        out, err = capsys.readouterr()
        return status, out + err

    return call


def rows_of(path="plan.jsonl"):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


def write(rows, path="decisions.jsonl"):
    Path(path).write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def edit(name, **changes):
    """The plan, with a picture decided otherwise by a person."""
    write([{**row, **changes, "decided": "person"} if row["path"].endswith(name) else row for row in rows_of()])


def counted(told):
    """How many were turned, and how many an earlier run had done."""
    return int(re.search(r"(\d+) turned", told)[1]), int((re.search(r"\((\d+) more were done", told) or [0, 0])[1])


def the_journal():
    return journal_path(os.path.realpath("out"), os.path.realpath("in"))


# Once more ------------------------------------------------------------------------------------------------------------


def test_what_was_applied_counts_as_done(folder, rotnet):
    assert rotnet(*LOOK)[0] == 0 and not re.search(str(folder), Path("plan.jsonl").read_text())
    write([row for row in rows_of() if row["path"] != "in/sub/b.png"])  # which is left out
    assert rotnet("apply", "decisions.jsonl")[0] == 0
    done = everything("out")
    save("in/c.png", 60.0)
    status, told = rotnet(*LOOK)
    assert status == 0 and "2 more were done by an earlier run, and are left out" in told
    assert [row["path"] for row in rows_of()] == ["in/c.png", "in/sub/b.png"]
    assert rotnet("apply", "plan.jsonl")[0] == 0
    save("in/d.png", 90.0)
    status, told = rotnet(*CORRECT, "--report", "report.jsonl")
    assert status == 0 and counted(told) == (1, 4) and len(rows_of("report.jsonl")) == 5
    after = everything("out")
    assert len(after) == 5 and done.items() <= after.items()
    for again in (CORRECT, (*CORRECT, "--dry-run"), ("apply", "plan.jsonl"), ("apply", "decisions.jsonl", "--resume")):
        assert rotnet(*again)[0] == 0 and everything("out") == after, again


def test_what_correct_did_is_gone_on_from(folder, rotnet):
    assert rotnet(*CORRECT)[0] == 0
    before = everything("out")
    save("in/c.png", 60.0)
    assert rotnet(*LOOK)[0] == 0 and rotnet("apply", "plan.jsonl")[0] == 0
    status, told = rotnet(*CORRECT)
    assert status == 0 and counted(told) == (0, 4) and before.items() <= everything("out").items()


def test_a_result_that_was_removed_is_made_again(folder, rotnet):
    rotnet(*LOOK)
    assert rotnet("apply", "plan.jsonl")[0] == 0
    before = everything("out")
    os.unlink("out/a.png")
    status, told = rotnet("apply", "plan.jsonl")
    assert status == 0 and counted(told) == (1, 2) and everything("out") == before


def test_a_journal_of_its_own_goes_first(folder, rotnet):
    rotnet(*LOOK)
    assert rotnet("apply", "plan.jsonl", "--journal", "journal")[0] == 0
    assert Path("journal").exists() and not the_journal().exists()
    status, told = rotnet(*CORRECT)
    assert status == 2 and "out/a.png is there already" in told
    rotnet("correct", "in", "-o", "other", "--dry-run", "--journal", "journal", "--report", "plan.jsonl")
    rotnet("correct", "in", "--in-place", "--dry-run", "--report", "place.jsonl")
    assert not any("run" in row["planned"] for row in rows_of() + rows_of("place.jsonl"))


def test_plans_that_tell_no_run_are_applied_as_ever(folder, rotnet):
    rotnet(*LOOK)
    rows = rows_of()
    for row in rows:
        del row["planned"]["run"]
    write(rows)
    assert rotnet("apply", "decisions.jsonl")[0] == 0 and not the_journal().exists()
    status, told = rotnet("apply", "decisions.jsonl")
    assert status == 2 and "out/a.png is there already" in told


def test_what_a_person_leaves_in_place_stays_until_it_changes(folder, rotnet):
    place = ("correct", "in", "--in-place")
    assert rotnet(*place, "--preview", "page.html", "--report", "plan.jsonl")[0] == 0
    edit("a.png", action="upright", angle=0.0, reason="left as it is by a person")
    before = everything("in")["in/a.png"]
    assert "1 turned" in rotnet("apply", "decisions.jsonl")[1]
    os.makedirs("in/later")
    shutil.move("in/a.png", "in/later/named.png")
    for more in ([], ["--level", "--crop", "keep"]):
        assert counted(rotnet(*place, *more)[1])[0] == 0
    status, told = rotnet(*place, "--dry-run", "--report", "plan.jsonl")
    assert counted(told) == (0, 0) and "left as it is by a person: the page of --preview can change that" in told
    edit("named.png", action="turned", angle=30.0, reason="turned by 30.0° by a person")
    assert "1 turned" in rotnet("apply", "decisions.jsonl")[1]
    assert everything("in")["in/later/named.png"] != before
    save("in/a.png")  # as it was: the last word counts
    assert counted(rotnet(*place, "--level")[1])[0] == 1


def test_backups_of_a_plan_are_no_obstacle_later(folder, rotnet):
    place = ("correct", "in", "--in-place", "--backup", ".orig")
    rotnet(*place, "--preview", "page.html", "--report", "plan.jsonl")
    edit("flat.png", action="upright", angle=0.0)
    assert "2 turned" in rotnet("apply", "decisions.jsonl")[1]
    after = everything("in")
    for more in ([], ["--level"], ["--dry-run", "--report", "plan.jsonl"]):
        status, told = rotnet(*place, *more)
        assert status == 0 and counted(told)[0] == 0 and everything("in") == after
    edit("a.png", action="turned", angle=90.0)  # would leave no way back to what it is now
    status, told = rotnet("apply", "decisions.jsonl")
    assert status == 1 and "in/a.png.orig is there already; move it" in told and everything("in") == after


def test_what_changed_since_a_person_left_it_is_told(folder, rotnet):
    rotnet("correct", "in", "--in-place", "--dry-run", "--report", "plan.jsonl")
    edit("a.png", action="upright", angle=0.0)
    save("in/a.png", 60.0)
    status, told = rotnet("apply", "decisions.jsonl")
    assert status == 1 and "in/a.png has changed since it was looked at" in told
    assert counted(rotnet("correct", "in", "--in-place")[1])[0] == 1


def test_nothing_replaces_what_a_person_decided(folder, rotnet):
    assert rotnet(*LOOK)[0] == 0
    edit("flat.png", action="turned", angle=90.0)
    first = json.dumps(rows_of()[0] | {"decided": "person"}, separators=(",", ":"))  # as the page writes it
    Path("first.jsonl").write_text(f"{first}\n")
    before = everything(".")
    for name in ("decisions.jsonl", "first.jsonl"):
        for more in (["--preview", name], ["--dry-run", "--report", name], ["--report", name]):
            status, told = rotnet(*CORRECT, *more)
            assert status == 2 and f"{name} holds what a person has decided" in told
        with pytest.raises(UsageError, match="what a person has decided"):
            check_replaceable(name, "page")
    status, told = rotnet(*CORRECT, "--preview", "plan.jsonl")
    assert status == 2 and "plan.jsonl is there already, rotnet's but no page" in told
    assert everything(".") == before
    for _ in range(2):  # what was done may be told anew
        assert rotnet("apply", "decisions.jsonl", "--report", "done.jsonl")[0] == 0
    assert any("decided" in row for row in rows_of("done.jsonl"))
    assert rotnet(*LOOK, "--level", "--overwrite")[0] == 0, "and so may what is planned"


@pytest.mark.parametrize("kind", ["report", "page", "figures"])
def test_a_file_of_one_kind_replaces_only_such(folder, kind):
    written = {
        "a.jsonl": ("report", '{"schema": 2, "path": "\\"decided\\": \\"person\\"", "planned": {}}'),
        "a.csv": ("report", "schema,path,target,action"),
        "a.html": ("page", '<!doctype html><meta charset="utf-8"><meta name="generator" content="rotnet">'),
        "a.json": ("figures", '{\n  "model": "photo",\n  "protocols": {'),
    }
    for name, (of, text) in written.items():
        Path(name).write_text(text)
        if of == kind:
            check_replaceable(name, kind)
        else:
            with pytest.raises(UsageError, match=f"{name} is there already, rotnet's but no {kind}"):
                check_replaceable(name, kind)
    Path("nothing").touch()
    check_replaceable("nothing", kind)


# Decided otherwise ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "otherwise",
    [{"angle": 45.0}, {"action": "upright", "angle": 0.0}, {"crop": "keep"}],
    ids=["angle", "action", "crop"],
)
def test_a_picture_that_is_decided_otherwise_is_not_passed_over(folder, rotnet, otherwise):
    rotnet(*LOOK)
    assert rotnet("apply", "plan.jsonl")[0] == 0
    before, recorded = everything("out"), the_journal().read_bytes()
    edit("a.png", **otherwise)
    for more in ([], ["--resume"]):
        status, told = rotnet("apply", "decisions.jsonl", *more)
        assert status == 2 and "out/a.png is there already" in told
        assert everything("out") == before and the_journal().read_bytes() == recorded
    status, told = rotnet("apply", "decisions.jsonl", "--overwrite", "--resume")
    assert status == 0 and "3 turned" not in told
    after = everything("out")
    assert {path for path in after if after[path] != before[path]} == {"out/a.png"}
    assert rotnet("apply", "decisions.jsonl")[0] == 0, "for now it is as it was decided"
    assert rotnet("apply", "plan.jsonl")[0] == 2
    rotnet(*CORRECT, "--report", "report.jsonl")
    (row,) = (row for row in rows_of("report.jsonl") if row["path"] == "in/a.png")
    assert otherwise.items() <= row.items() and row["decided"] == "person" and everything("out") == after
    Path("out/a.png").write_bytes(b"spoilt")
    assert rotnet("apply", "decisions.jsonl", "--overwrite")[0] == 0 and everything("out") == after


def test_what_stays_as_it_is_may_stay_for_another_reason(folder, rotnet):
    rotnet(*LOOK)
    assert rotnet("apply", "plan.jsonl")[0] == 0
    edit("flat.png", action="upright", angle=0.0)
    assert rotnet("apply", "decisions.jsonl")[0] == 0
    edit("flat.png", action="turned")
    status, told = rotnet("apply", "decisions.jsonl")
    assert status == 2 and "out/sub/flat.png is there already" in told


def test_what_could_not_be_turned_as_decided_is_done_nevertheless(folder, rotnet):
    rotnet(*LOOK)
    TurnedBefore().add(Path("in/a.png").read_bytes())  # by another run meanwhile
    assert "1 turned" in rotnet("apply", "plan.jsonl")[1]
    status, told = rotnet("apply", "plan.jsonl")
    assert status == 0 and counted(told) == (0, 3)
    edit("a.png")
    assert rotnet("apply", "decisions.jsonl")[0] == 0


def test_other_options_in_a_plan_are_another_run(folder, rotnet):
    rotnet(*LOOK)
    assert rotnet("apply", "plan.jsonl")[0] == 0
    recorded = the_journal().read_bytes()
    write([{**row, "planned": row["planned"] | {"fill": 255}} for row in rows_of()])
    for more, sentence in (([], "out/a.png is there already"), (["--resume"], "fill was 0, now it is 255")):
        status, told = rotnet("apply", "decisions.jsonl", *more)
        assert status == 2 and sentence in told and the_journal().read_bytes() == recorded


def test_a_run_of_other_settings_is_begun_anew(folder, rotnet):
    rotnet(*LOOK)
    shutil.copy("plan.jsonl", "earlier.jsonl")
    assert rotnet("apply", "plan.jsonl")[0] == 0
    shutil.rmtree("out")
    assert rotnet(*LOOK, "--turns", "1")[0] == 0
    status, told = rotnet("apply", "plan.jsonl", "--resume")
    assert status == 2 and "had other options: its model, or what was asked of it" in told
    assert rotnet("apply", "plan.jsonl")[0] == 0
    status, told = rotnet(*CORRECT, "--turns", "1")
    assert status == 0 and counted(told) == (0, 3)
    for earlier in (CORRECT, ("apply", "earlier.jsonl")):
        status, told = rotnet(*earlier)
        assert status == 2 and "out/a.png is there already" in told
    write(rows_of("earlier.jsonl")[:1] + rows_of()[1:])
    assert "comes from another run" in rotnet("apply", "decisions.jsonl")[1]


# Killed ---------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(sys.platform == "win32", reason="ends a child process in its own way")
@pytest.mark.parametrize("taken_up_by", ["apply --resume", "apply", "part", "correct --resume"])
def test_killed_and_taken_up_again(folder, rotnet, taken_up_by):
    rotnet(*LOOK)
    rotnet("correct", "in", "-o", "whole")
    script = (
        "import os, sys\n"
        "from rotnet.cli.main import main\n"
        "from rotnet.images import writing\n"
        "move = writing.move_new\n"
        "writing.move_new = lambda made, to: os._exit(9) if to.name == 'b.png' else move(made, to)\n"
        "main(['apply', 'plan.jsonl', '--jobs', '1'])"
    )
    assert subprocess.run([sys.executable, "-c", script], timeout=120).returncode == 9
    assert [name[:8] for name in os.listdir("out/sub")] == [".rotnet-"]
    before = Path("out/a.png").stat().st_ino
    write(rows_of()[:1])
    command = {
        "apply --resume": ("apply", "plan.jsonl", "--resume"),
        "apply": ("apply", "plan.jsonl"),
        "part": ("apply", "decisions.jsonl", "--resume"),
        "correct --resume": (*CORRECT, "--resume"),
    }[taken_up_by]
    assert rotnet(*command)[0] == 0
    assert Path("out/a.png").stat().st_ino == before, "and is not made once more"
    assert rotnet(*CORRECT)[0] == 0
    made = {path.removeprefix("out"): digest for path, digest in everything("out").items()}
    assert made == {path.removeprefix("whole"): digest for path, digest in everything("whole").items()}


# Plans of strangers ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "run",
    [
        "../../../notes.txt",
        f"{'0' * 16}-{'0' * 12}\n",
        f"{'0' * 16}/{'0' * 12}",
        f"{'A' * 16}-{'0' * 12}",
        "",
        None,
        5,
        [],
    ],
)
def test_a_run_that_is_none_is_refused(folder, rotnet, run):
    rotnet(*LOOK)
    write([{**row, "planned": row["planned"] | {"run": run}} for row in rows_of()])
    state = Path(os.environ["XDG_STATE_HOME"])
    before = everything(state)
    status, told = rotnet("apply", "decisions.jsonl")
    assert status == 2 and "line 1 of decisions.jsonl: run must be the run that the plan is of" in told
    assert everything(state) == before and not os.path.exists("out")


def test_a_plan_of_copies_meddles_with_no_run_in_place(folder, rotnet):
    rotnet(*LOOK)
    save("place/a.png")
    assert rotnet("correct", "place", "--in-place")[0] == 0
    journal = journal_path("in place", os.path.realpath("place"))
    options = json.loads(journal.read_text().splitlines()[0])["options"]
    write([{**row, "planned": row["planned"] | {"run": run_of(journal, options)}} for row in rows_of()])
    for ended in (b"", b'{"finished": true}\n'):  # interrupted or not
        recorded = journal.read_bytes().replace(ended, b"")
        journal.write_bytes(recorded)
        for more in ([], ["--resume"]):
            status, told = rotnet("apply", "decisions.jsonl", *more)
            assert status == 2 and "is the journal of another kind of run" in told
            assert journal.read_bytes() == recorded and not os.path.exists("out")
