"""Commands about other connections, wherever these run: CLIENT LIST, KILL, PAUSE, REPLY."""

import time

import pytest

from harness.promise import promise
from harness.resp import Closed, Error, Status, encode
from harness.waiting import TIMEOUT_S, wait_for

OK = Status(b"OK")
EVERYWHERE = 3  # connections that follow each other are on different loops


@pytest.fixture(name="server", params=[1, 3], ids=["one-loop", "three-loops"])
def server_fixture(start, request):
    return start("--threads", request.param)


@pytest.fixture(name="connect")
def connect_fixture(server):
    """Opens connections, named, and closes them at the end."""
    clients = []

    def connect(name):
        clients.append(server.connect())
        assert clients[-1].command("CLIENT", "SETNAME", name) == OK
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


def fields(line):
    return dict(field.split("=", 1) for field in line.split(" "))


def listed(client, *options):
    """CLIENT LIST as dictionaries by name."""
    lines = client.command("CLIENT", "LIST", *options).decode().splitlines()
    return {found["name"]: found for found in map(fields, lines)}


def blocked(client):
    return int(client.info("clients")["blocked_clients"])


def address(client):
    return "%s:%d" % client.socket.getsockname()


def test_list_shows_the_connections_of_all_loops(server, connect):
    clients = [connect(f"c{number}") for number in range(2 * EVERYWHERE)]
    for index, client in enumerate(clients):
        found = wait_for(lambda: len(listed(client)) == len(clients) and listed(client), "all of them")
        assert list(found) == [f"c{number}" for number in range(len(clients))], "in order of id"
        mine = fields(client.command("CLIENT", "INFO").decode().strip())
        assert mine["addr"] == found[f"c{index}"]["addr"] == address(client)
        assert mine["laddr"] == f"127.0.0.1:{server.port}"
        assert mine["id"] == str(client.command("CLIENT", "ID"))
    clients[0].close()
    wait_for(lambda: "c0" not in listed(clients[1]), "the end of a line with its connection")


def test_info_and_list_have_the_fields_of_redis_in_its_order(connect):
    client = connect("me")
    line = client.command("CLIENT", "INFO").decode()
    assert line.endswith("\n")
    assert list(fields(line.strip())) == (
        "id addr laddr fd name age idle flags db sub psub ssub multi qbuf qbuf-free argv-mem multi-mem rbs rbp obl "
        "oll omem tot-mem events cmd user redir resp lib-name lib-ver"
    ).split()


def test_list_shows_buffers_idle_times_and_flags(server, connect):
    watcher, busy, _ = connect("watcher"), connect("busy"), connect("quiet")
    busy.send(b"*2\r\n$4\r\nECHO\r\n$1000\r\n" + b"x" * 500)
    assert busy.socket.fileno() >= 0
    wait_for(lambda: int(listed(watcher)["busy"]["qbuf"]) > 500, "the incomplete request")
    wait_for(lambda: int(listed(watcher)["quiet"]["idle"]) >= 1, "idle seconds")
    assert int(listed(watcher)["watcher"]["idle"]) <= 1
    assert int(listed(watcher)["quiet"]["age"]) >= int(listed(watcher)["quiet"]["idle"])
    assert listed(watcher)["busy"]["flags"] == "N"
    busy.send(b"x" * 500 + b"\r\n" + encode("MULTI"))
    wait_for(lambda: listed(watcher)["busy"]["flags"] == "x", "the transaction")
    assert server.process.poll() is None


def test_kill_closes_connections_of_every_loop(connect):
    killer = connect("killer")
    victims = [connect(f"v{number}") for number in range(2 * EVERYWHERE)]
    for number, victim in enumerate(victims[:EVERYWHERE]):
        found = listed(killer)[f"v{number}"]
        assert killer.command("CLIENT", "KILL", "ID", found["id"]) == 1
        assert victim.is_closed()
    assert killer.command("CLIENT", "KILL", address(victims[EVERYWHERE])) == OK
    assert victims[EVERYWHERE].is_closed()
    assert killer.command("CLIENT", "KILL", "TYPE", "normal") == EVERYWHERE - 1
    for victim in victims[EVERYWHERE + 1 :]:
        assert victim.is_closed()
    wait_for(lambda: list(listed(killer)) == ["killer"], "the killer alone")
    assert killer.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "no") == 1
    assert killer.is_closed()


