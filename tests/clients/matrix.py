"""The matrix of clients: rows are clients, columns what was seen of them."""

import json
import re
import subprocess
from pathlib import Path

import redis

NODE_MODULES = Path(__file__).resolve().parents[2] / "build-check/clients-node/node_modules"

# What a client can have; everything else that is shown stands in the last column.
COLUMNS = ["connect", "pool", "pipeline", "transaction", "reconnect", "RESP3", "AUTH", "ACL user", "TLS"]
HEAD = """# Client matrix

Each client against the real server over TCP, with its own idioms: `contrib/check --only clients`. This page is written by
`/usr/bin/python3 -m pytest tests/clients --write-matrix`.

"reconnect": it goes on after the server was killed and started again, without a number twice. "ACL user": a user who may
draw and not define. "-": the client does not have it, or there is nothing to see.

"""


def _first(pattern, *command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    found = re.search(pattern, done.stdout + done.stderr)
    return found[1] if found else "?"


def _package(name):
    return _first(r"(?:\d+:)?([\d.]+)", "dpkg-query", "-W", "-f", "${Version}", name)


def _module(name):
    path = NODE_MODULES / name / "package.json"
    return json.loads(path.read_text())["version"] if path.exists() else "?"


VERSIONS = {
    "redis-cli": lambda: _first(r"([\d.]+)", "redis-cli", "--version"),
    "redis-benchmark": lambda: _first(r"([\d.]+)", "redis-benchmark", "--version"),
    "redis-py": lambda: redis.__version__,
    "node redis 4": lambda: _module("redis4"),
    "node redis": lambda: _module("redis"),
    "ioredis 5": lambda: _module("ioredis5"),
    "ioredis": lambda: _module("ioredis"),
    "hiredis": lambda: _package("libhiredis-dev"),
    "hiredis async, libev": lambda: _package("libhiredis-dev"),
    "hiredis async, libevent": lambda: _package("libhiredis-dev"),
    "redigo": lambda: _package("golang-github-gomodule-redigo-dev"),
    "go redis.v5": lambda: _package("golang-gopkg-redis.v5-dev"),
    "redis_exporter": lambda: _package("prometheus-redis-exporter"),
    "HAProxy": lambda: _package("haproxy"),
}


class Matrix:
    def __init__(self):
        self._results = {}  # (client, feature): ok, not run or FAILED

    def note(self, client, feature, when, report):
        """One phase of a test. The worst of all phases of all tests of a feature is its result."""
        if when == "call" and report.passed:
            result = "ok"
        elif report.failed:
            result = "FAILED"
        elif report.skipped:
            result = "not run"
        else:
            return
        worse = ["ok", "not run", "FAILED"]
        known = self._results.get((client, feature), "ok")
        self._results[client, feature] = max(known, result, key=worse.index)

    def _row(self, client):
        cells = [self._results.get((client, column), "-") for column in COLUMNS]
        others = [
            feature if result == "ok" else f"{feature}: {result}"
            for (of, feature), result in self._results.items()
            if of == client and feature not in COLUMNS
        ]
        return f"| {client} | {VERSIONS[client]()} | {' | '.join(cells)} | {', '.join(others)} |"

    def text(self):
        head = f"| client | version | {' | '.join(COLUMNS)} | also |"
        rule = "|---" * (len(COLUMNS) + 3) + "|"
        clients = [name for name in VERSIONS if any(of == name for of, _ in self._results)]
        return HEAD + "\n".join([head, rule, *map(self._row, clients)]) + "\n"
