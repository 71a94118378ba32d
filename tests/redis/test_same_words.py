"""Where Redis 7.0 has a reply for a situation, ours is the same, byte for byte: one list of requests goes to
Debian's redis-server and to this server. DIFFERENCES are the intended ones, each with its reason."""

import concurrent.futures
import os
import pathlib
import random
import re
import socket
import subprocess
import time

import pytest
import acl_requests
import redis
import requests as lists
import special_requests as special

REPOSITORY = pathlib.Path(__file__).resolve().parent.parent.parent
SERVER = os.environ.get("ND_SERVER", str(REPOSITORY / "build" / "number-dispenser"))
# For a first reply, and for more of it. Longer ones are for a machine with other work.
REPLY_TIMEOUTS_S = [(0.25, 0.03), (2, 0.5), (10, 2)]

# (what the conversation must look like, why it differs)
DIFFERENCES = [
    (r"^hset( nosuchname){2}$|^hset( nosuchname){4}$", "SPEC: an odd count is an error that names the field and the accepted ones"),
    (r"^command list filterby pattern hget", "ours are sorted"),
    (r"^client reply off ; quit", "QUIT closes, even where its reply is switched off"),
    (r"^b'\*1048577", "our limit of arguments is 1024 * 1024, refused when announced"),
]


def free_port():
    """Below the kernel's ephemeral ports, so that no outgoing connection takes it before the server does."""
    while True:
        port = random.randrange(20000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def wait_for(port):
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.02)
    raise AssertionError(f"nothing listens on {port}")


def start(command, port):
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(port)
    return process


@pytest.fixture(scope="module", params=["", "secret"], ids=["open", "locked"])
def ports(request, tmp_path_factory):
    """(redis's port, ours, whether a password is set)"""
    password = request.param
    redis_port, our_port = free_port(), free_port()
    redis_dir, our_dir = tmp_path_factory.mktemp("redis"), tmp_path_factory.mktemp("ours")
    redis = ["redis-server", "--port", str(redis_port), "--save", "", "--dir", str(redis_dir)]
    ours = [SERVER, "--addr", f"127.0.0.1:{our_port}", "--data", str(our_dir), "--run", "/dev/shm"]
    if password:
        redis += ["--requirepass", password]
        ours += ["--requirepass", password]
    processes = [start(redis, redis_port), start(ours, our_port)]
    yield redis_port, our_port, bool(password)
    for process in processes:
        process.terminate()
        process.wait(60)


def encode(request):
    if isinstance(request[0], bytes):
        return request[0]
    words = [word.encode("latin-1") for word in request]
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in words)


def read_all(connection, first_s, more_s):
    """What arrives until the server has been silent for a while, or closes (then with a mark)."""
    connection.settimeout(first_s)
    got = b""
    while True:
        try:
            part = connection.recv(65536)
        except socket.timeout:
            return got
        except ConnectionResetError:
            return got + b"<closed>"
        if not part:
            return got + b"<closed>"
        got += part
        connection.settimeout(more_s)


def talk_to(port, conversation, timeouts_s):
    replies = []
    with socket.create_connection(("127.0.0.1", port), 60) as connection:
        for request in conversation:
            try:
                connection.sendall(encode(request))
            except OSError:
                pass
            replies.append(read_all(connection, *timeouts_s))
    return replies


def as_text(conversation):
    return " ; ".join(" ".join(map(str, request))[:120] for request in conversation)


def is_intended(text):
    return any(re.search(pattern, text, re.IGNORECASE) for pattern, _ in DIFFERENCES)


def normalised(replies):
    """Without what is each server's own: the client's number in HELLO."""
    return [re.sub(rb"(\r\nid\r\n):\d+", rb"\1:N", reply) for reply in replies]


def is_late(theirs, ours):
    """They differ in what was not there yet when its turn was over."""
    theirs, ours = b"".join(theirs), b"".join(ours)
    return theirs.startswith(ours) or ours.startswith(theirs)


def compare(ports, conversation):
    """Nothing, or what differs."""
    for timeouts_s in REPLY_TIMEOUTS_S:
        theirs, ours = (normalised(talk_to(port, conversation, timeouts_s)) for port in ports)
        if theirs == ours or is_intended(as_text(conversation)):
            return None
        if not is_late(theirs, ours):
            break
    return f"{as_text(conversation)}\n   redis {theirs}\n   ours  {ours}"


def slow_words(port):
    """What SLOWLOG keeps of special.SECRETS, the oldest first: words and client's name."""
    connection = redis.connection.Connection(port=port, decode_responses=True)
    connection.connect()

    def ask(*words):
        connection.send_command(*words)
        try:
            return connection.read_response()
        except redis.exceptions.ResponseError as error:
            return error

    ask("config", "set", "slowlog-log-slower-than", "0")
    ask("slowlog", "reset")
    for words in special.SECRETS:
        ask(*words)
    ask("config", "set", "slowlog-log-slower-than", "10000")
    entries = ask("slowlog", "get", "-1")
    ask("slowlog", "reset")
    connection.disconnect()
    return [(words, name) for _, _, _, words, _, name in reversed(entries)]


def test_the_slow_log_keeps_what_redis_keeps_and_no_secret(ports):
    redis_port, our_port, locked = ports
    if locked:
        pytest.skip("both would only say NOAUTH")
    ours = slow_words(our_port)
    assert ours == slow_words(redis_port)
    assert len(ours) >= len(special.SECRETS)
    assert "hunter2" not in str(ours)


def test_replies_are_those_of_redis(ports):
    redis_port, our_port, locked = ports
    conversations = special.LOCKED if locked else lists.conversations() + acl_requests.CONVERSATIONS
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        found = pool.map(lambda talk: compare((redis_port, our_port), talk), conversations)
        different = [text for text in found if text]
    assert not different, f"{len(different)} of {len(conversations)}:\n" + "\n".join(different)


def monitored(port, requests, timeouts_s):
    """What MONITOR shows of the requests, without times and addresses, and what the monitor itself is told."""
    with socket.create_connection(("127.0.0.1", port), 60) as monitor:
        monitor.sendall(encode(["monitor"]))
        lines = read_all(monitor, *timeouts_s)
        talk_to(port, requests, timeouts_s)
        lines += read_all(monitor, *timeouts_s)
        for request in special.BY_A_MONITOR:
            monitor.sendall(encode(request))
            lines += read_all(monitor, *timeouts_s)
    return re.sub(rb"\d+\.\d{6} \[0 127\.0\.0\.1:\d+\]", b"T [0 A]", normalised([lines])[0])


def test_monitors_see_what_those_of_redis_see(ports):
    redis_port, our_port, locked = ports
    if locked:
        pytest.skip("MONITOR needs the password; what it hides is in the other half")
    for timeouts_s in REPLY_TIMEOUTS_S:
        theirs, ours = (monitored(port, special.MONITORED, timeouts_s) for port in (redis_port, our_port))
        if theirs == ours or not is_late([theirs], [ours]):
            break
    assert ours == theirs
