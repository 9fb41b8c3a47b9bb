"""Shards on Ray: the same tables, whatever is killed."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from compass import compass_onnx
from trees import everything, make_traps, save

from rotnet import RotNetError
from rotnet.cli.main import main
from rotnet.engines.batch import BatchPredictor
from rotnet.engines.shards import Job, job_of, options_of
from rotnet.engines.tables import read_rows

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray = pytest.importorskip("ray")
pytest.importorskip("ray.data")
pytestmark = pytest.mark.filterwarnings("ignore")  # of Ray's own

SHARDS = 6


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return str(compass_onnx(tmp_path_factory.mktemp("models") / "compass.onnx"))


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for index in range(24):
        save(f"in/{index % 3}/{index}.png", 15.0 * index)
    make_traps("in")
    return tmp_path


@pytest.fixture
def expected(folder, model):
    """What shards without an engine make."""
    for number in range(1, SHARDS + 1):
        assert main(["predict", "in", "--model", model, "-o", "plain", "--shard", f"{number}/{SHARDS}"]) == 0
    return tables("plain")


def tables(folder):
    return {os.path.basename(path): digest for path, digest in everything(folder).items()}


def start(processors):
    ray.init(
        address="local",
        num_cpus=processors,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="error",
        _node_ip_address="127.0.0.1",
        object_store_memory=100 << 20,
    )


@pytest.fixture
def stopping():
    yield
    ray.shutdown()


def begin(model, predict):
    return Job.begin("out", job_of("predict", ["in"], model, **options_of(predict)), SHARDS)


@pytest.mark.parametrize("processors", [1, 2])
def test_tables_are_those_of_shards_and_only_what_is_missing_is_done(
    folder, model, expected, processors, stopping, capfd
):
    first = ["predict", "in", "--model", model, "-o", "out"]
    assert main([*first, "--shard", f"2/{SHARDS}"]) == 0
    stamp = os.stat(f"out/part-00002-of-{SHARDS:05d}.parquet").st_mtime_ns
    start(processors)
    assert main([*first, "--engine", "ray"]) == 0
    assert tables("out") == expected
    assert os.stat(f"out/part-00002-of-{SHARDS:05d}.parquet").st_mtime_ns == stamp
    assert capfd.readouterr().out.count("shard ") == SHARDS
    assert main([*first, "--engine", "ray"]) == 0
    assert capfd.readouterr().out == "0 pictures (none) in out\n"
    assert main([*first, "--turns", "1", "--engine", "ray"]) == 2


def dying():
    """A predictor that kills its process amid each shard, once."""

    class Dying(BatchPredictor):
        def rows(self, pictures, **options):
            pictures = list(pictures)
            for index, row in enumerate(super().rows(pictures, **options)):
                flag = f"{os.path.dirname(self.model)}/killed-{os.path.basename(pictures[0])}"
                if index == 2 and not os.path.exists(flag):
                    open(flag, "w").close()
                    os.kill(os.getpid(), signal.SIGKILL)
                yield row

    return Dying


def test_a_worker_that_is_killed_costs_its_shard_alone(folder, model, expected, stopping):
    from rotnet.engines.ray import predict_on_ray

    predict = dying()(model)
    start(2)
    counts = predict_on_ray(begin(model, predict), ["in"], predict)
    assert list(Path(model).parent.glob("killed-*"))
    assert tables("out").items() >= expected.items() and counts.total() == 24 + 8


def test_a_driver_that_is_killed_goes_on(folder, model, expected):
    command = [sys.executable, "-m", "rotnet", "predict", "in", "--model", model, "-o", "out"]
    assert subprocess.run([*command, "--shard", f"1/{SHARDS}"]).returncode == 0
    run = subprocess.Popen([*command, "--engine", "ray"], stdout=subprocess.PIPE, text=True)
    run.stdout.readline()
    run.kill()
    run.wait()
    run.stdout.close()
    assert subprocess.run([*command, "--engine", "ray"], timeout=120).returncode == 0
    assert tables("out").items() >= expected.items()


def test_a_node_that_is_killed_costs_what_it_was_at(folder, model, expected, stopping):
    from ray.cluster_utils import Cluster

    from rotnet.engines.ray import predict_on_ray

    class Slow(BatchPredictor):
        def rows(self, pictures, **options):
            for row in super().rows(pictures, **options):
                time.sleep(0.5)
                yield row

    predict = Slow(model)
    memory = {"object_store_memory": 100 << 20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False, **memory})
    try:
        other = cluster.add_node(num_cpus=2, **memory)
        ray.init(address=cluster.address, log_to_driver=False, logging_level="error")
        killer = threading.Timer(8, lambda: cluster.remove_node(other, allow_graceful=False))
        killer.start()
        counts = predict_on_ray(begin(model, predict), ["in"], predict)
        killer.cancel()
        assert tables("out").items() >= expected.items() and counts.total() == 24 + 8
    finally:
        ray.shutdown()
        cluster.shutdown()


def test_no_cluster_at_the_address_is_told(folder, model, monkeypatch):
    from rotnet.engines.ray import predict_on_ray

    def init(**_):  # Ray itself tries for minutes
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", init)
    predict = BatchPredictor(model)
    with pytest.raises(RotNetError, match="Ray has failed.*run the same command again"):
        predict_on_ray(begin(model, predict), ["in"], predict, address="auto")


def test_tar_files_go_whole_to_workers_and_failed_rows_are_tried_again(folder, model, stopping):
    import tarfile

    for index in range(3):
        with tarfile.open(f"shards-{index}.tar", "w") as tar:
            for name in (f"in/{index}/{index}.png", "in/cut.jpg"):
                tar.add(name)
    Path("shards-3.tar").write_text("no tar")
    command = ["predict", "shards-*.tar", "in/0", "lost.png", "--model", model, "-o", "out", "--engine", "ray"]
    start(2)
    assert main(command) == 0
    assert Job.open("out").manifest["shards"] == 5
    save("lost.png")
    with tarfile.open("shards-3.tar", "w") as tar:
        tar.add("lost.png")
    assert main([*command, "--retry-failed"]) == main(["merge", "out", "-o", "all.parquet"]) == 0
    rows = list(read_rows(Path("all.parquet")))
    assert [row["path"] for row in rows if row["error"]] == [f"shards-{index}.tar::in/cut.jpg" for index in range(3)]
    assert len(rows) == 3 * 2 + 8 + 1 + 1 and "shards-3.tar::lost.png" in [row["path"] for row in rows]


@pytest.mark.parametrize("more", [["--engine", "ray", "--shard", "1/2"], ["--address", "auto"]])
def test_options_that_make_no_sense_together(folder, model, more):
    assert main(["predict", "in", "--model", model, "-o", "out", *more]) == 2
    assert not os.path.exists("out")
