"""The example clients, each run against the server. A language is skipped only where its client
library cannot be installed."""

import os
import pathlib
import re
import shutil
import subprocess

import pytest

REDIGO = pathlib.Path("/usr/share/gocode/src/github.com/gomodule/redigo")
EXPECTED = re.compile(r"""HSET user_id: 2
HSET order_id: 4
GET user_id: [1-9]\d{6}
GET order_id: 100000000000
GET order_id: 100000000001
GET order_id: 100000000002
pipeline: 100000000003 100000000004 100000000005
INFO order_id: 100000000006 pre_close 0\.00%
DEL: 2
""")


@pytest.fixture
def examples(repository):
    return repository / "contrib/examples"


def output(command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, **options)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="session")
def node_modules(tmp_path_factory):
    """A folder with the examples and the packages that their package.json names."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    source = pathlib.Path(__file__).resolve().parents[2] / "contrib/examples/node"
    folder = tmp_path_factory.mktemp("node") / "examples"
    shutil.copytree(source, folder, ignore=shutil.ignore_patterns("node_modules"))
    done = subprocess.run(
        ["npm", "install", "--no-audit", "--no-fund", "--no-package-lock", "--loglevel=error"],
        cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        pytest.skip(f"npm cannot install the packages: {done.stderr.strip()[-200:]}")
    return folder


def test_python_example(start_server, examples):
    server = start_server()
    command = ["/usr/bin/python3", examples / "python/example.py", f"127.0.0.1:{server.port}"]
    assert EXPECTED.fullmatch(output(command))


@pytest.mark.parametrize("compile_it, source", [
    (("cc", "-std=c11"), "c/example.c"), (("c++", "-std=c++20"), "cpp/example.cc"),
])
def test_hiredis_example(start_server, examples, tmp_path, compile_it, source):
    if not pathlib.Path("/usr/include/hiredis/hiredis.h").exists():
        pytest.skip("Debian's package libhiredis-dev is missing")
    program = tmp_path / "example"
    output([*compile_it, "-Wall", "-Wextra", "-Werror", "-o", program, examples / source, "-lhiredis"])
    server = start_server()
    assert EXPECTED.fullmatch(output([program, "127.0.0.1", str(server.port)]))


def test_go_example(start_server, examples, tmp_path):
    if not shutil.which("go") or not REDIGO.exists():
        pytest.skip("Debian's packages golang-go and golang-github-gomodule-redigo-dev are missing")
    server = start_server()
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode",
                   "GOCACHE": str(tmp_path / "cache")}
    command = ["go", "run", "main.go", f"127.0.0.1:{server.port}"]
    assert EXPECTED.fullmatch(output(command, cwd=examples / "go", env=environment))


@pytest.mark.parametrize("library", ["redis", "ioredis"])
def test_node_example(start_server, node_modules, library):
    server = start_server()
    command = ["node", f"{library}.js", f"127.0.0.1:{server.port}"]
    assert EXPECTED.fullmatch(output(command, cwd=node_modules))


def test_examples_fail_where_there_is_no_server(examples, free_port):
    done = subprocess.run(
        ["/usr/bin/python3", examples / "python/example.py", f"127.0.0.1:{free_port}"],
        capture_output=True, text=True, timeout=120)
    assert done.returncode != 0
