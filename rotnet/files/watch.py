"""Watch folders: pictures that come into them are turned upright, each once it is wholly there.

A picture is taken up when it has not changed for a while, by its size and time, so that one that is still being copied
is not touched. What is done with it is what `correct_targets` does with any other.
"""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from rotnet.errors import ImageError, UsageError, require
from rotnet.files.correct import correct_targets
from rotnet.files.decide import FileCorrection
from rotnet.files.journal import Journal
from rotnet.files.options import Turning
from rotnet.files.plan import Targets, check_targets
from rotnet.images.finding import Stamp, find_images, stamp
from rotnet.images.prefetch import JOBS
from rotnet.images.raw import is_raw
from rotnet.images.reading import EXTENSIONS, StrPath
from rotnet.inference.options import Options
from rotnet.inference.predictor import DEFAULT, Predictor

_log = logging.getLogger(__name__)

SETTLE = 2.0  # seconds; cameras and networks pause while they write
_STEP = 50  # milliseconds without a change after which changes are told
_TICK = 250  # milliseconds without a change after which it is looked what has settled
_GO_ON = "start again with --existing"
_ELSEWHERE = "Watch with --overwrite, which replaces it, or into another folder."
_POLL = 1000  # milliseconds between looks at all of it


class Settling:
    """Which files have stopped changing.

    Args:
        seconds: How long a file must have been the same.
        clock: Tells seconds.

    Example:
        >>> settling = Settling(0.0)
        >>> settling.notice(Path("README.md"))
        >>> len(settling.settled()), len(settling.settled())
        (1, 0)
    """

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self._seconds, self._clock = seconds, clock
        self._since: dict[Path, tuple[Stamp, float]] = {}

    def __len__(self) -> int:
        return len(self._since)

    def notice(self, path: Path) -> None:
        """A file has come, changed or gone."""
        found = stamp(path)
        if found is None:
            self._since.pop(path, None)
        else:
            self._since[path] = found, self._clock()

    def settled(self) -> list[Path]:
        """Files that have been the same for long enough; each is told once, and then forgotten."""
        ready, now = [], self._clock()
        for path, (seen, since) in list(self._since.items()):
            if now - since >= self._seconds:
                if stamp(path) == seen:
                    del self._since[path]
                    ready.append(path)
                else:
                    self.notice(path)
        return ready


@dataclass(frozen=True)
class Watched:
    """Folders that are watched, and where the successors of their pictures go.

    Attributes:
        folders: As they were named, by where they really lie.
        output: Folder of the results; what lies in it is no input.
        raw: Whether raw photographs are pictures too.

    Raises:
        UsageError: A folder is none, lies in another one, or is the one of the results.
    """

    folders: dict[str, Path]
    output: Path
    raw: bool = False

    @classmethod
    def of(cls, folders: Iterable[StrPath], output: StrPath, *, raw: bool = False) -> Watched:
        """Folders as people name them."""
        named: dict[str, Path] = {}
        for folder in map(Path, folders):
            if not os.path.isdir(folder):
                raise UsageError(f"{folder} is not a folder: name a folder into which pictures come.")
            named.setdefault(os.path.realpath(folder), folder)
        if not named:
            raise UsageError("There is nothing to watch: name a folder into which pictures come.")
        for real, folder in named.items():
            if real == os.path.realpath(output):
                raise UsageError(f"{output} is watched itself, and results would be inputs: choose another OUT.")
            for other in named:
                if other != real and Path(real).is_relative_to(other):
                    raise UsageError(f"{folder} lies in {named[other]}, with which it is watched: leave it out.")
        return cls(named, Path(output), raw)

    def input_of(self, path: str) -> Path | None:
        """A path, as the system tells it, as an input: spelt as the folder was; None if it is none."""
        if Path(path).is_relative_to(os.path.realpath(self.output)):
            # unless the folder of results holds the watched one
            if any(Path(os.path.realpath(self.output)).is_relative_to(real) for real in self.folders):
                return None
        for real, folder in self.folders.items():
            if Path(path).is_relative_to(real):
                inside = Path(path).relative_to(real)
                above = [Path(real, *inside.parts[:depth]) for depth in range(1, len(inside.parts))]
                if any(part.startswith(".") for part in inside.parts) or any(map(os.path.islink, above)):
                    return None  # as in folders that are walked
                return folder / inside
        return None

    def target_of(self, path: Path) -> Path:
        """Where the successor of an input goes; sub-folders are mirrored."""
        place = Path(os.path.realpath(path.parent), path.name)  # as it is spelt, ../b seems to lie in .
        folder = next(real for real in self.folders if place.is_relative_to(real))
        target = self.output / place.relative_to(folder)
        if self.input_of(os.path.realpath(target)) is not None:
            raise UsageError(f"{target} would be an input itself: choose another OUT.")
        return target

    def is_picture(self, path: Path) -> bool:
        """Whether a file is one by its name."""
        return path.suffix.lower() in EXTENSIONS or (self.raw and is_raw(path))

    def pictures(self, within: Path | None = None) -> Iterator[Path]:
        """The pictures that are there, or those in a sub-folder."""
        for folder in self.folders.values() if within is None else [within]:
            for path in find_images([folder], raw=self.raw):
                real = os.path.join(os.path.realpath(path.parent), path.name)
                if self.input_of(real) is not None and not os.path.isdir(path):
                    yield path


