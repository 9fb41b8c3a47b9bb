"""What the tests of the engines begin with."""

import os

import pytest
from compass import compass_onnx
from trees import make_traps, save

from rotnet.engines import inputs


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder to work in, with 12 pictures and the traps, and PyArrow."""
    pytest.importorskip("pyarrow")
    monkeypatch.chdir(tmp_path)
    for index in range(12):
        save(f"in/{index % 3}/{index}.png", 30.0 * index)
    make_traps("in")
    return tmp_path


@pytest.fixture
def kept(tmp_path_factory, monkeypatch):
    """A cloud that is a folder, by PyArrow alone."""
    fs = pytest.importorskip("pyarrow.fs")
    system = fs.SubTreeFileSystem(str(tmp_path_factory.mktemp("cloud")), fs.LocalFileSystem())
    monkeypatch.setattr(inputs, "_root", lambda scheme, host: (system, host))
    return "cloud://photos"


@pytest.fixture
def memory():
    pytest.importorskip("fsspec")
    from fsspec.implementations.memory import MemoryFileSystem

    MemoryFileSystem.store.clear()
    return "memory://photos"


@pytest.fixture
def s3(monkeypatch):
    """An S3 on this machine, with a bucket."""
    server = pytest.importorskip("moto.server")
    fs = pytest.importorskip("pyarrow.fs")
    service = server.ThreadedMotoServer(port=0, verbose=False)
    service.start()
    host, port = service.get_host_and_port()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_EC2_METADATA_DISABLED": "true",
    }.items():
        monkeypatch.setenv(name, value)
    inputs._root.cache_clear()
    address = os.environ["AWS_ENDPOINT_URL"]
    fs.S3FileSystem(allow_bucket_creation=True, endpoint_override=address).create_dir("photos")
    yield "s3://photos"
    inputs._root.cache_clear()
    service.stop()
