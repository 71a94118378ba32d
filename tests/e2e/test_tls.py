"""TLS as clients meet it: the same replies as without, whichever client and version."""

import re
import ssl
import subprocess

import pytest
import redis

from harness.certificates import Authority
from harness.resp import Closed, Error, Status, encode
from harness.tls import TlsServer
from harness.waiting import TIMEOUT_S, wait_for

PONG = Status(b"PONG")


@pytest.fixture(name="serve")
def serve_fixture(new_server):
    """serve(options) starts a server with a TLS port."""
    return lambda *options, **settings: TlsServer(new_server(**settings), *options).start()


def test_redis_cli_is_served(serve):
    tls = serve()
    assert tls.redis_cli("HSET", "order_id", "type", "3") == "1"
    assert [tls.redis_cli("GET", "order_id") for _ in range(3)] == ["0", "1", "2"]
    assert tls.redis_cli("-3", "INFO", "order_id").startswith("name:order_id")


def test_python_redis_is_served(serve):
    tls = serve()
    client = redis.Redis(port=tls.port, ssl=True, ssl_ca_certs=str(tls.authority.crt))
    client.execute_command("HSET", "x", "type", 3)
    pipeline = client.pipeline()
    for _ in range(1000):
        pipeline.get("x")
    assert pipeline.execute() == [b"%d" % number for number in range(1000)]


