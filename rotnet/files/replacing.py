"""Files that take the place of others: the others kept, and what the system knows of them taken over."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from contextlib import suppress
from pathlib import Path
from typing import IO

from rotnet.errors import OutputError
from rotnet.images import reading, writing

# what no other file would fare better with
_FATAL = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
SPARE = ".backup"


def spare_of(temporary: Path) -> Path:
    """Where a backup or sidecar is written meanwhile, beside the temporary file of its picture or of itself."""
    return temporary.with_name(f"{temporary.name}{SPARE}")


def is_fatal(error: Exception) -> bool:
    """Whether an error says that a disk is full or takes no writing."""
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in _FATAL


def back_up(source: Path, backup: Path, spare: Path) -> None:
    """Keep a file under another name too, before it is replaced.

    Args:
        source: The file.
        backup: Its other name; what a run that was killed right here has left there is taken.
        spare: Where it may be copied meanwhile, on a file system without hard links.

    Raises:
        OutputError: Another file has that name.
    """
    if os.path.lexists(backup):
        # of a run that was killed right here, before the source was replaced
        if not filecmp.cmp(source, backup, shallow=False):
            raise OutputError(f"{backup} is there already; move it, or choose another suffix")
        return
    try:
        os.link(source, backup)
        writing.sync_folder(backup.parent)  # before the source is replaced
    except OSError:  # a file system without hard links; the journal knows of the spare file
        with reading.open_file(source) as original, writing.atomic_file(backup, temporary=spare) as file:
            writing.copy_into(file, original, str(source))
            keep_status(source, file, owner=False)


def keep_status(source: Path, file: IO[bytes], *, owner: bool) -> None:
    """Give a file that is being written the permissions and times of its original, and the owner in its place."""
    file.flush()
    if owner and hasattr(os, "chown"):
        with suppress(OSError):  # another user's
            status = os.stat(source)
            os.chown(file.name, status.st_uid, status.st_gid)
    with suppress(OSError):  # some network and memory-card file systems
        shutil.copystat(source, file.name)
