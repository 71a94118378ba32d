"""Thousands of dispensers: the file grows by extents, slots are used again (DESIGN)."""

import os
import threading

import pytest

from harness.resp import Error

NOT_FOUND = Error(b"ERR dispenser not found")
MANY = 3_000
MILLION = int(os.environ.get("ND_MANY", "1000000"))


def all_at_once(server, requests, connections=8):
    """Pipelines requests over several connections; returns the replies in the requests' order."""
    replies = [None] * connections

    def send(part):
        with server.connect() as client:
            replies[part] = client.pipeline(requests[part::connections])

    threads = [threading.Thread(target=send, args=(part,)) for part in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [replies[index % connections][index // connections] for index in range(len(requests))]


@pytest.mark.parametrize("threads", [1, 2])
def test_thousands_of_dispensers_survive_and_their_slots_are_used_again(start, threads):
    server = start("--threads", threads)
    names = [f"name-{number}" for number in range(MANY)]
    replies = all_at_once(
        server, [("HSET", name, "type", 3, "starting", 10 * i) for i, name in enumerate(names)]
    )
    assert replies == [2] * MANY
    size = (server.data / "dispensers.state").stat().st_size
    assert all_at_once(server, [("GET", name) for name in names]) == [
        b"%d" % (10 * i) for i in range(MANY)
    ]
    server.crash()
    again = all_at_once(server, [("GET", name) for name in names])
    assert again == [b"%d" % (10 * i + 1) for i in range(MANY)]
    assert all_at_once(server, [("DEL", name) for name in names[::2]]) == [1] * (MANY // 2)
    new = [f"new-{number}" for number in range(MANY // 2)]
    assert all_at_once(server, [("HSET", name, "type", 2, "length", 4) for name in new]) == [
        2
    ] * len(new)
    assert (server.data / "dispensers.state").stat().st_size <= size, "free slots are used again"
    for end in (server.restart, server.crash, server.lose_power):
        end()
        assert all_at_once(server, [("GET", name) for name in names[::2]]) == [NOT_FOUND] * (
            MANY // 2
        )
    assert all_at_once(server, [("GET", name) for name in new]) == [b"0000"] * len(new)
    old = all_at_once(server, [("GET", name) for name in names[1::2]])
    assert old == [b"%d" % (10 * i + 2) for i in range(1, MANY, 2)]


@pytest.mark.long
def test_a_million_dispensers(start):
    server = start()
    chunk = 20_000
    for first in range(0, MILLION, chunk):
        requests = [("HSET", f"n{number}", "type", 3) for number in range(first, first + chunk)]
        assert all_at_once(server, requests) == [1] * chunk
    for end in (server.crash, server.restart, server.lose_power):
        end()
        with server.connect() as client:
            sample = range(0, MILLION, MILLION // 1000)
            replies = client.pipeline([("GET", f"n{number}") for number in sample])
            assert len(set(replies)) == 1 and replies[0].isdigit(), replies
    assert server.tool("check").status == 0