def s_client(tls, *options, data=b""):
    """What the server has sent to `openssl s_client`, which says what was agreed on before it."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{tls.port}", "-verify_return_error",
               "-CAfile", str(tls.authority.crt), "-ign_eof", *options]
    return subprocess.run(
        command, input=data, capture_output=True, timeout=TIMEOUT_S, check=False
    ).stdout


def agreed(tls, *options):
    """Version and cipher, or None."""
    found = re.search(rb"^New, (\S+), Cipher is (\S+)$", s_client(tls, *options, data=b"QUIT\r\n"),
                      re.MULTILINE)
    return None if found is None or found[1] == b"(NONE)" else (found[1] + b" " + found[2]).decode()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client_ends_in_order(serve, version):
    output = s_client(serve(), version, data=b"PING\r\nQUIT\r\n")
    assert b"\n+PONG\r\n+OK\r\n" in output and output.rstrip().endswith(b"closed"), output


def test_versions_and_ciphers_can_be_chosen(serve):
    both = serve()
    assert agreed(both, "-tls1_2").startswith("TLSv1.2 ECDHE-ECDSA-")
    assert agreed(both, "-tls1_3").startswith("TLSv1.3 TLS_")
    for old in ("-tls1", "-tls1_1"):
        assert agreed(both, old, "-cipher", "ALL:@SECLEVEL=0") is None
    suite, cipher = "TLS_CHACHA20_POLY1305_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"
    chosen = serve("--tls-ciphersuites", suite, "--tls-ciphers", cipher)
    assert agreed(chosen, "-tls1_3") == f"TLSv1.3 {suite}"
    assert agreed(chosen, "-tls1_2") == f"TLSv1.2 {cipher}"
    assert agreed(chosen, "-tls1_3", "-ciphersuites", "TLS_AES_256_GCM_SHA384") is None
    new = serve("--tls-protocols", "TLSv1.3")
    assert agreed(new, "-tls1_2") is None and agreed(new) is not None


@pytest.mark.parametrize("ours", ["yes", "no"])
def test_whose_order_of_ciphers_decides_can_be_chosen(serve, ours):
    order = ["ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"]
    tls = serve("--tls-ciphers", ":".join(order), "--tls-prefer-server-ciphers", ours)
    found = agreed(tls, "-tls1_2", "-cipher", ":".join(reversed(order)))
    assert found == f"TLSv1.2 {order[0 if ours == 'yes' else 1]}"


def test_replies_are_those_of_a_plain_connection(serve, chance):
    """Any split of the same requests, also of those that are wrong."""
    tls = serve()
    stream = encode("HSET", "x", "type", 1, "length", 1, "auto_disk", "pre_close")
    stream += b"PING\r\nNOSUCH\r\n" + encode("ECHO", "e" * 100_000) + b"INFO x\r\n*1\r\n+wrong\r\n"
    with tls.server.connect() as plain:
        plain.send(stream)
        expected = plain.read_to_end()
    for _ in range(20):
        with tls.connect() as client:
            rest = stream
            while rest:
                size = chance.choice((1, 7, 100, 20_000, 70_000))
                client.send_quietly(rest[:size])
                rest = rest[size:]
            assert client.read_to_end() == expected


def test_large_replies_and_long_pipelines(serve):
    tls = serve()
    with tls.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
        numbers = client.pipeline([("GET", "x")] * 20_000)
        assert numbers == [b"%d" % number for number in range(20_000)]
        large = b"l" * 900_000
        assert client.pipeline([("ECHO", large)] * 8) == [large] * 8


def test_the_server_says_that_it_ends(serve):
    """close_notify, or the client could not tell an end from a cut."""
    tls = serve()
    with tls.connect() as client:
        client.socket.suppress_ragged_eofs = False
        assert client.command("QUIT") == Status(b"OK")
        assert client.socket.recv(1) == b""


def test_the_clients_end_is_answered_after_all_replies(serve):
    tls = serve()
    with tls.connect() as client:
        client.command("HSET", "x", "type", 3)
        client.send(encode("GET", "x") * 100)
        # Says that it ends, and waits for the server to say so too: nothing may be lost.
        replies = b""
        while replies.count(b"\r\n") < 200:
            replies += client.socket.recv(1 << 16)
        client.socket.unwrap().close()


def test_a_cut_connection_is_an_end(serve):
    tls = serve()
    with tls.quiet():
        for _ in range(50):
            client = tls.connect()
            client.send(encode("PING"))
            client.reset()
        wait_for(lambda: connected(tls) == 1, "the connections to be gone")


def connected(tls):
    with tls.server.connect() as client:
        return int(client.info("clients")["connected_clients"])


def test_a_stop_answers_what_was_read_and_ends_in_order(serve):
    tls = serve()
    with tls.connect() as client, tls.connect() as idle:
        client.socket.suppress_ragged_eofs = idle.socket.suppress_ragged_eofs = False
        idle.command("PING")
        client.command("HSET", "x", "type", 3)
        client.send(encode("GET", "x"))
        assert client.read() == b"0"
        tls.server.process.terminate()
        assert client.socket.recv(1) == b"" and idle.socket.recv(1) == b""
    assert tls.server.wait().status == 0


def test_several_loops_serve_it(serve):
    tls = serve("--threads", "3")
    with tls.connect() as client:
        client.command("HSET", "x", "type", 3, "auto_disk", "pre_close")
    clients = [tls.connect() for _ in range(12)]
    numbers = [int(n) for c in clients for n in c.pipeline([("GET", "x")] * 100)]
    assert sorted(numbers) == list(range(1200))
    for client in clients:
        client.close()


def test_tls_alone_leaves_no_plain_port(new_server):
    server = new_server(bare=True)
    tls = TlsServer(server)
    options = tls.server.options[2:]
    server.options = ("--addr", f"tls:127.0.0.1:{tls.port}", "--data", server.data, "--run",
                      server.run, *options)
    server.spawn()
    wait_for(lambda: "PONG" in tls.redis_cli("PING"), "the server to answer")
    assert "Could not connect" in tls.redis_cli("PING", port=server.port)
    assert tls.redis_cli("CONFIG", "GET", "port").split() == ["port", "0"]
    assert tls.redis_cli("CONFIG", "GET", "tls-port").split() == ["tls-port", str(tls.port)]


# --- who may come in --------------------------------------------------------------------------------


def test_passwords_and_users_hold(serve):
    tls = serve("--requirepass", "correct horse")
    with tls.connect() as client:
        assert client.command("GET", "x") == Error(b"NOAUTH Authentication required.")
        assert client.command("AUTH", "correct horse") == Status(b"OK")
        client.command("ACL", "SETUSER", "app", "on", ">draws", "~order_*", "+get")
    with tls.connect() as client:
        assert client.command("AUTH", "app", "draws") == Status(b"OK")
        assert client.command("GET", "secret").startswith(b"NOPERM ")


def test_protected_mode_holds(new_server):
    addresses = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=True)
    outside = next((a for a in addresses.stdout.split() if "." in a), None)
    if outside is None:
        pytest.skip("this machine has no address but loopback")
    server = new_server(bare=True)
    tls = TlsServer(server)
    server.options = ("--addr", f":{server.port}", "--data", server.data, "--run", server.run,
                      *server.options)
    server.start()
    context = tls.authority.context()
    context.check_hostname = False
    with tls.connect() as client:
        assert client.command("PING") == PONG
    reply = tls.redis_cli("-h", outside, "--insecure", "PING")
    assert "DENIED" in reply and "protected mode" in reply, reply


def test_client_info_shows_the_connection(serve):
    tls = serve()
    with tls.connect() as client:
        info = client.command("CLIENT", "INFO").decode()
        assert f"laddr=127.0.0.1:{tls.port} " in info
        host, port = client.socket.getsockname()
        assert f"addr={host}:{port} " in info


@pytest.mark.parametrize("wanted", ["yes", "optional", "no"])
def test_client_certificates(serve, wanted):
    tls = serve("--tls-auth-clients", wanted)
    own = tls.authority.issue("client")
    assert tls.redis_cli("PING", own=own) == "PONG"
    without = tls.redis_cli("PING")
    assert (without == "PONG") == (wanted != "yes"), without


def test_a_certificate_of_another_authority_is_refused(serve, tmp_path):
    tls = serve("--tls-auth-clients", "optional")
    stranger = Authority(tmp_path, "stranger").issue("client")
    with tls.quiet(), pytest.raises((ssl.SSLError, Closed, ConnectionError)):
        with tls.connect(own=stranger) as client:
            client.command("PING")
    assert tls.redis_cli("PING") == "PONG"


def test_a_session_is_resumed(serve):
    tls = serve()
    context = tls.authority.context()
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    reused = []
    session = None
    for _ in range(2):
        raw = tls.plain().socket
        with context.wrap_socket(raw, server_hostname="localhost", session=session) as client:
            client.sendall(b"PING\r\n")
            assert client.recv(100) == b"+PONG\r\n"
            reused.append(client.session_reused)
            session = client.session
    assert reused == [False, True]
