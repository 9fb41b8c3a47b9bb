"""Watched folders: what comes is turned upright once it is wholly there, and never twice."""

import os
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from trees import bring, everything, raw, save

import rotnet.files.watch
from rotnet.errors import ImageError, OutputError, UsageError
from rotnet.files import Journal, Turning, watch_files
from rotnet.files.watch import Settling, Watched

pytest.importorskip("watchfiles")

PATIENCE = 60  # seconds until a test gives up; none waits for as long unless it fails


def wait_until(condition):
    """Wait for what comes of itself."""
    ends = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < ends, "it has not come"
        time.sleep(0.02)


class Watch:
    """Folders that are watched by a thread, and what has become of pictures so far."""

    def __init__(self, predictor, folders=("in",), output="out", **options):
        self.results, self.error = [], None
        self.stop, self._started = threading.Event(), threading.Event()
        options = {"settle": 0.3, "jobs": 1, **options}
        self._watched = watch_files(folders, output, predictor, stop=self.stop, started=self._started.set, **options)
        self._thread = threading.Thread(target=self._run)

    def _run(self):
        try:
            for result in self._watched:
                self.results.append(result)
        except Exception as error:
            self.error = error

    def begin(self):
        self._thread.start()
        wait_until(lambda: self._started.is_set() or not self._thread.is_alive())

    def end(self):
        self.stop.set()
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def told(self):
        return [(str(result.path), result.action) for result in self.results]

    def wait_for(self, number):
        wait_until(lambda: len(self.results) >= number or not self._thread.is_alive())


@contextmanager
def watching(predictor, *folders, **options):
    watch = Watch(predictor, folders or ("in",), **options)
    watch.begin()
    try:
        yield watch
    finally:
        watch.end()


@pytest.fixture
def folder(folder):
    os.mkdir("in")
    return folder


def test_raw_photographs_get_sidecars_where_these_are_asked_for(folder, compass):
    for name in ("coming.cr2", "in/there.nef"):
        Path(name).write_bytes(raw(90.0))
    with watching(compass, how=Turning(sidecar=True), existing=True) as watch:
        watch.wait_for(1)
        os.mkdir("in/new")
        os.replace("coming.cr2", "in/new/come.cr2")
        watch.wait_for(2)
    assert watch.told() == [("in/there.nef", "turned"), ("in/new/come.cr2", "turned")]
    assert {"out/there.xmp", "out/new/come.xmp"} <= everything("out").keys()


def pass_by(watch, name="in/last.png", **options):
    """Wait until a picture that comes now is done, and so all that came before it."""
    bring(name, **options)
    wait_until(lambda: (name, "turned") in watch.told())
    return watch.told()


# What has settled -----------------------------------------------------------------------------------------------------


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


def test_what_changes_has_not_settled(folder):
    clock, path = Clock(), Path("in/a.jpg")
    settling = Settling(2.0, clock)

    def settled(now):
        clock.now = now
        return settling.settled()

    path.write_bytes(b"1")
    settling.notice(path)
    assert settled(1.9) == []
    path.write_bytes(b"12")  # unnoticed, as where the system tells nothing
    assert settled(2.0) == [] and settled(3.9) == []
    settling.notice(path)
    assert settled(5.8) == [] and settled(5.9) == [path] and settled(99.0) == []


def test_what_vanishes_is_forgotten(folder):
    settling, path = Settling(0.0), Path("in/a.jpg")
    path.write_bytes(b"1")
    settling.notice(path)
    path.unlink()
    assert settling.settled() == [] and len(settling) == 0


# Coming pictures ------------------------------------------------------------------------------------------------------


