"""The simulated cluster does all shards, and agrees with what can be worked out by hand."""

import pytest

from benchmarks.simulate_cluster import Cluster, simulate

pytest.importorskip("simpy")


def test_workers_that_are_all_alike_take_their_share():
    assert simulate(1000, 10, Cluster(1, 10.0)).seconds == pytest.approx(110)
    assert simulate(1000, 10, Cluster(2, 10.0)).seconds == pytest.approx(60)
    assert simulate(1000, 10, Cluster(3, 10.0)).seconds == pytest.approx(50)  # four rounds, the last for one of them
    assert simulate(1000, 10, Cluster(99, 10.0)).seconds == pytest.approx(20)


def test_a_straggler_is_waited_for_by_one_shard_at_most():
    slow = simulate(10_000, 100, Cluster(10, 10.0, slow=0.1))
    assert 110 < slow.seconds <= 10 + 100 * 10 / (9 + 1 / 3) + 30


@pytest.mark.parametrize("seed", range(5))
def test_kills_cost_their_shards_and_nothing_else(seed):
    killed = simulate(100_000, 100, Cluster(10, 10.0, life=0.1), seed)
    assert killed.done == 100 and killed.kills > 0 and killed.lost <= 1000 * killed.kills
    assert killed.seconds >= simulate(100_000, 100, Cluster(10, 10.0)).seconds
