"""Nodes join, draw unique numbers, and say what they are; without a cluster nothing of it is there."""

import json
from pathlib import Path

import pytest

from harness.ledger import Ledger
from harness.resp import Error
from harness.waiting import wait_for
from rig.drawn import Drawn
from rig.node import CLUSTER_LINES, EPOCH, LAST_S, LEASE_LINES, NOT_OURS, REQUESTS, STATE

NO_CLUSTER = b"ERR This instance has cluster support disabled"


def libraries(server):
    """Files that the process has mapped."""
    lines = Path(f"/proc/{server.process.pid}/maps").read_text().splitlines()
    return {Path(line.split(maxsplit=5)[5]).name for line in lines if len(line.split(maxsplit=5)) > 5}


def has_curl(server):
    return any(name.startswith("libcurl") for name in libraries(server))


def define_everywhere(nodes, name, *fields):
    fields = fields or ("type", 3)
    assert nodes[0].command("HSET", name, *fields) == len(fields) // 2
    for node in nodes[1:]:
        node.wait_to_know(name)


def test_three_nodes_round_robin_draw_unique_numbers(trio, name):
    define_everywhere(trio, name, "type", 2, "length", 10, "starting", 1000)
    drawn = Drawn(name)
    clients = [node.connect() for node in trio]
    for _ in range(300):
        for node, client in zip(trio, clients, strict=True):
            drawn.take(node, 1, client)
    for node, client in zip(trio, clients, strict=True):
        drawn.take(node, 2000, client)
        client.close()
    assert len(drawn.numbers) == 3 * 2300
    assert min(drawn.numbers) == 1000, "the first segment begins at the start"


def test_no_node_skips_anything_while_all_are_well(trio, name):
    """What is drawn is what the nodes have leased, without holes inside of a segment."""
    define_everywhere(trio, name)
    drawn = Drawn(name)
    for _ in range(20):
        for node in trio:
            drawn.take(node, 100)
    for node in trio:
        info = node.info(name)
        assert (info["generated"], info["wasted"]) == ("2000", "0"), info


@pytest.mark.parametrize("strategy", ["pre-base", "pre-checkpoint", "pre_close", "elegant_close"])
def test_a_single_node_draws_as_a_server_alone_does(trio, name, strategy):
    ledger = Ledger(name, strategy, starting=500, step=7, length=9)
    with trio[1].connect() as client:
        ledger.define(client)
        ledger.draw(client, 900)
        assert ledger.last == 500 + 899 * 7
        ledger.draw(client, 5000)


def test_info_cluster_has_what_an_operator_needs(trio):
    for node in trio:
        info = node.cluster()
        assert set(CLUSTER_LINES) <= set(info), info
        assert (info["node_id"], info[STATE]) == (node.node_id, "connected")
        assert int(info[EPOCH]) >= 1 and int(info[REQUESTS]) > 0
        # What Redis clients go by: to them it is no Redis Cluster.
        assert info["cluster_enabled"] == "0"
    assert len({node.cluster()["etcd_cluster_id"] for node in trio}) == 1


def test_info_cluster_says_how_long_leases_last_once_something_is_used(trio, name):
    define_everywhere(trio, name)
    drawn = Drawn(name)
    # A use of less than a second does not tell.
    wait_for(lambda: drawn.take(trio[0], 5) and trio[0].cluster()[LAST_S] != "", "it to be known")


def test_info_of_a_dispenser_shows_its_lease(trio, name):
    define_everywhere(trio, name)
    Drawn(name).take(trio[0], 10)
    info = trio[0].info(name)
    assert list(info)[:10] == ["name", "type", "length", "starting", "step", "current", "auto_disk",
                               "generated", "wasted", "waste_rate"]
    assert set(LEASE_LINES) <= set(info), info
    assert info["order"] == "per node"
    assert int(info["segment_left"]) > 0 and float(info["lease_age_s"]) < 60


