"""Fixtures of the end-to-end tests: servers that are always ended, and names of dispensers."""

import itertools
import os
import random
import signal

import pytest

from harness.server import Server

_names = itertools.count()


def pytest_configure(config):
    # Ended from outside, the fixtures still end their servers and remove their folders.
    signal.signal(signal.SIGTERM, lambda *_: pytest.exit("SIGTERM", returncode=143))
    config.addinivalue_line("markers", "long: minutes, not seconds; runs only with ND_LONG=1")


def pytest_collection_modifyitems(items):
    if os.environ.get("ND_LONG") == "1":
        return
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(pytest.mark.skip(reason="runs only with ND_LONG=1"))


def _end(servers):
    """Ends every server; one that still runs has to stop cleanly."""
    problems = []
    for server in servers:
        try:
            if server.process is not None:
                ended = server.stop()
                if ended.status != 0:
                    problems.append(f"exit status {ended.status} at the end: {ended.stderr}")
        except AssertionError as error:
            problems.append(str(error))
        finally:
            problems += server.discard()
    assert not problems, "\n".join(problems)


@pytest.fixture(name="new_server")
def new_server_fixture():
    """Makes servers, not started, for one test."""
    servers = []

    def new_server(*options, **settings):
        servers.append(Server(*options, **settings))
        return servers[-1]

    def adopt(server):
        servers.append(server)
        return server

    new_server.adopt = adopt
    yield new_server
    _end(servers)


@pytest.fixture(name="start")
def start_fixture(new_server):
    """Starts servers for one test."""
    return lambda *options, **settings: new_server(*options, **settings).start()


@pytest.fixture(scope="module", name="shared")
def shared_fixture():
    """One server for all tests of a file that leave nothing behind but dispensers."""
    server = Server()
    try:
        server.start()
        yield server
    finally:
        _end([server])


@pytest.fixture(name="client")
def client_fixture(shared):
    with shared.connect() as client:
        yield client


@pytest.fixture(name="name")
def name_fixture():
    """A name that no other test uses."""
    return f"dispenser-{next(_names)}"


@pytest.fixture(name="chance")
def chance_fixture():
    """A random generator whose seed is ND_SEED, printed when the test fails."""
    seed = int(os.environ.get("ND_SEED", random.SystemRandom().randrange(1 << 32)))
    print(f"ND_SEED={seed}")
    return random.Random(seed)
