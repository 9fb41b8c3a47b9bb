"""What a run has done, on disk, so that one that was killed can be taken up again.

A journal is a file of JSON lines, written before and after each change of a file:

    {"journal": 1, "run": "5f…", "options": {…}}                          and "forget": false, in place and of a watch
    {"writing": "/in/a.jpg", "temporary": "/out/.rotnet-5f…-0.part"}      the temporary file is about to be made
    {"replacing": "/in/a.jpg", "outcome": {…}, "stamp": […]}              it is whole and on disk, and about to be moved
    {"done": "/in/a.jpg"}                                                 it lies in its place
    {"done": "/in/b.jpg", "outcome": {…}, "stamp": […]}                   nothing was to be written
    {"kept": "/in/a.jpg"}                                                 it could not be moved
    {"kept": "/in/c.jpg", "foreign": true}                                likewise, for another's file lies in its place
    {"finished": true}

A journal is input: each line must be as a run writes it, and of temporary files only those go that rotnet names so, in
the folders of the run. A line that is not JSON was cut short when its run was killed, and is skipped.

A stamp says which file the outcome is of: the input as it was looked at, in place its successor.

A run that is killed while it replaces leaves its temporary file if it was not moved yet, and in place only then. So
every picture is known to be finished or not, and none is turned twice. Elsewhere it may have been linked to its place,
so that what lies there is taken for the run's own and may be replaced, unless the run itself has found it foreign.

After a power cut the same holds, for what a line tells of is on disk before the line is, and the line before what it
allows. Only `writing` is not waited for: temporary files of which no line has come to disk are told by the name of
their run, and go when the next run writes into their folder.
"""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from rotnet.errors import OutputError, UsageError
from rotnet.files.journal_lines import checked, checked_outcome, checked_path, checked_stamp
from rotnet.files.plan import place_of
from rotnet.files.replacing import SPARE, spare_of
from rotnet.files.runs import are_same, best_known, difference
from rotnet.images.finding import stamp
from rotnet.images.writing import TargetExistsError, atomic_file, make_folder, sync_folder

try:
    import fcntl
except ImportError:  # not on Windows, where two runs at once are not noticed
    fcntl = None  # type: ignore[assignment]

_log = logging.getLogger(__name__)

_VERSION = 1
_START = f'{{"journal": {_VERSION},'.encode()
_OURS = re.compile(r"\.rotnet-([0-9a-f]{16})-\d{1,12}\.part")
_LONGEST = 1 << 20  # bytes of a line: two paths and some numbers are far from it


