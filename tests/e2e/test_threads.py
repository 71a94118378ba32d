"""Several loops: one order a dispenser, definitions seen by all, ends with all of them busy."""

import signal
import threading
from contextlib import ExitStack

import pytest

from harness.ledger import DURABLE, STRATEGIES
from harness.order import Drawer, check_order, draw_at_once
from harness.resp import Error
from harness.storm import Storm
from harness.waiting import wait_for

NOT_FOUND = Error(b"ERR dispenser not found")


@pytest.fixture(name="server", params=[2, 4], ids=["two loops", "four loops"])
def server_fixture(request, start):
    return start("--threads", request.param)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("depth", [1, 50])
def test_numbers_are_in_real_time_order_across_loops(server, strategy, depth):
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", strategy)
        batches = 100 if depth == 1 else 20
        drawers = [Drawer(server, "x", batches, depth) for _ in range(16)]
        draw_at_once(drawers)
        check_order(drawers)
        info = client.info("x")
        assert (info["generated"], info["wasted"]) == (str(16 * batches * depth), "0")


def test_a_range_ends_once_for_all_loops(server):
    with ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(20)]
        clients[0].command("HSET", "x", "type", 2, "length", 3)
        for client in clients:
            client.send(b"GET x\r\n" * 100)
        replies = [client.read() for client in clients for _ in range(100)]
        numbers = sorted(reply for reply in replies if not isinstance(reply, Error))
        assert numbers == [b"%03d" % number for number in range(1000)]
        assert replies.count(Error(b"ERR number range exhausted")) == 1000


def test_definitions_and_deletions_hold_on_all_loops_when_answered(server):
    with ExitStack() as stack:
        definer = stack.enter_context(server.connect())
        others = [stack.enter_context(server.connect()) for _ in range(20)]

        def all_draw(name):
            for client in others:
                client.send(b"GET %b\r\n" % name)
            return sorted(client.read() for client in others)

        for turn in range(60):
            name = b"name-%d" % (turn % 7)
            assert definer.command("HSET", name, "type", 2, "length", 2) == 2
            assert all_draw(name) == [b"%02d" % number for number in range(20)]
            assert definer.command("DEL", name) == 1
            assert all_draw(name) == [NOT_FOUND] * 20


def test_definitions_from_many_connections_at_once_all_hold(server):
    def define(worker):
        try:
            with server.connect() as client:
                for number in range(50):
                    replies[worker].append(client.command("HSET", f"{worker}-{number}", "type", 3))
                    replies[worker].append(client.command("HSET", f"same-{number}", "type", 3))
        except OSError as error:
            replies[worker].append(error)

    replies = [[] for _ in range(8)]
    threads = [threading.Thread(target=define, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert replies == [[1] * 100] * 8
    server.restart()
    with server.connect() as client:
        names = [f"{worker}-{number}" for worker in range(8) for number in range(50)]
        names += [f"same-{number}" for number in range(50)]
        assert client.pipeline([("GET", name) for name in names]) == [b"0"] * len(names)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_an_end_with_all_loops_busy_loses_and_repeats_nothing(server, number, chance):
    with server.connect() as client:
        storm = Storm(client, STRATEGIES)
    for _ in range(3):
        storm.rage(server, connections=16, replies=chance.randrange(20_000, 60_000), end=number)
        server.start()
        with server.connect() as client:
            storm.check(client)
            if number == signal.SIGTERM:
                storm.check_all_arrived(client, DURABLE)


def test_a_stop_answers_definitions_though_the_other_loops_have_no_clients(server):
    definitions = 3000  # so many that the file has to grow in between
    with server.connect() as client:
        with server.connect() as boss:
            requests = [("MULTI",)] + [("HSET", f"name-{number}", "type", 3) for number in range(definitions)]
            assert client.pipeline(requests)[-1] == b"QUEUED"
            assert boss.command("CLIENT", "PAUSE", 100_000, "WRITE") == b"OK"
            client.send(b"EXEC\r\n")
            wait_for(lambda: boss.info("clients")["blocked_clients"] == "1", "EXEC to wait")
        server.process.send_signal(signal.SIGTERM)
        assert client.read() == [1] * definitions
    assert server.wait().status == 0
    server.start()
    with server.connect() as client:
        assert client.command("DBSIZE") == definitions
