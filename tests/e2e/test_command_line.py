"""Options, environment, configuration file, and every way to start wrongly (SPEC section 4)."""

import json
import os
import socket

import pytest

from harness import places
from harness.ledger import Ledger
from harness.resp import Resp, Status
from harness.server import run_binary
from harness.waiting import wait_for

USAGE, IO_ERROR, BUSY, PERMISSION, CONFIGURATION = 64, 74, 75, 77, 78


def assert_one_line(ended, *mentions):
    """One line for the operator, that mentions what is needed to act."""
    assert len(ended.lines) == 1, ended.stderr
    missing = [mention for mention in mentions if str(mention) not in ended.stderr]
    assert not missing, f"{ended.stderr!r} does not mention {missing}"


@pytest.mark.parametrize(
    "arguments, mention",
    [
        (["--frobnicate"], "frobnicate"),
        (["-frobnicate", "x"], "frobnicate"),
        (["serve", "--frobnicate"], "frobnicate"),
        (["check", "--frobnicate"], "frobnicate"),
        (["frobnicate"], "frobnicate"),
        (["--addr"], "addr"),
        (["--addr", "127.0.0.1:99999"], "99999"),
        (["--addr", "127.0.0.1"], "127.0.0.1"),
        (["--addr", "127.0.0.1:abc"], "abc"),
        (["--addr", "not an address:1"], "not an address"),
        (["--addr", "unix:"], "unix:"),
        (["--threads", "abc"], "threads"),
        (["--threads", "0"], "threads"),
        (["--threads", "-1"], "threads"),
        (["--threads", "100000"], "threads"),
        (["--log-level", "loud"], "loud"),
        (["--log-format", "xml"], "xml"),
        (["--protected-mode", "perhaps"], "perhaps"),
    ],
)
def test_a_wrong_option_or_value_is_a_usage_error(tmp_path, arguments, mention):
    ended = run_binary(*arguments, cwd=tmp_path)
    assert ended.status == USAGE, ended
    assert_one_line(ended, mention)
    assert not list(tmp_path.iterdir()), "nothing is created before the options are understood"


@pytest.mark.parametrize(
    "variable, value", [("THREADS", "abc"), ("LOG_LEVEL", "loud"), ("ADDR", "x")]
)
def test_a_bad_environment_variable_is_named(tmp_path, variable, value):
    ended = run_binary(cwd=tmp_path, env={f"NUMBER_DISPENSER_{variable}": value})
    assert ended.status in (USAGE, CONFIGURATION), ended
    assert_one_line(ended, f"NUMBER_DISPENSER_{variable}")


def test_help_and_version_read_well():
    text = run_binary("--help")
    assert (text.status, text.stderr) == (0, "")
    options = "addr data run config threads log-level log-format requirepass protected-mode"
    for option in (*options.split(), "check-config", "version", "help"):
        assert f"--{option}" in text.stdout
    assert "check" in text.stdout and "dump" in text.stdout
    assert all(len(line) <= 100 for line in text.stdout.splitlines())
    version = run_binary("--version")
    assert (version.status, version.stderr) == (0, "")
    assert version.stdout.startswith("number-dispenser ") and version.stdout.count("\n") == 1


def test_help_lists_the_exit_statuses():
    section = run_binary("--help").stdout.split("Exit status:")[1]
    listed = {int(line.split()[0]) for line in section.splitlines() if line[2:4].strip().isdigit()}
    assert listed == {0, USAGE, IO_ERROR, BUSY, PERMISSION, CONFIGURATION}


@pytest.mark.parametrize(
    "form",
    [
        ["--addr", "{addr}", "--data", "{data}", "--run", "{run}"],
        ["-addr", "{addr}", "-data", "{data}", "-run", "{run}"],
        ["serve", "--addr={addr}", "--data={data}", "--run={run}"],
        ["serve", "-addr={addr}", "-data={data}", "-run={run}"],
    ],
)
def test_both_forms_of_options_start_the_server(new_server, form):
    server = new_server(bare=True)
    values = {"addr": f"127.0.0.1:{server.port}", "data": server.data, "run": server.run}
    server.options = [part.format(**values) for part in form]
    server.start()
    assert (server.data / "dispensers.state").exists()
    assert list(server.run.iterdir()), "the live counters are in the run folder"


def test_without_options_it_serves_on_6380_from_the_folder_it_is_in(new_server):
    with socket.socket() as probe:
        if probe.connect_ex(("127.0.0.1", 6380)) == 0:
            pytest.skip("port 6380 is taken")
    server = new_server(bare=True)
    server.env = {"RUNTIME_DIRECTORY": str(server.run)}
    server.address = ("127.0.0.1", 6380)
    server.start()
    assert (server.home / "data" / "dispensers.state").exists()
    assert list(server.run.iterdir())


