"""The memory of what was turned: shared, safe, and no reason to fail."""

import errno
import logging
import os
import sqlite3
import threading
from contextlib import closing

from pictures import encoded, smooth
from trees import save

from rotnet import correct_files
from rotnet.files import turned_before
from rotnet.files.turned_before import LEFT, REASON, TurnedBefore


def test_it_is_shared_by_threads_and_runs(tmp_path):
    first, second = TurnedBefore(tmp_path / "a" / "b"), TurnedBefore(tmp_path / "a" / "b")
    pictures = [b"picture %d" % number for number in range(40)]
    threads = [
        threading.Thread(target=lambda part=part, memory=memory: [memory.add(one) for one in part])
        for part, memory in ((pictures[::2], first), (pictures[1::2], second))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(first.why_not(one) and second.why_not(one) for one in pictures) and not first.why_not(b"another")
    first.close(), second.close()
    assert TurnedBefore(tmp_path / "a" / "b").why_not(pictures[0])


def test_what_a_person_left_is_remembered_beside_an_older_database(tmp_path):
    with closing(sqlite3.connect(tmp_path / "old")) as connection, connection:
        connection.execute("CREATE TABLE turned (fingerprint BLOB PRIMARY KEY) WITHOUT ROWID")
    memory, picture = TurnedBefore(tmp_path / "old"), encoded(smooth())
    assert memory.why_not(picture) is None
    memory.add(picture)
    assert memory.why_not(picture) == REASON
    memory.leave(picture)
    assert memory.why_not(picture) == LEFT and memory.why_not(b"another") is None
    memory.leave_no_more(picture)
    assert memory.why_not(picture) == REASON


def test_without_a_place_nothing_is_remembered_and_that_is_told_once(tmp_path, caplog):
    (tmp_path / "file").touch()
    memory = TurnedBefore(tmp_path / "file" / "database")
    with caplog.at_level(logging.WARNING, "rotnet"):
        memory.add(encoded(smooth()))
        memory.add(encoded(smooth()))
    assert not memory.why_not(encoded(smooth())) and len(caplog.messages) == 1


def test_a_folder_that_may_not_be_looked_into_stops_no_run(tmp_path, monkeypatch):
    def stat(path, **_):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    memory = TurnedBefore(tmp_path / "database")
    monkeypatch.setattr(os, "stat", stat)
    assert not memory.why_not(encoded(smooth()))


def test_threads_at_once_are_told_once_as_well(tmp_path, caplog, monkeypatch):
    (tmp_path / "file").touch()
    memory, are_there = TurnedBefore(tmp_path / "file" / "database"), threading.Barrier(4)
    monkeypatch.setattr(turned_before, "fingerprint", lambda data: bytes([are_there.wait()]))
    threads = [threading.Thread(target=memory.add, args=[b"picture"]) for _ in range(4)]
    with caplog.at_level(logging.WARNING, "rotnet"):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(caplog.messages) == 1


def test_a_damaged_database_stops_no_run(folder, compass, tmp_path_factory, monkeypatch, caplog):
    state = tmp_path_factory.mktemp("state")
    (state / "rotnet").mkdir()
    (state / "rotnet" / "turned.sqlite").write_bytes(b"no database" * 500)
    monkeypatch.setenv("XDG_STATE_HOME", str(state))
    save("in/a.png")
    assert [one.action for one in correct_files("in", in_place=True, model=compass)] == ["turned"]
    assert len(caplog.messages) == 1 and "is not remembered" in caplog.messages[0]


def test_a_program_turns_nothing_twice_either(folder, compass):
    save("in/a.png")
    assert [one.action for one in correct_files("in", in_place=True, model=compass)] == ["turned"]
    save("in/b.png", 200.0)
    actions = [one.action for one in correct_files("in", in_place=True, model=compass, min_confidence=0)]
    assert actions.count("turned") == 1
