"""Too few descriptors: at the start a clear error, later clients wait for their turn (SPEC section 5)."""

import select
import socket

import pytest

from harness.resp import Status
from harness.waiting import wait_for

DOCUMENTED = (74, 77, 78)
LOADER_FAILED = 127


@pytest.mark.parametrize("limit", range(4, 17))
def test_a_start_with_few_descriptors_serves_or_says_what_is_missing(new_server, limit):
    server = new_server("--threads", 2, wrapper=("prlimit", f"--nofile={limit}", "--")).spawn()
    wait_for(lambda: server.process.poll() is not None or "ready" in server.log(), "the start")
    if server.process.poll() is None:
        assert server.stop().status == 0
        return
    ended = server.wait()
    assert ended.status in (*DOCUMENTED, LOADER_FAILED), ended
    assert "Too many open files" in ended.stderr or ended.status == LOADER_FAILED, ended
    assert len(ended.lines) == 1, ended


def test_two_hundred_clients_share_sixty_four_descriptors(new_server):
    """Each of them asks, and leaves when it is answered: so everybody's turn comes."""
    server = new_server(wrapper=("prlimit", "--nofile=64", "--")).start()
    with server.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "elegant_close")
        crowd, poll = {}, select.epoll()
        for _ in range(200):
            one = socket.create_connection(server.address)
            one.sendall(b"GET x\r\n")
            crowd[one.fileno()] = one
            poll.register(one, select.EPOLLIN)
        numbers = []
        while crowd:
            ready = poll.poll(20)
            assert ready, f"{len(crowd)} clients are not served"
            for descriptor, _ in ready:
                reply = crowd[descriptor].recv(100)
                assert reply.startswith(b"$"), reply
                numbers.append(int(reply.split(b"\r\n")[1]))
                poll.unregister(descriptor)
                crowd.pop(descriptor).close()
        assert sorted(numbers) == list(range(200))
        assert client.command("PING") == Status(b"PONG")
    assert server.log().count("cannot accept more clients") == 1, server.log()