def test_environment_variables_configure_it(new_server):
    server = new_server(bare=True)
    server.env = {
        "NUMBER_DISPENSER_ADDR": f"127.0.0.1:{server.port}",
        "NUMBER_DISPENSER_DATA": str(server.data),
        "NUMBER_DISPENSER_RUN": str(server.run),
        "NUMBER_DISPENSER_REQUIREPASS": "secret",
    }
    server.start()
    with server.connect() as client:
        assert client.command("PING").startswith(b"NOAUTH")
        assert client.command("AUTH", "secret") == Status(b"OK")


def test_it_listens_on_every_address_given(new_server):
    server = new_server()
    second, path = places.free_port(), str(server.home / "socket")
    server.options = ("--addr", f"127.0.0.1:{second}", "--addr", f"unix:{path}")
    server.start()
    for address in (server.address, ("127.0.0.1", second), path):
        with Resp(address) as client:
            assert client.command("PING") == Status(b"PONG")
    server.crash()
    with Resp(path) as client:
        assert client.command("PING") == Status(b"PONG"), "a stale socket file is replaced"


def test_a_port_in_use_is_refused(new_server, start):
    first = start()
    second = new_server()
    second.port = first.port
    ended = second.spawn().wait()
    assert ended.status == CONFIGURATION, ended
    assert_one_line(ended, first.port, "--addr")
    with first.connect() as client:
        assert client.command("PING") == Status(b"PONG")


def test_a_port_of_another_program_is_refused_even_with_reuseport(new_server):
    server = new_server()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(server.address)
        other.listen()
        ended = server.spawn().wait()
    assert ended.status == CONFIGURATION, ended
    assert_one_line(ended, server.port)


def test_a_second_server_on_the_same_data_is_refused(new_server, start):
    first = start()
    second = new_server()
    second.data = first.data
    ended = second.spawn().wait()
    assert ended.status == BUSY, ended
    assert_one_line(ended, first.data)
    with first.connect() as client:
        assert client.command("HSET", "x", "type", 3) == 1


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="runs the server as another user")


@needs_root
def test_an_unwritable_data_folder_is_a_permission_error(new_server):
    server = new_server().as_nobody()
    server.run.chmod(0o777)
    ended = server.spawn().wait()
    assert ended.status == PERMISSION, ended
    assert_one_line(ended, server.data)


@needs_root
def test_an_unwritable_run_folder_is_only_a_warning(new_server):
    """The live counters spare waste at a SIGKILL; the promise holds without them."""
    server = new_server("--log-level", "warn").as_nobody()
    server.data.chmod(0o777)
    server.start()
    lines = server.log().splitlines()
    assert len(lines) == 1 and str(server.run) in lines[0], lines
    with server.connect() as client:
        ledger = Ledger("x", "elegant_close").define(client)
        ledger.draw(client, 100)
    server.crash()
    with server.connect() as client:
        ledger.check_exact(client)


@needs_root
def test_a_folder_that_cannot_be_created_is_a_permission_error(new_server):
    server = new_server().as_nobody()
    server.data /= "deeper"
    server.run.chmod(0o777)
    ended = server.spawn().wait()
    assert ended.status == PERMISSION, ended
    assert_one_line(ended, server.data)


@needs_root
def test_a_state_file_of_another_user_is_a_permission_error(new_server, start):
    first = start()
    first.stop()
    (first.data / "dispensers.state").chmod(0o600)
    second = new_server().as_nobody()
    second.data = first.data
    second.data.chmod(0o777)
    second.run.chmod(0o777)
    ended = second.spawn().wait()
    assert ended.status == PERMISSION, ended
    assert_one_line(ended, second.data)


def test_a_file_in_place_of_the_data_folder_is_refused(new_server):
    server = new_server()
    server.data.write_text("not a folder")
    ended = server.spawn().wait()
    assert 64 <= ended.status <= 78, ended
    assert_one_line(ended, server.data)
    assert server.data.read_text() == "not a folder"


def test_log_lines_in_json_are_json(start):
    server = start("--log-format", "json", "--log-level", "debug")
    with server.connect() as client:
        client.command("PING")
    ended = server.stop()
    assert ended.lines
    for line in ended.lines:
        assert isinstance(json.loads(line), dict), line


def test_log_lines_for_the_journal_have_priorities(start):
    ended = start("--log-format", "journal").stop()
    assert ended.lines
    for line in ended.lines:
        assert line[0] == "<" and line[1] in "01234567" and line[2] == ">", line


def test_log_level_error_is_silent_when_all_is_well(start):
    assert start("--log-level", "error").stop().lines == []


def test_ready_is_said_when_it_serves(start):
    server = start()
    wait_for(lambda: "ready" in server.log(), "the line that says ready")