@pytest.mark.parametrize("fields", [("type", 1, "length", 9), ("type", 3, "auto_disk", "memory")])
def test_what_needs_no_lease_has_none(trio, shared_etcd, name, fields):
    define_everywhere(trio, name, *fields)
    for node in trio:
        for reply in (node.command("GET", name) for _ in range(20)):
            assert not isinstance(reply, Error), reply
    assert shared_etcd.leased(name) in (None, 0)
    info = trio[0].info(name)
    assert info["segment"] == "not needed", info
    assert info["order"] == ("none" if fields[1] == 1 else "per node"), info


def test_a_server_alone_says_that_order_is_strict(shared, name):
    with shared.connect() as client:
        client.command("HSET", name, "type", 3)
        assert client.info(name)["order"] == "strict"


@pytest.mark.parametrize("words", [("INFO",), ("SLOTS",), ("SHARDS",), ("NODES",), ("MYID",), ("KEYSLOT", "x")])
def test_cluster_commands_answer_as_a_redis_that_is_none(trio, shared, words):
    with shared.connect() as client:
        assert client.command("CLUSTER", *words) == Error(NO_CLUSTER)
    assert trio[0].command("CLUSTER", *words) == Error(NO_CLUSTER)


def test_without_a_cluster_nothing_of_it_is_loaded(shared, trio):
    assert not has_curl(shared)
    assert has_curl(trio[0])


def test_a_server_alone_becomes_a_node_and_keeps_its_numbers(start, new_node, etcd, join):
    alone = start()
    with alone.connect() as client:
        ledgers = [Ledger(f"of-{s}", s, starting=100, step=3).define(client)
                   for s in ("pre-base", "pre_close", "elegant_close")]
        for ledger in ledgers:
            ledger.draw(client, 700)
    assert alone.stop().status == 0
    node = new_node("a", etcd)
    node.data = alone.data
    node.start()
    other = join("b", etcd)
    for ledger in ledgers:
        other.wait_to_know(ledger.name)
        drawn = Drawn(ledger.name)
        with node.connect() as client:
            expected = ledger.last + ledger.step
            ledger.draw(client, 300)
            assert drawn.take(node, 1, client) == [expected + 300 * 3]
        for _ in range(5):
            assert min(drawn.take(other, 50)) > ledger.last
            drawn.take(node, 50)


def test_a_name_that_is_in_the_cluster_too_is_refused(start, new_node, etcd, join):
    join("a", etcd).command("HSET", "both", "type", 3)
    alone = start()
    with alone.connect() as client:
        client.command("HSET", "both", "type", 3)
        client.command("GET", "both")
    alone.stop()
    node = new_node("b", etcd)
    node.data = alone.data
    ended = node.refused()
    assert ended.status == NOT_OURS and "both" in ended.stderr, ended


def test_a_nodes_directory_does_not_serve_alone(etcd, join, new_server):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    assert node.stop().status == 0
    alone = new_server()
    alone.data = node.data
    ended = alone.spawn().wait()
    assert ended.status == NOT_OURS and "--cluster-endpoints" in ended.stderr, ended
    # Nothing was changed: it joins again.
    node.start()
    assert node.command("GET", "x") == b"0"


def test_a_directory_of_another_cluster_is_refused(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    Drawn("x").take(node, 10)
    assert node.stop().status == 0
    etcd.wipe()
    ended = node.refused()
    assert ended.status == NOT_OURS, ended


def test_definitions_in_etcd_are_plain_json(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 2, "length", 8, "starting", 5, "step", 2, "auto_disk", "pre_close")
    (value, created), = etcd.keys("def").values()
    definition = json.loads(value)
    assert {key: definition[key] for key in ("type", "length", "starting", "step")} == {
        "type": 2, "length": 8, "starting": 5, "step": 2}
    # Definition and counter are made at once: the revision is the dispenser's generation.
    assert etcd.keys("alloc")["x"][1] == created
