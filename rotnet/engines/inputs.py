"""What is looked at: folders and files, here or in a cloud, lists of them, and tar files that are full of pictures.

A *source* is what one machine reads by itself: a picture, or a tar file, which is read once from its beginning to its
end. It is a `Path` on this machine, or text such as `s3://bucket/a.jpg`. A picture in a tar file is called
`shards-0001.tar::a.jpg`; the tar file itself, where it cannot be read, `shards-0001.tar::`.
"""

from __future__ import annotations

import codecs
import glob
import io
import os
import re
import tarfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import IO, Any

from rotnet.errors import ImageError, RotNetError, UsageError, require
from rotnet.images.finding import find_images
from rotnet.images.reading import EXTENSIONS, StrPath

__all__ = ["IN_TAR", "file_system", "find_sources", "is_tar", "order_of", "pictures_in", "read_picture", "source_of"]

IN_TAR = "::"
MAX_BYTES = 1 << 30  # of an object or a member, which are read as a whole
_BUFFER = 1 << 20  # bytes asked for at a time
_ADDRESS = re.compile(r"([a-z][a-z0-9+.-]+)://([^/]*)/*(.*)", re.DOTALL)


def find_sources(inputs: Iterable[StrPath]) -> Iterator[StrPath]:
    """List what is to be looked at.

    Args:
        inputs: Pictures, tar files, and folders that are walked; a `.txt` with a path a line, or a `.parquet` with the
            column `path`; a pattern of names, as `shards-*.tar`. Addresses such as `s3://` and `gs://` likewise.

    Yields:
        Pictures and tar files.

    Raises:
        RotNetError: A list or a folder in a cloud cannot be read; without it, a part would pass for the whole.

    Example:
        >>> [str(source) for source in find_sources(["a.jpg", "shards-0.tar"])]
        ['a.jpg', 'shards-0.tar']
    """
    for given in (os.fspath(one) for one in inputs):
        if given.endswith((".txt", ".parquet")) and not os.path.isdir(given):
            yield from map(_named, _listed(given))
        elif _ADDRESS.match(given):
            yield from _in_cloud(given)
        elif not os.path.lexists(given) and (matching := sorted(glob.glob(given))):
            yield from find_images(matching)
        else:
            yield from find_images([given])


def is_tar(source: StrPath) -> bool:
    """Whether a source is a tar file.

    Example:
        >>> is_tar("shards-0.tar"), is_tar("shards-0.tar::a.jpg")
        (True, False)
    """
    return os.fspath(source).endswith(".tar")


def order_of(source: StrPath) -> bytes:
    """What sources are sorted by, so that their pictures are sorted by name."""
    return os.fsencode(f"{source}{IN_TAR}" if is_tar(source) else source)


def source_of(name: str) -> StrPath:
    """The source in which a picture of this name is.

    Example:
        >>> source_of("s3://photos/shards-0.tar::a.jpg")
        's3://photos/shards-0.tar'
    """
    tar, separator, _ = name.partition(f".tar{IN_TAR}")
    return _named(f"{tar}.tar" if separator else name)


def pictures_in(source: StrPath, wanted: Callable[[str], bool] = lambda name: True) -> Iterator[tuple[StrPath, Any]]:
    """The pictures of a source, whose bytes are read one after another.

    Args:
        source: From `find_sources`.
        wanted: Whether a picture of this name in a tar file is asked for; others are skipped.

    Yields:
        Name, and what `read_picture` takes. A tar file that cannot be read to its end says so as its last picture.
    """
    if not is_tar(source):
        yield source, source
        return
    try:
        with _opened(source) as file, tarfile.open(fileobj=file, mode="r:") as tar:
            end = -1
            for member in tar:
                if member.offset <= end:  # a header of a negative size leads back, for ever
                    raise tarfile.ReadError("a member begins before the end of the one before")
                end, tar.members = member.offset, []  # type: ignore[attr-defined]  # which would grow with the file
                name = f"{source}{IN_TAR}{member.name}"
                if _is_picture(member.name) and member.isreg() and wanted(name):
                    yield name, _bytes_of(tar, member)
            file.seek(tar.offset)  # tarfile takes a file that was cut off, or is damaged further on, for one that ends
            if file.read(512) != bytes(512):
                raise tarfile.ReadError("it is cut off or damaged")
    except Exception as error:  # of the disk, the network or the format: whatever it is, the other sources go on
        yield f"{source}{IN_TAR}", ImageError(f"{source} cannot be read: {error}; restore it, or look at it again")


def read_picture(picture: Any) -> StrPath | bytes:
    """What a picture of `pictures_in` holds: its path on this machine, or its bytes.

    Raises:
        ImageError: It cannot be read.
    """
    if isinstance(picture, ImageError):
        raise picture
    if isinstance(picture, bytes) or not _ADDRESS.match(os.fspath(picture)):
        return picture
    try:
        with _opened(picture) as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise ImageError(f"{picture} cannot be read: {error}; check address and permissions") from error
    if len(data) > MAX_BYTES:
        raise _too_large(picture)
    return data


