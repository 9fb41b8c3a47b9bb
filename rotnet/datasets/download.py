"""Large files over lines that break: fetched on from where they stopped, and known again by their checksum."""

from __future__ import annotations

import http.client
import logging
import os
import time
import urllib.request
from pathlib import Path

from tqdm import tqdm

from rotnet.errors import RotNetError
from rotnet.images.writing import atomic_file
from rotnet.inference.presets import sha256

SUMS = "SHA256SUMS"
BLOCK = 1 << 20

_log = logging.getLogger(__name__)


def fetch(url: str, target: str | Path, *, attempts: int = 5, pause: float = 2.0, timeout: float = 30.0) -> Path:
    """Download a file, or go on with a download that was stopped.

    What has come so far lies in `TARGET.part`; a server that has changed the file in between, or cannot say that it has
    not, sends it anew. Only a whole file gets the name of the target.

    Args:
        url: `http://` or `https://`.
        target: The file to make, in a folder that exists; one that is there stays as it is.
        attempts: How often a broken connection is taken up again without any progress.
        pause: Seconds before the second attempt, twice as many before each further one, at most a minute.
        timeout: Seconds to wait for the server.

    Returns:
        The target.

    Raises:
        RotNetError: The server refuses, or the connection keeps breaking.
    """
    target = Path(target)
    part = target.with_name(f"{target.name}.part")
    failures = 0
    while not target.exists():
        before = _size(part)
        try:
            _receive(url, part, timeout)
            os.replace(part, target)
            _version(part).unlink(missing_ok=True)
        except (OSError, http.client.HTTPException) as error:
            status = getattr(error, "code", None)
            if status == http.client.REQUESTED_RANGE_NOT_SATISFIABLE:
                part.unlink()  # was complete, or is of another file
            elif status and status < 500:
                raise RotNetError(f"{url} cannot be downloaded: {error}. Give another address.") from error
            failures = 1 if _size(part) > before else failures + 1
            if failures >= attempts:
                raise RotNetError(f"{url} cannot be downloaded: {error}. Start again to go on from here.") from error
            _log.info("%s broke off and is taken up again: %s", url, error)
            time.sleep(min(pause * 2 ** (failures - 1), 60.0))
    return target


def check_sum(path: str | Path) -> None:
    """Compare a file with `SHA256SUMS` beside it, where a file that is seen for the first time is added.

    The list is the one of the command `sha256sum --check SHA256SUMS`, and can be carried to another machine.

    Args:
        path: The file.

    Raises:
        RotNetError: The file is not the one of the list.
        OutputError: The list cannot be written.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     _ = Path(folder, "empty").write_bytes(b"")
        ...     check_sum(Path(folder, "empty"))
        ...     Path(folder, "SHA256SUMS").read_text()[:16]
        'e3b0c44298fc1c14'
    """
    path = Path(path)
    sums = path.with_name(SUMS)
    lines = sums.read_text(encoding="utf-8").splitlines() if sums.exists() else []
    known = {name: digest for digest, _, name in (line.partition("  ") for line in lines)}
    found = sha256(path)
    if known.setdefault(path.name, found) != found:
        raise RotNetError(
            f"{path} is not the file of {sums}: expected SHA-256 {known[path.name]}, got {found}. "
            f"Delete the file to fetch it anew, or its line in {SUMS} to trust it."
        )
    with atomic_file(sums) as file:
        file.write("".join(f"{digest}  {name}\n" for name, digest in sorted(known.items())).encode())


def _receive(url: str, part: Path, timeout: float) -> None:
    version = _version(part)
    have = _size(part) if version.exists() else 0
    headers = {"Range": f"bytes={have}-", "If-Range": version.read_text()} if have else {}
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout) as answer:
        goes_on = answer.status == http.client.PARTIAL_CONTENT
        length = answer.headers.get("Content-Length")
        start = have if goes_on else 0
        total = None if length is None else start + int(length)
        if not goes_on:
            _remember_version(version, answer.headers)
        bar = tqdm(desc=part.stem, initial=start, total=total, unit="B", unit_scale=True, leave=False, disable=None)
        with bar, part.open("ab" if goes_on else "wb") as file:
            while block := answer.read(BLOCK):
                file.write(block)
                bar.update(len(block))
    # a line that breaks looks like an end
    if total is not None and _size(part) != total:
        raise OSError(f"{_size(part)} of {total} bytes have come")


def _remember_version(version: Path, headers: http.client.HTTPMessage) -> None:
    tag = headers.get("ETag", "")
    if known := headers.get("Last-Modified") if tag.startswith("W/") or not tag else tag:
        version.write_text(known)
    else:
        version.unlink(missing_ok=True)


def _version(part: Path) -> Path:
    return part.with_name(f"{part.name}.version")


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
