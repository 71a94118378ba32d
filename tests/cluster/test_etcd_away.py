"""etcd away, in every way: nodes go on with what they have leased, say so, and come back by themselves."""

import time

import pytest

from harness.resp import Error
from harness.waiting import PATIENCE, TIMEOUT_S, wait_for
from rig.drawn import Drawer, Drawn, histogram, percentile
from rig.node import AWAY_S, FAILURES, LAST_FAILURE, LAST_S, LEFT, REQUESTS, TRYAGAIN, Restless

BACK_S = 10 * PATIENCE  # a node asks once a second at least; the machine may be busy
MOST = 100_000  # that a node can have leased of a dispenser hardly used


def use_up(node, drawn):
    """Everything that the node has leased; fails if it is not refused in the right words."""
    blocks, error = node.draw_until_refused(drawn.name, MOST)
    assert error == Error(TRYAGAIN), error
    for begin, end in blocks:
        drawn.note_block(node.node_id, end, end - begin + 1)
    return sum(end - begin + 1 for begin, end in blocks)


def two_nodes(etcd, join, name="x"):
    nodes = [join(node_id, etcd) for node_id in "ab"]
    nodes[0].command("HSET", name, "type", 3)
    nodes[1].wait_to_know(name)
    drawn = Drawn(name)
    for node in nodes:
        drawn.take(node, 20)
    return nodes, drawn


def go_on(nodes, drawn):
    """From now, each node has to issue soon."""
    begin = time.monotonic()
    for node in nodes:
        number = node.wait_until_issuing(drawn.name)
        took = time.monotonic() - begin
        print(f"{node.node_id} issues after {took:.2f} s")
        assert took < BACK_S
        drawn.note(node.node_id, int(number))
    for node in nodes:
        drawn.take(node, 200)


def test_etcd_stopped_and_back(etcd, join):
    nodes, drawn = two_nodes(etcd, join)
    etcd.stop()
    for node in nodes:
        assert use_up(node, drawn) > 0, "leases are good without etcd"
        wait_for(lambda node=node: node.state() == "away", "it to be noticed")
        info = node.cluster()
        assert int(info[AWAY_S]) >= 0 and int(info[FAILURES]) > 0 and LAST_S in info, info
        assert info[LAST_FAILURE] != "", info
        assert "etcd cannot be reached" in node.log() and "run out" in node.log()
    etcd.start()
    go_on(nodes, drawn)
    for node in nodes:
        node.wait_for_state("connected")


def test_the_majority_lost_and_back(new_etcd, join):
    etcd = new_etcd(3).start()
    nodes, drawn = two_nodes(etcd, join)
    etcd.kill(0, 1)
    for node in nodes:
        assert use_up(node, drawn) > 0
    etcd.start(1)
    go_on(nodes, drawn)


def numbered(reply):
    """As wait_for() wants it: the number 0 is one too."""
    return None if reply is None or isinstance(reply, Error) else (int(reply),)


def test_the_leader_lost_is_hardly_noticed(new_etcd, join):
    etcd = new_etcd(3).start()
    nodes, drawn = two_nodes(etcd, join)
    for node in nodes:
        # Segments that outlast an election, however busy the machine is.
        wait_for(lambda node=node: len(drawn.take(node, 100)) and int(node.cluster()[LEFT]) > 10_000, "such segments")
    drawers = [Drawer(Restless(node), drawn, pace_s=0.005) for node in nodes]
    for drawer in drawers:
        drawer.start()
    for index in (0, 1, 2):
        etcd.kill(index)
        wait_for(etcd.is_well, "another leader")
        etcd.start(index)
    for drawer in drawers:
        assert drawer.end().errors == []
    for node in nodes:
        # More than it had leased; it may notice only now that the member it asked last is gone.
        restless = Restless(node)
        for _ in range(20_000):
            (number,) = wait_for(lambda client=restless: numbered(client.get(drawn.name)), "a number")
            drawn.note(node.node_id, number)
    print(histogram([took for drawer in drawers for _, took in drawer.times]))


@pytest.mark.parametrize("how", ["silence", "cut"])
def test_the_way_to_etcd_lost(etcd, join, new_proxy, how):
    """Packets that vanish, or connections that are refused: a node cut off serves its leases without delay. Whoever
    waited for etcd would get an error, not a number."""
    proxy = new_proxy(etcd[0])
    cut, other = join("a", [proxy.url]), join("b", etcd)
    cut.command("HSET", "x", "type", 3)
    other.wait_to_know("x")
    drawn = Drawn("x")
    for node in (cut, other):
        drawn.take(node, 20)
    getattr(proxy, how)()
    times = []
    with cut.connect() as client:
        for _ in range(300):
            sent = time.monotonic()
            drawn.take(cut, 1, client)
            times.append(time.monotonic() - sent)
    assert percentile(times, 0.5) < 0.5 * PATIENCE, histogram(times)
    wait_for(lambda: cut.state() == "away", "it to be noticed")
    use_up(cut, drawn)
    # The others do not miss it, and what they change reaches it later.
    other.command("HSET", "meanwhile", "type", 3)
    drawn.take(other, 3000)
    assert not cut.knows("meanwhile")
    {"silence": proxy.speak, "cut": proxy.mend}[how]()
    if how == "cut":
        go_on([cut], drawn)
    else:
        drawn.note("a", int(cut.wait_until_issuing("x")))
    cut.wait_to_know("meanwhile")