def watch_files(
    folders: Iterable[StrPath],
    output: StrPath,
    predictor: Predictor,
    options: Options = DEFAULT,
    how: Turning | None = None,
    *,
    journal: Journal | None = None,
    settle: float = SETTLE,
    existing: bool = False,
    poll: bool = False,
    overwrite: bool = False,
    jobs: int = JOBS,
    stop: threading.Event | None = None,
    started: Callable[[], object] | None = None,
) -> Generator[FileCorrection, None, None]:
    """Write upright copies of the pictures that come into folders, as `correct_targets` does, until it is stopped.

    A picture is taken up once, and again only if it has changed; one that has vanished meanwhile is passed over.

    Args:
        folders: Watched with their sub-folders.
        output: Folder of the results, made when needed; sub-folders are mirrored.
        predictor: The model.
        options: What is asked of it.
        how: How pictures are turned; None for the defaults.
        journal: Where each step is recorded; what it has as finished is not done again.
        settle: Seconds that a picture must not have changed.
        existing: Whether to take up the pictures that are there at the start as well.
        poll: Look for changes instead of being told by the system, which network drives do not do.
        overwrite: Whether files that are in `output` already may be replaced.
        jobs: Threads that decode, and threads that turn.
        stop: Ends the watch when it is set, after the picture that is being finished.
        started: Called once from then on nothing that comes is missed.

    Returns:
        One result a picture, as they come, without end; one that fails gives its error and the others go on.

    Raises:
        MissingExtraError: The extra `watch` is not installed.
        UsageError: The folders are not as described, or cannot be watched.
        ImageError: A folder that was watched has gone.
        OutputError: The disk is full or takes no writing.
    """
    require("watchfiles", "watch", "watching a folder")
    if not 0 <= settle < float("inf"):
        raise UsageError(f"settle must be seconds, from 0. Received: settle={settle!r}.")
    raw = how is not None and how.sidecar
    watch = _Watch(Watched.of(folders, output, raw=raw), settle, journal, overwrite=overwrite)
    stop = stop or threading.Event()

    def results(paths: Iterable[Path]) -> Generator[FileCorrection, None, None]:
        targets: Targets = {}
        for path in paths:
            if failed := watch.plan(path, targets):
                yield failed
        done = correct_targets(
            targets, predictor, options, how, journal=journal, jobs=jobs, overwrite=overwrite, go_on=_GO_ON
        )
        with closing(done):
            for result in done:
                if watch.stands(result):
                    yield result

    def run() -> Generator[FileCorrection, None, None]:
        if not existing:
            watch.pass_over()
        is_first = True
        with closing(_changes(watch.watched, stop, poll=poll)) as changes:
            for changed in changes:
                # at first all that is there, for it may have come while the watch began
                watch.notice(watch.watched.folders if is_first else changed)
                if is_first and started is not None:
                    started()
                is_first = False
                with closing(results(watch.ready())) as batch:
                    for result in batch:
                        yield result
                        if stop.is_set():
                            return

    return run()