class Journal:
    """A journal, opened for one run; safe to share between threads.

    Opening it removes the temporary files of a run that was killed. Nothing is forgotten before `begin`.

    Args:
        path: The file; its folder is made when needed.
        resume: Go on from what is in the file, if it exists; otherwise begin anew.
        again: The options of this run, to be given to `begin`. Where the file tells of a finished run of the same
            options, go on from it as well, for what is new since; of an original that was replaced meanwhile, the
            target is not touched.
        joins: This run does what a plan says, which has named the file: it goes on from an interrupted run of the same
            options as well, and refuses the file of one that may not be forgotten.
        within: Folders that the run writes below; a journal that names a temporary file elsewhere is refused. None
            takes any folder.

    Attributes:
        outcomes: What was recorded of each input that is finished, by `place_of` it; nothing if the run is a new one.
        touched: `place_of` the inputs whose targets or backups an interrupted run may have made; likewise.
        goes_on: Whether it goes on from an earlier run that `again` allows.
        is_resumable: Whether there is an interrupted run that was not to be taken up.

    Raises:
        OutputError: The file cannot be written, or another run is at it.
        UsageError: The file is something else than a journal, or not one of these folders.
    """

    def __init__(
        self,
        path: str | Path,
        *,
        resume: bool = False,
        again: Mapping[str, Any] | None = None,
        joins: bool = False,
        within: Iterable[str | Path] | None = None,
    ) -> None:
        self.path = Path(path)
        self._within = None
        if within is not None:
            self._within = {Path(call(folder)) for folder in within for call in (os.path.abspath, os.path.realpath)}
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.touched: set[str] = set()
        self._stamps: dict[str, list[int] | None] = {}
        self._resume = resume
        self._run = secrets.token_hex(8)
        self._written = 0
        self._temporary: set[Path] = set()
        self._earlier: set[str] = set()  # runs
        self._tidied: set[Path] = set()  # folders
        self._begun = self._stopped = False
        self._is_forgettable = True
        self._lock = threading.Lock()
        self._file = self._open()
        try:
            self._options, self._interrupted = self._settle()
            if joins and not self._is_forgettable:
                raise UsageError(f"{self.path}, which the plan names, is the journal of another kind of run.")
        except BaseException:
            self._file.close()
            raise
        is_earlier = bool(self.outcomes) and (joins or not self._interrupted) and not resume
        self.goes_on = is_earlier and again is not None and are_same(self._options, again)
        can_be = again is None or are_same(self._options, again)
        self.is_resumable = self._interrupted and can_be and not (resume or self.goes_on)
        if self.goes_on:
            self._resume = True
            self.touched = {key for key in self.touched if self.outcome_of(Path(key)) is not None}
        elif not resume:
            self.outcomes, self.touched = {}, set()

    def begin(self, options: Mapping[str, Any], *, forget: bool = True) -> None:
        """Begin or go on, once it is certain that the run can.

        Args:
            options: What must be the same when the run is taken up again, ready for JSON.
            forget: Whether this run, and an interrupted one that is not taken up, may be forgotten.

        Raises:
            OutputError: The file cannot be written.
            UsageError: The run had other options, or may not be forgotten.
        """
        if self._resume:
            if self._options and not are_same(self._options, options):
                raise UsageError(f"The interrupted run had other options: {difference(self._options, options)}.")
            options = best_known(self._options, options)
        else:
            if self._interrupted and not forget:
                raise UsageError(
                    "An earlier run over these pictures was interrupted. Take it up with --resume, or delete its "
                    f"journal {self.path} to look at all of them anew."
                )
            self._file.truncate(0)
        binding = {} if forget else {"forget": False}
        self._record({"journal": _VERSION, "run": self._run, "options": options, **binding}, to_disk=True)
        self._begun = True

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: TracebackType | BaseException | None) -> None:
        with self._lock:  # whoever is still at work on a picture finds that it may not be put in place
            try:
                if kind is None and self._begun:
                    self._record({"finished": True}, to_disk=True)
            finally:
                self._stopped = True
                self._file.close()
                for temporary in tuple(self._temporary):
                    _remove(temporary)

    def done(self, source: Path, outcome: Mapping[str, Any]) -> None:
        """Record that an input needs nothing more."""
        with self._lock:
            self._check_running()
            self._record({"done": place_of(source), "outcome": outcome, "stamp": stamp(source)})

    def outcome_of(self, source: Path) -> dict[str, Any] | None:
        """What was recorded of an input, unless another file lies in its place since."""
        if not self.outcomes:  # of a new run; to find the place of each picture takes a while
            return None
        key, now = place_of(source), stamp(source)
        then = self._stamps.get(key)
        # some file systems keep times to two seconds
        same = then is None or now is None or (now[0] == then[0] and abs(now[1] - then[1]) < 2_000_000_000)
        return self.outcomes.get(key) if same else None

    def forget(self, source: Path) -> None:
        """Have an input done anew; what is recorded of it stays so until then."""
        self.outcomes.pop(place_of(source), None)
        self.touched.discard(place_of(source))

    @contextmanager
    def writing(
        self, source: Path, target: Path, outcome: Mapping[str, Any], *, replace: Callable[[Path, Path], object]
    ) -> Iterator[IO[bytes]]:
        """As `atomic_file`, with all that happens on record, and nothing put in place once the run is stopped.

        Args:
            source: The input.
            target: Where its successor goes.
            outcome: What is recorded of it.
            replace: As for `atomic_file`.
        """
        key = place_of(source)
        with self._lock:
            self._check_running()
            self._tidy(target.parent)
            temporary = target.with_name(f".rotnet-{self._run}-{self._written}.part")
            self._written += 1
            self._temporary.add(temporary)
            self._record({"writing": key, "temporary": os.path.abspath(temporary)})

        def move(temporary: Path, target: Path) -> None:
            sync_folder(target.parent)  # or a power cut could take the file, and its absence tell that it was moved
            with self._lock:
                self._check_running()
                successor = stamp(temporary if source == target else source)
                self._record({"replacing": key, "outcome": outcome, "stamp": successor}, to_disk=True)
                try:
                    replace(temporary, target)
                except BaseException as error:
                    if os.path.lexists(temporary):  # it was not moved
                        foreign = {"foreign": True} if isinstance(error, TargetExistsError) else {}
                        self._record({"kept": key, **foreign}, to_disk=True)
                    raise
                self._record({"done": key})

        try:
            with atomic_file(target, temporary=temporary, replace=move) as file:
                yield file
        finally:
            self._temporary.discard(temporary)

    def _open(self) -> IO[bytes]:
        try:
            make_folder(self.path.parent)
            if self.path.is_fifo():  # opening one may never end
                raise UsageError(f"{self.path} is a pipe, in which no journal can be kept: name another file.")
            file = open(self.path, "a+b", buffering=0)
            sync_folder(self.path.parent)
        except OSError as error:
            raise self._unwritable(error) from error
        except UsageError:
            raise
        except ValueError as error:  # a name that no file can have
            raise UsageError(f"{str(self.path)!r} cannot be the name of a journal: {error}.") from error
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                file.close()
                raise OutputError(f"Another run is at work on these pictures ({self.path}); wait for it") from error
            except OSError as error:  # some network file systems have no locks
                _log.info("%s cannot be locked, so that a second run would not be noticed: %s", self.path, error)
        return file

    def _settle(self) -> tuple[dict[str, Any], bool]:
        """Read what is in the file, and tidy up after a run that was killed.

        Returns:
            The options of the run, and whether it has finished some of its pictures but not all.
        """
        options: dict[str, Any] = {}
        finished = False
        under_way: dict[str, dict[str, Any]] = {}
        for number, line in self._lines():
            try:
                if "journal" in line:
                    options, finished = checked(line["options"], dict), False
                    self._is_forgettable = line.get("forget") is not False
                    self._earlier.add(str(line.get("run")))
                elif "finished" in line:
                    finished = True
                elif "writing" in line:
                    under_way[checked(line["writing"], str)] = {"temporary": checked_path(line["temporary"])}
                elif "replacing" in line:
                    key = checked(line["replacing"], str)
                    under_way[key]["outcome"] = checked_outcome(line["outcome"])
                    under_way[key]["stamp"] = checked_stamp(line.get("stamp"))
                    self.touched.add(key)
                elif "kept" in line:
                    key = checked(line["kept"], str)
                    under_way[key].pop("outcome", None)
                    if line.get("foreign") is True:
                        self.touched.discard(key)
                else:
                    key = checked(line["done"], str)
                    left = under_way.pop(key, {})
                    self.outcomes[key] = checked_outcome(line["outcome"] if "outcome" in line else left["outcome"])
                    self._stamps[key] = checked_stamp(line.get("stamp")) or left.get("stamp")
            except (KeyError, TypeError, ValueError, OverflowError) as error:
                raise self._foreign(f"line {number} is not as rotnet writes it") from error
        for left in under_way.values():  # all of them before the first is removed
            self._check_temporary(left["temporary"])
        for key, left in under_way.items():
            if os.path.lexists(left["temporary"]):
                self._record({"kept": key}, to_disk=True)  # or else its absence would tell that it was moved
                _remove(left["temporary"])
                _log.info("%s was left by a run that was killed, and is removed", left["temporary"])
            elif "outcome" in left:
                self.outcomes[key], self._stamps[key] = left["outcome"], left["stamp"]
        return options, bool(self.outcomes) and not finished

    def _check_temporary(self, path: Path) -> None:
        """Refuse a file that is none of the temporary ones that this run may have made."""
        # as it is spelt, for folders of results may hold links to others, and as it lies, for there are links to them
        spelt, lies = Path(os.path.normpath(path.parent)), Path(os.path.realpath(path.parent))
        inside = self._within is None or any(
            one in (spelt, *spelt.parents, lies, *lies.parents) for one in self._within
        )
        if not path.is_absolute() or not _OURS.fullmatch(path.name) or not inside:
            raise self._foreign(f"it names {str(path)!r} as a temporary file, which rotnet does not make there")

    def _tidy(self, folder: Path) -> None:
        """Remove what earlier runs have left in a folder that no line tells of: the power went before it could."""
        if not self._earlier or folder in self._tidied:
            return
        self._tidied.add(folder)
        with suppress(OSError):  # one that may not be listed
            for name in os.listdir(folder):
                ours = _OURS.fullmatch(name.removesuffix(SPARE))
                if ours and ours[1] in self._earlier:
                    with suppress(OSError):
                        os.unlink(folder / name)

    def _foreign(self, problem: str) -> UsageError:
        return UsageError(
            f"{self.path} is not as rotnet wrote it: {problem}. Nothing was removed; delete the journal to begin anew."
        )

    def _lines(self) -> Iterator[tuple[int, dict[str, Any]]]:
        with open(self.path, "rb") as file:
            first = file.readline(_LONGEST)
            is_nothing = len(first) < _LONGEST and not first.strip(b"\0")  # zeros are what a power cut leaves of a line
            if not is_nothing and not _START.startswith(first[: len(_START)]):
                raise UsageError(
                    f"{self.path} is not a journal of this version, and stays as it is: name another file."
                )
            file.seek(0)
            number, last = 0, b"\n"
            while line := file.readline(_LONGEST):
                number, last = number + 1, line
                with suppress(ValueError, RecursionError):  # what a run wrote while it was killed
                    entry = json.loads(line)
                    if isinstance(entry, dict):
                        yield number, entry
        if not last.endswith(b"\n"):
            if number == 1:  # of which nothing else was recorded
                self._file.truncate(0)
            else:
                self._file.write(b"\n")

    def _check_running(self) -> None:
        if self._stopped:
            raise OutputError("the run was stopped; take it up with --resume")

    def _record(self, entry: Mapping[str, Any], *, to_disk: bool = False) -> None:
        line = json.dumps(entry).encode() + b"\n"
        end = os.fstat(self._file.fileno()).st_size
        try:
            if self._file.write(line) < len(line):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            if to_disk:
                os.fsync(self._file.fileno())
        except OSError as error:
            with suppress(OSError):  # half a line would spoil the next one
                self._file.truncate(end)
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> OutputError:
        reason = error.strerror or str(error)
        return OutputError(f"The journal {self.path} cannot be written: {reason}; make room, or name another --journal")


def _remove(temporary: Path) -> None:
    """Remove a temporary file and the backup that was being copied beside it, where they are files."""
    for path in (spare_of(temporary), temporary):  # the latter tells the next run to look
        with suppress(OSError, ValueError):
            os.unlink(path)