def test_pictures_that_come_are_turned_and_the_others_left(folder, compass):
    save("in/before.png")
    original = everything("in")
    with watching(compass) as watch:
        bring("in/a.png", 30.0)
        bring("in/b.png", 0.0)
        Path("in/notes.txt").write_text("no picture")
        bring("in/.hidden.png")
        watch.wait_for(2)
        told = pass_by(watch)
    assert sorted(told) == [("in/a.png", "turned"), ("in/b.png", "upright"), ("in/last.png", "turned")]
    assert sorted(os.listdir("out")) == ["a.png", "b.png", "last.png"]
    assert Path("out/b.png").read_bytes() == Path("in/b.png").read_bytes()
    assert original.items() <= everything("in").items(), "originals stay"


def test_slow_writer_is_waited_for(folder, compass):
    save("whole.jpg")
    data, settle = Path("whole.jpg").read_bytes(), 1.0
    with watching(compass, settle=settle) as watch:
        with open("in/slow.jpg", "wb", buffering=0) as file:
            longest, last = 0.0, time.monotonic()
            for start in range(0, len(data), len(data) // 12):
                file.write(data[start : start + len(data) // 12])
                time.sleep(0.1)
                longest, last = max(longest, time.monotonic() - last), time.monotonic()
            told = watch.told()
        watch.wait_for(1)
    if longest < settle:  # or this machine is so busy that the writer did pause
        assert told == [] and watch.told() == [("in/slow.jpg", "turned")]


def test_writer_that_pauses_longer_is_looked_at_again(folder, compass):
    save("whole.jpg")
    data = Path("whole.jpg").read_bytes()
    with watching(compass) as watch:
        with open("in/a.jpg", "wb", buffering=0) as file:
            file.write(data[:300])
            watch.wait_for(1)
            assert watch.told() == [("in/a.jpg", "failed")] and not os.path.exists("out/a.jpg")
            file.write(data[300:])
        watch.wait_for(2)
    assert watch.told()[1:] == [("in/a.jpg", "turned")]


def test_renamed_into_place(folder, compass):
    save("in/a.png")
    os.rename("in/a.png", "in/a.png.part")
    os.mkdir("album")
    save("album/sub/b.png")
    with watching(compass) as watch:
        os.rename("in/a.png.part", "in/a.png")
        os.rename("album", "in/album")
        watch.wait_for(2)
    assert sorted(watch.told()) == [("in/a.png", "turned"), ("in/album/sub/b.png", "turned")]
    assert os.path.exists("out/album/sub/b.png")


def test_pictures_in_new_folders_are_seen_however_quickly_they_come(folder, compass):
    with watching(compass) as watch:
        for number in range(20):
            bring(f"in/{number}/deep/a.png")
        watch.wait_for(20)
        told = pass_by(watch)
    assert len(told) == len(set(told)) == 21


def test_the_same_file_is_never_taken_up_twice(folder, compass):
    with watching(compass) as watch:
        first = pass_by(watch, "in/a.png")
        written = os.stat("out/a.png").st_mtime_ns, os.stat("out/a.png").st_ino
        os.chmod("in/a.png", 0o600)  # which systems tell as a change
        os.rename("in/a.png", "in/b.txt")
        os.rename("in/b.txt", "in/a.png")
        assert pass_by(watch) == [*first, ("in/last.png", "turned")]
    assert (os.stat("out/a.png").st_mtime_ns, os.stat("out/a.png").st_ino) == written


def test_changed_picture_replaces_its_copy_on_request_only(folder, compass):
    with watching(compass) as watch:
        pass_by(watch, "in/a.png")
        before = Path("out/a.png").read_bytes()
        bring("in/a.png", 60.0)
        watch.wait_for(2)
    assert watch.told()[1] == ("in/a.png", "failed") and "there already. Watch with" in watch.results[1].error
    assert Path("out/a.png").read_bytes() == before
    with watching(compass, existing=True, overwrite=True) as watch:
        watch.wait_for(1)
    assert watch.told() == [("in/a.png", "turned")] and Path("out/a.png").read_bytes() != before


def test_vanished_files_are_no_failures(folder, compass, monkeypatch):
    view = compass.view

    def vanishing(path, **options):
        if path.name == "gone.png":
            path.unlink()
        return view(path, **options)

    monkeypatch.setattr(compass, "view", vanishing)
    with watching(compass) as watch:
        bring("in/gone.png")
        bring("in/early.png")
        os.unlink("in/early.png")
        wait_until(lambda: not os.path.exists("in/gone.png"))
        assert pass_by(watch) == [("in/last.png", "turned")]


def test_picture_that_changes_amid_work_is_looked_at_anew(folder, compass, monkeypatch):
    view, seen = compass.view, []

    def changing(path, **options):
        answer = view(path, **options)
        seen.append(path.name)
        if seen == ["a.png"]:
            save(path, 60.0)
        return answer

    monkeypatch.setattr(compass, "view", changing)
    with watching(compass) as watch:
        bring("in/a.png", 30.0)
        watch.wait_for(1)
    assert watch.told() == [("in/a.png", "turned")] and watch.results[0].angle == pytest.approx(60.0, abs=1.0)


def test_picture_that_changes_while_it_waits_is_taken_up_once(folder, compass, monkeypatch):
    correct = rotnet.files.watch.correct_targets

    def late(targets, *others, **options):
        if Path("in/a.png") in targets:
            bring("in/a.png", 60.0)
        return correct(targets, *others, **options)

    monkeypatch.setattr("rotnet.files.watch.correct_targets", late)
    with watching(compass) as watch:
        bring("in/a.png", 30.0)
        watch.wait_for(1)
        told = pass_by(watch)
    assert told == [("in/a.png", "turned"), ("in/last.png", "turned")]
    assert watch.results[0].angle == pytest.approx(60.0, abs=1.0)


def test_without_notices_of_the_system(folder, compass):
    with watching(compass, poll=True) as watch:
        assert pass_by(watch, "in/sub/a.png") == [("in/sub/a.png", "turned")]


# What was there -------------------------------------------------------------------------------------------------------


def test_existing_pictures_on_request(folder, compass):
    save("in/a.png")
    save("in/sub/b.png")
    with watching(compass, existing=True) as watch:
        watch.wait_for(2)
    assert sorted(watch.told()) == [("in/a.png", "turned"), ("in/sub/b.png", "turned")]


def watch_with_journal(compass, last):
    """What becomes of pictures until one that comes now is done."""
    with Journal("journal", resume=True, within=["out"]) as journal:
        journal.begin({"task": "watch"})
        with watching(compass, existing=True, journal=journal) as watch:
            return sorted(path for path, _ in pass_by(watch, last))


def test_restart_goes_on_where_the_last_one_ended(folder, compass):
    save("in/a.png")
    assert watch_with_journal(compass, "in/y.png") == ["in/a.png", "in/y.png"]
    os.unlink("out/a.png")  # whoever takes results away does not get them again
    save("in/b.png")  # while nobody watched
    assert watch_with_journal(compass, "in/z.png") == ["in/b.png", "in/z.png"]


def test_stop_finishes_a_picture_and_leaves_the_others_to_the_next_run(folder, compass):
    for number in range(200):
        bring(f"in/{number:03}.png")
    with Journal("journal", resume=True) as journal:
        journal.begin({})
        with watching(compass, existing=True, journal=journal, settle=0.0) as watch:
            watch.wait_for(1)
    assert len(watch.results) < 200
    whole = everything("out")
    assert not [name for name in whole if ".rotnet-" in name], "nothing half done"
    with Journal("journal", resume=True) as journal:
        journal.begin({})
        with watching(compass, existing=True, journal=journal, settle=0.0) as second:
            wait_until(lambda: len(os.listdir("out")) == 200)
    assert second.error is None and whole.items() <= everything("out").items()
    assert all(action == "turned" for _, action in second.told())


# Folders --------------------------------------------------------------------------------------------------------------


def test_results_within_the_watched_folder_are_no_inputs(folder, compass):
    with watching(compass, output="in/straight") as watch:
        pass_by(watch, "in/a.png")
        told = pass_by(watch)
    assert told == [("in/a.png", "turned"), ("in/last.png", "turned")]
    assert sorted(os.listdir("in/straight")) == ["a.png", "last.png"]


def test_watched_folder_within_the_results_is_no_target(folder, compass):
    os.makedirs("out/in")
    with watching(compass, "out/in") as watch:
        bring("out/in/in/a.png")  # its target would be out/in/a.png
        bring("out/in/b.png")
        watch.wait_for(2)
    assert dict(watch.told()) == {"out/in/in/a.png": "failed", "out/in/b.png": "turned"}
    assert not os.path.exists("out/in/a.png") and os.path.exists("out/b.png")


def test_two_folders_do_not_share_a_target(folder, compass):
    os.mkdir("other")
    with watching(compass, "in", "other") as watch:
        bring("in/a.png")
        bring("other/a.png", 60.0)
        watch.wait_for(2)
    assert sorted(action for _, action in watch.told()) == ["failed", "turned"]


def test_two_folders_do_not_overwrite_each_other(folder, compass):
    os.mkdir("other")
    with watching(compass, "in", "other", overwrite=True) as watch:
        bring("in/a.png")
        watch.wait_for(1)
        bring("other/a.png", 60.0)
        watch.wait_for(2)
    assert watch.told() == [("in/a.png", "turned"), ("other/a.png", "failed")]
    assert "would both become out/a.png" in watch.results[1].error


@pytest.mark.parametrize("folders", [(".", "../scans"), ("../in", "../in/../scans")])
def test_results_stay_in_the_folder_of_results(folder, monkeypatch, folders):
    os.mkdir("scans")
    monkeypatch.chdir("in")
    watched = Watched.of(folders, "../out")
    targets = [watched.target_of(Path(name, "a.png")) for name in folders]
    assert targets == [Path("../out/a.png")] * 2


@pytest.mark.parametrize(
    ("folders", "output", "sentence"),
    [
        ([], "out", "nothing to watch"),
        (["nowhere"], "out", "nowhere is not a folder"),
        (["in"], "in", "choose another OUT"),
        (["in", "in/sub"], "out", "in/sub lies in in"),
    ],
)
def test_folders_that_cannot_be(folder, folders, output, sentence):
    os.mkdir("in/sub")
    with pytest.raises(UsageError, match=sentence):
        Watched.of(folders, output)


def test_links_to_folders_are_not_followed(folder):
    os.mkdir("elsewhere")
    os.symlink("../elsewhere", "in/link")
    watched = Watched.of(["in"], "out")
    real = os.path.realpath("in")
    assert watched.input_of(f"{real}/a.png") == Path("in/a.png")
    assert watched.input_of(f"{real}/link/a.png") is None and watched.input_of(f"{real}/.sub/a.png") is None


def test_settle_must_be_seconds(folder, compass):
    with pytest.raises(UsageError, match="settle must be seconds"):
        watch_files(["in"], "out", compass, settle=-1.0)


def test_folder_that_goes_ends_the_watch(folder, compass):
    with watching(compass) as watch:
        os.rename("in", "away")
        wait_until(lambda: watch.error is not None)
    assert isinstance(watch.error, ImageError) and str(watch.error) == "in is gone: start again once it is back."


def test_full_disk_ends_the_watch_with_a_way_to_go_on(folder, compass, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("rotnet.images.writing.os.link", full)
    monkeypatch.setattr("rotnet.images.writing.os.replace", full)
    with watching(compass) as watch:
        save("in/a.png")
        wait_until(lambda: watch.error is not None)
    assert isinstance(watch.error, OutputError)
    assert "No space left" in str(watch.error) and str(watch.error).endswith("start again with --existing")


def test_extra_that_is_not_installed_is_named(folder, compass, monkeypatch):
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(ImportError, match=r"pip install 'rotnet\[watch\]'"):
        watch_files(["in"], "out", compass)