def test_a_pause_of_writes_holds_numbers_back_and_nothing_else(connect, name):
    boss = connect("boss")
    clients = [connect(f"c{number}") for number in range(EVERYWHERE)]
    assert boss.command("HSET", name, "type", 3) == 1
    assert boss.command("CLIENT", "PAUSE", 100_000, "WRITE") == OK
    for client in clients:
        client.send(encode("GET", name))
    wait_for(lambda: blocked(boss) == EVERYWHERE, "all of them to wait")
    assert [found["flags"] for found in listed(boss).values()] == ["N"] + ["b"] * EVERYWHERE
    assert boss.info(name)["current"] == "0"
    assert boss.command("CLIENT", "UNPAUSE") == OK
    assert sorted(int(client.read()) for client in clients) == list(range(EVERYWHERE))
    wait_for(lambda: blocked(boss) == 0, "nobody to wait")


def test_a_pause_of_all_ends_by_itself(connect):
    boss = connect("boss")
    clients = [connect(f"c{number}") for number in range(EVERYWHERE)]
    begin = time.monotonic()
    assert boss.command("CLIENT", "PAUSE", 300) == OK
    for client in clients:
        client.send(encode("PING"))
    assert [client.read() for client in clients] == [Status(b"PONG")] * EVERYWHERE
    assert time.monotonic() - begin >= 0.3


def test_a_client_killed_in_a_pause_draws_nothing(connect, name):
    boss, victim, other = connect("boss"), connect("victim"), connect("other")
    assert boss.command("HSET", name, "type", 3) == 1
    assert boss.command("CLIENT", "PAUSE", 100_000, "WRITE") == OK
    victim.send(encode("GET", name) * 5)
    wait_for(lambda: blocked(boss) == 1, "the victim to wait")
    assert boss.command("CLIENT", "KILL", "ID", listed(boss)["victim"]["id"]) == 1
    assert victim.is_closed()
    assert boss.command("CLIENT", "UNPAUSE") == OK
    assert other.command("GET", name) == b"0"


def test_a_clean_stop_ends_pauses(server, connect, name):
    boss, client = connect("boss"), connect("client")
    assert boss.command("HSET", name, "type", 3) == 1
    # For longer than anybody waits here.
    assert boss.command("CLIENT", "PAUSE", round(10_000 * TIMEOUT_S)) == OK
    client.send(encode("GET", name))
    with server.connect() as late:
        late.send(encode("PING"))
        assert server.stop().status == 0
    assert client.read() == b"0", "what was read is answered"
    assert client.is_closed()


def test_replies_can_be_switched_off(connect, name):
    client = connect("quiet")
    assert client.command("HSET", name, "type", 3) == 1
    for request in (("CLIENT", "REPLY", "OFF"), ("GET", name), ("NOSUCH",), ("GET", name)):
        client.send(encode(*request))
    assert client.command("CLIENT", "REPLY", "ON") == OK
    client.send(encode("CLIENT", "REPLY", "SKIP") + encode("GET", name))
    assert client.command("GET", name) == b"3", "numbers without a reply are drawn all the same"


def test_connections_come_and_go_while_others_list_and_kill(server, connect, name):
    """For the sanitizers: everything at once, from all loops."""
    boss = connect("boss")
    assert boss.command("HSET", name, "type", 3) == 1
    received = []
    for round_number in range(60):
        clients = [connect(f"r{round_number}-{number}") for number in range(2 * EVERYWHERE)]
        for client in clients:
            client.send(encode("GET", name) * 3 + encode("CLIENT", "LIST"))
        killed = boss.command("CLIENT", "KILL", "ID", listed(boss)[f"r{round_number}-0"]["id"])
        assert killed == 1
        boss.command("CLIENT", "PAUSE", 1, "WRITE")
        for index, client in enumerate(clients):
            try:
                received += [int(client.read()) for _ in range(3)]
                assert not isinstance(client.read(), Error)
            except (Closed, ConnectionResetError):
                assert index == 0, "only the killed one is closed"
            client.close()
    promise(len(received) == len(set(received)), "a number twice")
    assert len(received) >= 60 * 3 * (2 * EVERYWHERE - 1)
