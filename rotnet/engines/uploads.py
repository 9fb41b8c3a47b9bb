"""Pictures that are turned here and go to a cloud, each a copy that is whole and verified before it has its name.

An object is written under a temporary name beside its own, `.rotnet-….part`, read again, and moved when its SHA-256 is
that of what was sent. Large ones travel in parts of which the last completes the object, so that of a run that is
killed nothing is there but such a temporary one at the most.
"""

from __future__ import annotations

import hashlib
import posixpath
import re
import secrets
import shutil
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from rotnet.engines.inputs import file_system
from rotnet.errors import OutputError, RotNetError, UsageError, require
from rotnet.files import FileCorrection, Journal, Turning, carry_out
from rotnet.files.outcomes import outcome_of, recorded
from rotnet.images.prefetch import JOBS, ahead

__all__ = ["address_of", "carry_out_to", "check_addresses", "upload"]

_TO = re.compile(r"([a-z][a-z0-9+.-]+)://[^/]+", re.ASCII)


def address_of(to: str, target: Path) -> str:
    """Where the successor of a picture goes, below an address, under the name that it has in the plan.

    Raises:
        UsageError: It would not be below.

    Example:
        >>> address_of("s3://photos/2024/", Path("straight/a.jpg"))
        's3://photos/2024/straight/a.jpg'
    """
    name = posixpath.normpath(target.as_posix()).lstrip("/")
    if name.partition("/")[0] == "..":
        raise UsageError(
            f"{target} lies above the folder of the plan, and would not be below {to}: plan it with -o OUT."
        )
    return f"{to.rstrip('/')}/{name}"


def check_addresses(decisions: Sequence[FileCorrection], to: str) -> None:
    """Refuse a plan that cannot be carried out below an address.

    Raises:
        UsageError: It is no address of a cloud, the plan is one of `--in-place`, or two pictures would become one
            object.
    """
    match = _TO.match(to)
    if match is None or match[1] in ("file", "local"):
        raise UsageError(f"--to must be an address in a cloud, such as s3://bucket/folder. Got: {to}.")
    owners: dict[str, FileCorrection] = {}
    for decision in decisions:
        if decision.target is None:
            continue
        if decision.target == decision.path:
            raise UsageError(f"{decision.path} was planned in place, and --to makes copies only: plan with -o OUT.")
        other = owners.setdefault(address := address_of(to, decision.target), decision)
        if other is not decision:
            raise UsageError(f"{other.path} and {decision.path} would both become {address}: leave one of them out.")


def carry_out_to(
    to: str,
    decisions: Sequence[FileCorrection],
    how: Turning,
    *,
    journal: Journal | None = None,
    jobs: int = JOBS,
    overwrite: bool = False,
) -> Generator[FileCorrection, None, None]:
    """As `rotnet.files.carry_out`, into a cloud. What is there already as it should be is left.

    Args:
        to: Address below which the copies go.
        decisions: Checked by `check_addresses`.
        how: How crooked pictures are turned.
        journal: Where each picture that has arrived is recorded; what it has as finished is not done again.
        jobs: Threads that turn, and threads that send.
        overwrite: Whether other objects of the same names may be replaced.

    Yields:
        What became of each, with the target of the plan.

    Raises:
        OutputError: The disk with temporary files is full.
    """

    def is_there(target: Path) -> bool:
        system, _, path = file_system(address_of(to, target))
        return bool(system.get_file_info(path).is_file)

    remaining = []
    for decision in decisions:
        finished = decision.target and recorded(decision.path, decision.target, journal, is_there)
        if finished:
            yield finished
        else:
            remaining.append(decision)

    def here(folder: str) -> Iterator[FileCorrection]:
        for number, decision in enumerate(remaining):
            target = decision.target and Path(folder, str(number), decision.target.name)
            yield replace(decision, target=target)

    def send(pair: tuple[FileCorrection, FileCorrection]) -> FileCorrection:
        decision, made = pair
        if made.target is None or decision.target is None:
            return made
        folder = made.target.parent
        try:
            for file in sorted(folder.iterdir(), key=lambda file: file == made.target):  # sidecars come first
                upload(file, address_of(to, decision.target.with_name(file.name)), overwrite=overwrite)
            done = replace(made, target=decision.target)
            if journal is not None:
                journal.done(decision.path, outcome_of(done))
            return done
        except Exception as error:  # of the network: whatever it is, the other pictures go on
            return decision.failed(error)
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    with (
        tempfile.TemporaryDirectory(prefix="rotnet-") as folder,
        closing(carry_out(here(folder), how, jobs=jobs)) as made,
        closing(ahead(send, zip(remaining, made, strict=False), jobs=jobs)) as sent,
    ):
        yield from sent


def upload(file: Path, address: str, *, overwrite: bool = False) -> None:
    """Copy a file to an address, where it is whole and verified or not at all.

    Args:
        file: On this machine.
        address: Of the object. If it holds the same already, it is left.
        overwrite: Whether another object may be replaced.

    Raises:
        OutputError: There is another object already, it cannot be written, or it did not arrive as it was sent.
    """
    fs = require("pyarrow.fs", "engines", "writing to a cloud")
    system, _, path = file_system(address)
    data = file.read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    temporary = f"{posixpath.dirname(path)}/.rotnet-{secrets.token_hex(8)}.part"
    try:
        there = system.get_file_info(path)
        if there.is_file and there.size == len(data) and _digest(system, path) == digest:
            return
        if there.type == fs.FileType.Directory or (there.is_file and not overwrite):
            raise OutputError(f"{address} is there already and stays; choose another address, or --overwrite")
        try:
            _write(system, temporary, data)
            if _digest(system, temporary) != digest:
                raise OutputError(f"{address} did not arrive as it was sent; look at the network, and run it again")
            system.move(temporary, path)
        except BaseException:
            with suppress(Exception):
                system.delete_file(temporary)
            raise
    except RotNetError:
        raise
    except (OSError, ValueError) as error:  # the latter of a name that is no text
        raise OutputError(f"{address} cannot be written: {error}; check address and permissions") from error


def _write(system: Any, path: str, data: bytes) -> None:
    try:
        stream = system.open_output_stream(path)
    except FileNotFoundError:  # not of a cloud, where folders are but parts of names
        system.create_dir(posixpath.dirname(path), recursive=True)
        stream = system.open_output_stream(path)
    with stream:
        stream.write(data)


def _digest(system: Any, path: str) -> str:
    digest = hashlib.sha256()
    with system.open_input_stream(path) as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()
