"""A node issues from leased segments as a server alone does from its file: strategies, restarts, ends of ranges."""

import re
import time

import pytest

from harness.ledger import BUDGETS, DURABLE, Ledger
from harness.resp import Error
from harness.waiting import TIMEOUT_S, wait_for
from rig.drawn import Drawn
from rig.node import TRYAGAIN


def test_a_clean_stop_keeps_the_lease_and_wastes_nothing(etcd, join):
    node, other = join("a", etcd), join("b", etcd)
    with node.connect() as client:
        ledgers = [Ledger(s, s, starting=10, step=2).define(client) for s in DURABLE]
        for ledger in ledgers:
            ledger.draw(client, 350)
    leased = {ledger.name: etcd.leased(ledger.name) for ledger in ledgers}
    for _ in range(3):
        assert node.stop().status == 0
        node.start()
        with node.connect() as client:
            for ledger in ledgers:
                expected = ledger.last + ledger.step
                ledger.draw(client, 1)
                assert ledger.last == expected, "the restart skipped something"
                assert client.info(ledger.name)["wasted"] == "0"
    assert {name: etcd.leased(name) for name in leased} == leased, "a restart leases nothing"
    for ledger in ledgers:
        other.wait_to_know(ledger.name)
        assert min(Drawn(ledger.name).take(other, 10)) > ledger.last


@pytest.mark.parametrize("strategy", DURABLE)
def test_sigkill_wastes_nothing(etcd, join, strategy):
    node = join("a", etcd)
    ledger = Ledger("x", strategy)
    with node.connect() as client:
        ledger.define(client).draw(client, 300)
    leased = etcd.leased("x")
    node.crash()
    with node.connect() as client:
        assert client.info("x")["wasted"] == "0"
        ledger.draw(client, 1)
    assert ledger.last == 300
    assert etcd.leased("x") == leased


@pytest.mark.parametrize("strategy", DURABLE)
def test_loss_of_the_live_counters_stays_within_the_budget(etcd, join, strategy):
    node = join("a", etcd)
    ledger = Ledger("x", strategy)
    with node.connect() as client:
        ledger.define(client).draw(client, 450)
    node.lose_power()
    with node.connect() as client:
        ledger.draw(client, 50)
        info = client.info("x")
    moved_past = int(info["generated"]) + int(info["wasted"])
    assert moved_past >= ledger.received
    assert int(info["wasted"]) <= BUDGETS[strategy] * moved_past, info


def test_segments_grow_with_use(etcd, join):
    """A node that uses much leases much at a time, so that it asks seldom."""
    node = join("a", etcd)
    node.command("HSET", "busy", "type", 3, "auto_disk", "pre_close")
    node.command("HSET", "quiet", "type", 3, "auto_disk", "pre_close")
    drawn = Drawn("busy")
    sizes, before = [], etcd.leased("busy")
    deadline = time.monotonic() + TIMEOUT_S
    with node.connect() as client:
        while not any(size > 20_000 for size in sizes):
            assert time.monotonic() < deadline, sizes
            drawn.take(node, 5000, client)
            if (leased := etcd.leased("busy")) != before:
                sizes.append(leased - before)
                before = leased
    assert etcd.leased("quiet") <= 2000


def test_numbers_of_two_segments_follow_each_other_where_nobody_else_draws(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    assert Drawn("x").take(node, 10_000) == list(range(10_000))


def test_incrby_is_one_block_or_says_that_it_cannot(etcd, join):
    nodes = [join(node_id, etcd) for node_id in "ab"]
    nodes[0].command("HSET", "x", "type", 3)
    nodes[1].wait_to_know("x")
    drawn = Drawn("x")
    for turn in range(60):
        node = nodes[turn % 2]
        size = (1, 7, 400, 900)[turn % 4]
        reply = node.command("INCRBY", "x", size)
        if isinstance(reply, Error):
            # So many are left in this segment, and they can be had.
            size = int(re.search(rb"only (\d+) consecutive", reply)[1])
            reply = node.command("INCRBY", "x", size)
        drawn.note_block(node.node_id, reply, size)
        drawn.take(node, 1)


def test_incrby_larger_than_every_segment_so_far(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "x", "type", 3)
    drawn = Drawn("x")
    drawn.take(node, 10)

    def block():
        reply = node.command("INCRBY", "x", 50_000)
        return None if isinstance(reply, Error) else (reply,)

    last, = wait_for(block, "a block of 50,000")
    drawn.note_block("a", last, 50_000)
    drawn.take(node, 10)


def test_a_small_range_is_issued_to_its_end_by_all_nodes_together(etcd, join):
    nodes = [join(node_id, etcd) for node_id in "abc"]
    nodes[0].command("HSET", "x", "type", 2, "length", 3)
    for node in nodes[1:]:
        node.wait_to_know("x")
    drawn, over = Drawn("x"), set()
    clients = {node: node.connect() for node in nodes}
    while len(over) < len(nodes):
        for node, client in clients.items():
            reply = client.command("GET", "x")
            if isinstance(reply, Error):
                assert reply == Error(b"ERR number range exhausted"), reply
                over.add(node)
            else:
                assert len(reply) == 3
                drawn.note(node.node_id, int(reply))
    for client in clients.values():
        client.close()
    assert sorted(drawn.numbers) == list(range(1000)), "every number once, and none left out"


def test_a_range_smaller_than_a_first_segment_is_not_taken_by_one_node(etcd, join):
    nodes = [join(node_id, etcd) for node_id in "ab"]
    nodes[0].command("HSET", "x", "type", 2, "length", 2)
    nodes[1].wait_to_know("x")
    drawn, refused = Drawn("x"), 0
    for _ in range(100):
        for node in nodes:
            reply = node.command("GET", "x")
            if isinstance(reply, Error):
                assert reply != TRYAGAIN
                refused += 1
            else:
                drawn.note(node.node_id, int(reply))
    assert sorted(drawn.numbers) == list(range(100)) and refused == 100


def test_mget_and_incr_draw_from_segments_too(etcd, join):
    nodes = [join(node_id, etcd) for node_id in "ab"]
    for name in ("x", "y"):
        nodes[0].command("HSET", name, "type", 3)
        nodes[1].wait_to_know(name)
    drawn = {name: Drawn(name) for name in ("x", "y")}
    for _ in range(250):
        for node in nodes:
            for name, number in zip(("x", "y"), node.command("MGET", "x", "y"), strict=True):
                drawn[name].note(node.node_id, int(number))
            drawn["x"].note(node.node_id, node.command("INCR", "x"))


def test_several_loops_draw_from_the_same_segments(etcd, join):
    nodes = [join(node_id, etcd, "--threads", 3) for node_id in "ab"]
    nodes[0].command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    nodes[1].wait_to_know("x")
    drawn = Drawn("x")
    clients = [(node, node.connect()) for node in nodes for _ in range(6)]
    for _ in range(8):
        for node, client in clients:
            drawn.take(node, 500, client)
    for _, client in clients:
        client.close()
    assert len(drawn.numbers) == 8 * 12 * 500