def _bytes_of(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes | ImageError:
    if member.size > MAX_BYTES:  # a sparse member may say so in a file of a few bytes
        return _too_large(member.name)
    data = tar.extractfile(member)
    assert data is not None  # of a regular file
    return data.read()


def _too_large(name: object) -> ImageError:
    return ImageError(f"{name} has more than {MAX_BYTES} bytes, which are read as a whole; leave it out")


def _is_picture(name: str) -> bool:
    path = PurePosixPath(name)
    return path.suffix.lower() in EXTENSIONS and not any(part.startswith(".") for part in path.parts)


def _named(name: str) -> StrPath:
    return name if _ADDRESS.match(name) else Path(name)


def _listed(name: str) -> Iterator[str]:
    """The paths in a list, a few at a time."""
    try:
        with _opened(name) as file:
            if name.endswith(".txt"):
                for number, raw in enumerate(file):
                    line = raw if number else raw.removeprefix(codecs.BOM_UTF8)
                    if path := os.fsdecode(line).rstrip("\r\n"):
                        yield path
                return
            pq = require("pyarrow.parquet", "engines", "a list in Parquet")
            columns = [one for one in ("path", "path_bytes") if one in pq.read_schema(file).names]
            if "path" not in columns:
                raise UsageError(f"{name} has no column path: name it so, or give a .txt with a path a line.")
            for batch in pq.ParquetFile(file).iter_batches(columns=columns):
                for row in batch.to_pylist():
                    yield os.fsdecode(row.get("path_bytes") or row["path"])
    except (OSError, ValueError, TypeError) as error:  # PyArrow's own errors are such; a path may be null
        if isinstance(error, RotNetError):
            raise
        raise UsageError(f"The list {name} cannot be read: {error}; name one of paths.") from error


def _in_cloud(address: str) -> Iterator[str]:
    """The file of an address, or those of a pattern, or those below a folder, in the order of their names."""
    system, root, path = file_system(address)
    is_pattern = re.search(r"[*?\[]", path[len(root) :]) is not None
    folder = path.rpartition("/")[0] if is_pattern else path
    fs = require("pyarrow.fs", "engines", "reading from a cloud")
    try:
        if not is_pattern and system.get_file_info(path).type == fs.FileType.File:
            yield address
            return
        found = system.get_file_info(fs.FileSelector(folder, recursive=not is_pattern))
    except (OSError, ValueError) as error:
        raise UsageError(f"{address} cannot be listed: {error}; check address and permissions.") from error
    start = "{}://{}".format(*_parts(address)[:2])
    for one in sorted(one.path for one in found if one.type == fs.FileType.File):
        if fnmatchcase(one, path) if is_pattern else _is_picture(one[len(folder) :].strip("/")):
            yield f"{start}/{one[len(root) :].lstrip('/')}"


@contextmanager
def _opened(source: StrPath) -> Iterator[IO[bytes]]:
    """A source as a file."""
    name = os.fspath(source)
    if not _ADDRESS.match(name):
        with open(name, "rb") as file:
            yield file
        return
    system, _, path = file_system(name)
    # its lines can be read, and small steps through a tar file are not each a request
    with system.open_input_file(path) as stream, io.BufferedReader(stream, _BUFFER) as file:
        yield file


def _parts(address: str) -> tuple[str, str, str]:
    """Kind, host or bucket, and path of an address."""
    match = _ADDRESS.fullmatch(address)
    assert match is not None
    scheme, host, path = match.groups()
    return scheme, host, path


def file_system(address: str) -> tuple[Any, str, str]:
    """The file system of an address, of PyArrow, where in it the host or bucket begins, and the path in it."""
    scheme, host, path = _parts(address)
    system, root = _root(scheme, host)
    return system, root, f"{root.rstrip('/')}/{path}".rstrip("/")


@lru_cache(maxsize=64)
def _root(scheme: str, host: str) -> tuple[Any, str]:
    """A file system, and where in it the host or bucket of an address begins."""
    fs = require("pyarrow.fs", "engines", "reading from a cloud")
    address = f"{scheme}://{host}"
    if scheme == "s3" and (endpoint := os.environ.get("AWS_ENDPOINT_URL")):  # which PyArrow does not heed
        return fs.S3FileSystem(endpoint_override=endpoint), host
    try:
        return fs.FileSystem.from_uri(address)
    except ValueError:  # a kind that PyArrow does not know by itself
        fsspec = require("fsspec.core", "engines", f"reading from {scheme}://")
    try:
        system, root = fsspec.url_to_fs(address)
    except (ValueError, ImportError, OSError) as error:
        raise UsageError(f"{address} cannot be reached: {error}.") from error
    return fs.PyFileSystem(fs.FSSpecHandler(system)), root