class _Watch:
    """What is known of the pictures in watched folders."""

    def __init__(self, watched: Watched, settle: float, journal: Journal | None, *, overwrite: bool) -> None:
        self.watched = watched
        self._settling = Settling(settle)
        self._journal = journal
        self._overwrite = overwrite
        self._handled: dict[Path, Stamp | None] = {}
        self._sources: Targets = {}  # by target

    def pass_over(self) -> None:
        """Leave what is there now."""
        self._handled = {path: stamp(path) for path in self.watched.pictures()}

    def notice(self, changed: Iterable[str]) -> None:
        """Take note of paths that the system tells."""
        for told in changed:
            is_whole = told in self.watched.folders
            path = self.watched.folders[told] if is_whole else self.watched.input_of(told)
            if path is None:
                continue
            if os.path.isdir(path) and (is_whole or not os.path.islink(path)):
                # pictures may have come into a new folder before it was watched, or be coming still
                self._scan(path)
                if not is_whole:
                    self._settling.notice(path)
            elif self.watched.is_picture(path):
                self._settling.notice(path)

    def ready(self) -> list[Path]:
        """Pictures that have settled."""
        settled = self._settling.settled()
        folders = [path for path in settled if os.path.isdir(path)]
        for folder in folders:
            self._scan(folder)
        return [path for path in settled if path not in folders]

    def _scan(self, folder: Path) -> None:
        for picture in self.watched.pictures(folder):
            if self._handled.get(picture) != stamp(picture):
                self._settling.notice(picture)

    def plan(self, path: Path, targets: Targets) -> FileCorrection | None:
        """Add the target of a picture that is not done yet; why it can have none, if so."""
        now = stamp(path)
        if now is None or self._handled.get(path) == now:
            return None
        is_new = path not in self._handled
        self._handled[path] = now
        is_done = is_new and self._journal is not None and self._journal.outcome_of(path) is not None
        try:
            target = self.watched.target_of(path)
            other = self._sources.setdefault(target, path)
            if is_done:
                return None
            if other != path:
                raise UsageError(f"{other} and {path} would both become {target}. Watch their folders into two.")
            check_targets({path: target}, overwrite=self._overwrite, advice=_ELSEWHERE)
        except UsageError as error:
            return FileCorrection(path, None, "failed", error=str(error))
        targets[path] = target
        return None

    def stands(self, result: FileCorrection) -> bool:
        """Whether a result is final: what has failed and changed is looked at anew, what has vanished is no failure."""
        path = result.path
        if result.seen is not None:  # it may have changed while it waited for its turn
            self._handled[path] = result.seen
        found = stamp(path)
        if result.action != "failed" or found == self._handled.get(path):
            return True
        self._settling.notice(path)
        _log.info("%s %s", path, "has vanished" if found is None else "has changed, and is looked at anew")
        return False


def _changes(watched: Watched, stop: threading.Event, *, poll: bool) -> Generator[Iterable[str], None, None]:
    """Paths that have changed, or none when a while has passed; first of all when the watch has begun."""
    import watchfiles

    before = {real: _identity(real) for real in watched.folders}
    told = watchfiles.watch(
        *watched.folders,
        watch_filter=None,
        step=_STEP,
        rust_timeout=_TICK,
        yield_on_timeout=True,
        stop_event=stop,
        force_polling=poll or None,
        poll_delay_ms=_POLL,
    )
    with closing(told):
        while True:
            try:
                changes = next(told, None)
            except (OSError, RuntimeError) as error:  # no such folder, or more folders than the system watches
                names = ", ".join(map(str, watched.folders.values()))
                raise UsageError(
                    f"{names} cannot be watched: {error}. Try --poll, which needs no such help."
                ) from error
            if changes is None:
                return
            for real, identity in before.items():
                if _identity(real) != identity:
                    raise ImageError(f"{watched.folders[real]} is gone: start again once it is back.")
            yield [path for _, path in changes]


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = os.stat(folder)
    except OSError:
        return None
    return status.st_dev, status.st_ino
