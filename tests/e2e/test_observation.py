"""What operators see and change while the server runs: SLOWLOG, LATENCY, INFO's figures, CONFIG REWRITE, DEBUG."""

import itertools
import os
import re
import signal
import subprocess
import threading
import time

import pytest

from harness.resp import Error
from harness.waiting import TIMEOUT_S, wait_for


@pytest.fixture(name="watched")
def watched_fixture(start):
    return start("--enable-debug-command", "local", "--latency-monitor-threshold", "50",
                 "--slowlog-log-slower-than", "50000")


def field(client, section, name):
    text = client.command("INFO", section).decode()
    return re.search(rf"^{re.escape(name)}:(.*?)\r$", text, re.MULTILINE)[1]


def test_what_stops_the_loop_is_in_the_slow_log_and_in_latency(watched):
    with watched.connect() as client:
        client.command("CLIENT", "SETNAME", "sleeper")
        assert client.command("DEBUG", "SLEEP", "0.1") == b"OK"
        # On a busy machine other commands, and flushes, may be slow too.
        (entry,) = [entry for entry in client.command("SLOWLOG", "GET") if entry[3][0] == b"DEBUG"]
        _, at, took_us, words, address, name = entry
        assert (words, name) == ([b"DEBUG", b"SLEEP", b"0.1"], b"sleeper")
        assert abs(at - time.time()) < 60
        assert took_us >= 100_000
        assert address.startswith(b"127.0.0.1:")
        (longest_ms,) = [
            longest_ms
            for event, _, _, longest_ms in client.command("LATENCY", "LATEST")
            if event == b"command"
        ]
        assert longest_ms >= 100
        assert b"command - high" in client.command("LATENCY", "GRAPH", "command")
        histogram = client.command("LATENCY", "HISTOGRAM", "debug")
        assert histogram[1][1] == 1
        assert client.command("LATENCY", "RESET") >= 1


def test_while_the_loop_sleeps_nobody_is_served(watched):
    with watched.connect() as sleeper, watched.connect() as other:
        began = time.monotonic()
        sleeper.send(b"DEBUG SLEEP 0.3\r\n")
        assert other.command("PING") == b"PONG"
        assert time.monotonic() - began >= 0.3
        assert sleeper.read() == b"OK"


def test_debug_is_off_unless_it_is_switched_on(shared):
    with shared.connect() as client:
        reply = client.command("DEBUG", "SLEEP", "0")
        assert isinstance(reply, Error) and reply.startswith(b"ERR DEBUG command not allowed.")


def test_figures_for_dashboards_move(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "a", "type", 3)
        ended = threading.Event()

        def draw():
            with server.connect() as busy:
                while not ended.is_set():
                    busy.pipeline([("GET", "a")] * 50)

        thread = threading.Thread(target=draw)
        thread.start()
        try:
            wait_for(lambda: int(field(client, "stats", "instantaneous_ops_per_sec")) > 100, "a rate")
            assert float(field(client, "stats", "instantaneous_input_kbps")) > 0
            assert float(field(client, "stats", "instantaneous_output_kbps")) > 0
        finally:
            ended.set()
            thread.join()
        client.command("GET", "nosuchname")
        assert int(field(client, "stats", "keyspace_hits")) > 100
        assert field(client, "stats", "keyspace_misses") == "1"
        assert field(client, "stats", "total_error_replies") == "1"
        assert re.fullmatch(r"p50=[\d.]+,p99=[\d.]+,p99\.9=[\d.]+",
                            field(client, "latencystats", "latency_percentiles_usec_get"))
        client.command("CONFIG", "RESETSTAT")
        assert field(client, "stats", "keyspace_hits") == "0"
        assert int(field(client, "stats", "total_commands_processed")) < 5


def test_redis_cli_stat_reads_the_figures(start):
    server = start()
    with server.connect() as client:
        client.command("HSET", "a", "type", 3)
    shown = subprocess.Popen(["timeout", str(TIMEOUT_S), "stdbuf", "-oL", "redis-cli", "-p", str(server.port),
                              "--stat", "-i", "0.2"], stdout=subprocess.PIPE, text=True)
    try:
        rows = (line.split() for line in shown.stdout if re.match(r"\d", line))
        first_rows = list(itertools.islice(rows, 2))
    finally:
        shown.terminate()
        shown.communicate()
    assert len(first_rows) == 2, "it shows one after the other"
    assert all(row[0] == "1" and row[1].endswith("M") for row in first_rows), "keys, memory"


@pytest.fixture(name="configured")
def configured_fixture(new_server):
    server = new_server("--config", "nd.yaml")
    server.file = server.home / "nd.yaml"
    server.file.write_text("# mine\nlogging:\n  level: info  # for now\n")
    return server.start()


def test_rewrite_keeps_what_was_set_for_the_next_start(configured):
    with configured.connect() as client:
        assert client.command("CONFIG", "SET", "slowlog-max-len", 7, "loglevel", "warning",
                              "latency-tracking-info-percentiles", "50 90") == b"OK"
        assert client.command("CONFIG", "REWRITE") == b"OK"
        assert client.command("CONFIG", "REWRITE") == b"OK"
    assert configured.file.read_text() == (
        "# mine\nlogging:\n  level: warn  # for now\n\nmonitoring:\n  slowlog_max_len: 7\n"
        '  latency_tracking_info_percentiles: "50 90"\n'
    )
    configured.restart()
    with configured.connect() as client:
        shown = client.command("CONFIG", "GET", "slowlog-max-len", "loglevel", "*percentiles")
        assert dict(zip(shown[::2], shown[1::2])) == {
            b"slowlog-max-len": b"7",
            b"loglevel": b"warning",
            b"latency-tracking-info-percentiles": b"50 90",
        }


def test_a_rewrite_that_fails_says_why_and_changes_nothing(configured):
    configured.file.write_text("logging: {level: info}\n")
    with configured.connect() as client:
        client.command("CONFIG", "SET", "slowlog-max-len", 7, "protected-mode", "no")
        configured.file.write_text("logging: {format: text}\nserver: {threads: 1}\n")
        reply = client.command("CONFIG", "REWRITE")
        assert isinstance(reply, Error)
        assert reply.startswith(b"ERR Rewriting config file: ") and reply.endswith(b"by hand")
        configured.file.unlink()
        reply = client.command("CONFIG", "REWRITE")
        assert reply == Error(b"ERR Rewriting config file: 'nd.yaml': No such file or directory")
        assert client.command("PING") == b"PONG"
    assert "CONFIG REWRITE failed" in configured.log()


def test_sighup_takes_over_what_is_watched(configured):
    with configured.connect() as client:
        # Values that the file gives as before stay what clients have made of them.
        set_by_client = {
            b"slowlog-log-slower-than": b"77",
            b"latency-monitor-threshold": b"78",
            b"latency-tracking": b"no",
            b"latency-tracking-info-percentiles": b"79",
            b"loglevel": b"warning",
            b"protected-mode": b"no",
            b"timeout": b"80",
        }
        for name, value in set_by_client.items():
            assert client.command("CONFIG", "SET", name, value) == b"OK"
        configured.file.write_text("monitoring:\n  slowlog_max_len: 3\nserver:\n  maxclients: 20\n")
        os.kill(configured.process.pid, signal.SIGHUP)
        wait_for(lambda: client.command("CONFIG", "GET", "slowlog-max-len")[1] == b"3", "the reload")
        assert client.command("CONFIG", "GET", "maxclients")[1] == b"20"
        shown = client.command("CONFIG", "GET", *set_by_client)
        assert dict(zip(shown[::2], shown[1::2])) == set_by_client