def test_definitions_need_etcd(etcd, join):
    nodes, drawn = two_nodes(etcd, join)
    etcd.stop()
    for words in (("HSET", "new", "type", 3), ("DEL", "x"), ("HSET", "x", "auto_disk", "pre_close")):
        reply = nodes[0].command(*words)
        assert isinstance(reply, Error) and b"etcd" in reply, (words, reply)
    drawn.take(nodes[0], 5)
    etcd.start()
    for node in nodes:
        node.wait_for_state("connected")
        assert node.info("x")["auto_disk"] == "elegant_close" and not node.knows("new")


def test_random_and_memory_need_no_etcd(etcd, join):
    node = join("a", etcd)
    node.command("HSET", "random", "type", 1, "length", 9)
    node.command("HSET", "counting", "type", 3, "auto_disk", "memory")
    etcd.stop()
    wait_for(lambda: node.state() == "away", "it to be noticed")
    with node.connect() as client:
        for name in ("random", "counting"):
            replies = client.pipeline([("GET", name)] * 10_000)
            assert not any(isinstance(reply, Error) for reply in replies)


def test_a_node_restarts_while_etcd_is_away_and_goes_on_when_it_is_back(etcd, join, new_node):
    nodes, drawn = two_nodes(etcd, join)
    assert nodes[0].stop().status == 0
    etcd.stop()
    nodes[0].spawn()
    # It cannot know whether its leases are still its own.
    wait_for(lambda: nodes[0].is_gone() or "joining the cluster" in nodes[0].log(), "it to ask etcd")
    assert not nodes[0].is_gone(), nodes[0].log()
    etcd.start()
    number = nodes[0].wait_for_state("connected").command("GET", "x")
    drawn.note("a", int(number))
    drawn.take(nodes[0], 20)


def fill(etcd):
    """Writes until etcd refuses: its space is used up."""
    for i in range(100):
        done = etcd.run("put", f"/tests/filler/{i}", stdin=b"x" * 1_000_000)
        if done.returncode != 0:
            assert b"space exceeded" in done.stderr, done.stderr
            return
    raise AssertionError("etcd takes everything")


def make_room(etcd):
    etcd.ctl("del", "--prefix", "/tests/filler/")
    etcd.ctl("compact", etcd.revision())
    etcd.ctl("defrag")
    etcd.ctl("alarm", "disarm")


def test_etcd_without_space(new_etcd, join):
    etcd = new_etcd(options=("--quota-backend-bytes", 16 << 20)).start()
    nodes, drawn = two_nodes(etcd, join)
    assert nodes[0].command("HSET", "gone", "type", 3) == 1
    fill(etcd)
    reply = nodes[0].command("HSET", "new", "type", 3)
    assert isinstance(reply, Error) and b"etcd refuses" in reply and b"space exceeded" in reply, reply
    # etcd 3.4 refuses puts, but not those in transactions within transactions, as leases, marks and deletions are.
    assert nodes[0].command("DEL", "gone") == 1
    drawers = [Drawer(Restless(node), drawn) for node in nodes]
    for drawer in drawers:
        drawer.start()
    wait_for(lambda: "space exceeded" in nodes[0].cluster()[LAST_FAILURE], "the reason to be said")
    # Longer than a node takes an etcd for there that answers nothing.
    marks = set()
    wait_for(lambda: marks.add(etcd.keys("node")["a"][0]) or len(marks) > 4, "the mark to move some times")
    assert {node.state() for node in nodes} == {"connected"}
    make_room(etcd)
    for drawer in drawers:
        assert drawer.end().errors == []
    for node in nodes:
        drawn.note(node.node_id, int(node.wait_until_issuing("x")))
    assert nodes[0].command("HSET", "new", "type", 3) == 1


def test_a_slow_etcd_is_no_etcd_away(etcd, join, new_proxy):
    proxy = new_proxy(etcd[0])
    node = join("a", [proxy.url])
    node.command("HSET", "x", "type", 3)
    proxy.round_trip(0.8)
    drawn = Drawn("x")
    with node.connect() as client:
        for _ in range(40):
            drawn.take(node, 100, client)
    assert node.command("HSET", "y", "type", 3) == 1


@pytest.mark.long
def test_a_thousand_dispensers_do_not_storm_etcd_when_it_is_back(etcd, join):
    node = join("a", etcd)
    names = [f"d{i}" for i in range(1000)]
    with node.connect() as client:
        client.pipeline([("HSET", name, "type", 3, "auto_disk", "pre_close") for name in names])
        client.pipeline([("INCRBY", name, 600) for name in names])
        etcd.stop()
        wait_for(lambda: node.state() == "away", "it to be noticed")
        for _ in range(60):
            replies = client.pipeline([("INCRBY", name, 100) for name in names])
            if all(isinstance(reply, Error) for reply in replies):
                break
        before, begin = int(node.cluster()[REQUESTS]), time.monotonic()
        time.sleep(10)
        tried, passed_s = int(node.cluster()[REQUESTS]) - before, time.monotonic() - begin
        assert tried < 30 * passed_s, f"{tried} requests in {passed_s:.0f} s to an etcd that is away"
        etcd.start()
        before = int(node.cluster()[REQUESTS])
        begin = time.monotonic()
        # Whoever waits for a segment waits until it is there.
        replies = client.pipeline([("GET", name) for name in names])
        while any(isinstance(reply, Error) for reply in replies):
            assert time.monotonic() - begin < TIMEOUT_S
            replies = client.pipeline([("GET", name) for name in names])
        took, asked = time.monotonic() - begin, int(node.cluster()[REQUESTS]) - before
        print(f"1000 dispensers lease again in {took:.2f} s and {asked} requests")
        assert asked < 3000
