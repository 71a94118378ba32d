"""Fixtures of the client matrix, and the matrix itself: which client was seen doing what.

A test says what it shows with the marker `shows(client, feature)`; --write-matrix puts the results of a run into
MATRIX.md.
"""

import importlib.util
import itertools
import sys
from pathlib import Path

import pytest

_END_TO_END = Path(__file__).resolve().parents[1] / "e2e"
sys.path.insert(0, str(_END_TO_END))

_spec = importlib.util.spec_from_file_location("e2e_conftest", _END_TO_END / "conftest.py")
_e2e = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(_e2e)

# Taken over from there by name, which is how pytest finds them here.
new_server_fixture = _e2e.new_server_fixture
start_fixture = _e2e.start_fixture
shared_fixture = _e2e.shared_fixture
name_fixture = _e2e.name_fixture

from harness.server import Server  # noqa: E402
from harness.tls import TlsServer  # noqa: E402
from matrix import Matrix  # noqa: E402
from scenarios import APP, APP_SECRET, SECRET, Place  # noqa: E402

_matrix = Matrix()
_numbers = itertools.count()


def pytest_addoption(parser):
    parser.addoption("--write-matrix", action="store_true", help="write MATRIX.md from this run")


def pytest_configure(config):
    _e2e.pytest_configure(config)
    config.addinivalue_line("markers", "shows(client, feature): what of the matrix a test shows")


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    outcome = yield
    mark = item.get_closest_marker("shows")
    if mark is not None:
        _matrix.note(*mark.args, call.when, outcome.get_result())


def pytest_sessionfinish(session):
    if session.config.getoption("--write-matrix"):
        (Path(__file__).parent / "MATRIX.md").write_text(_matrix.text())


@pytest.fixture(scope="session", name="guarded")
def guarded_fixture(tmp_path_factory):
    """A server with a password, and with the user `app`, who may draw from order_* and no more."""
    users = tmp_path_factory.mktemp("users") / "users.acl"
    users.write_text(
        f"user default on >{SECRET} ~* +@all\n"
        f"user {APP} on >{APP_SECRET} ~order_* +@connection +get +info +multi +exec +command\n"
    )
    server = Server("--aclfile", users)
    try:
        server.start()
        yield server
    finally:
        _e2e._end([server])


@pytest.fixture(scope="session", name="encrypted")
def encrypted_fixture():
    """A server that also speaks TLS."""
    encrypted = TlsServer(Server())
    try:
        yield encrypted.start()
    finally:
        _e2e._end([encrypted.server])


@pytest.fixture(name="stage")
def stage_fixture(request, start):
    """stage(scenario): where it takes place, with a name that no other test uses."""

    def stage(scenario):
        name = f"order_{next(_numbers)}"
        if scenario == "TLS":
            encrypted = request.getfixturevalue("encrypted")
            return Place(encrypted.server, name, encrypted.port, str(encrypted.authority.crt))
        if scenario in ("AUTH", "ACL user"):
            place = Place(server := request.getfixturevalue("guarded"), name, server.port)
            if scenario == "ACL user":
                assert place.command("HSET", name, "type", 3) == 1
            return place
        server = start() if scenario == "reconnect" else request.getfixturevalue("shared")
        return Place(server, name, server.port)

    return stage
