"""The configuration file: its keys, its errors, and what overrides it (SPEC section 4)."""

import pytest

from harness import places
from harness.resp import Resp, Status
from harness.server import run_binary

CONFIGURATION = 78
COMPLETE = """\
server:
  addr: "127.0.0.1:{port}"
  threads: 1
  run_dir: "{run}"
  protected_mode: true
storage:
  data_dir: "{data}"
  auto_save: true
logging:
  level: "info"
  format: "text"
cluster:
  enabled: false
  node_id: "node-1"
  endpoints: ["http://127.0.0.1:2379"]
"""


@pytest.fixture(name="configured")
def configured_fixture(new_server):
    """A server, not started, that takes everything from its file."""
    server = new_server(bare=True)
    server.file = server.home / "nd.yaml"
    server.options = ("--config", server.file)
    values = {"port": server.port, "run": server.run, "data": server.data}
    server.file.write_text(COMPLETE.format(**values))
    return server


def refuse(tmp_path, text, *mentions):
    """The text is refused by a start and by --check-config, in the same single line."""
    file = tmp_path / "nd.yaml"
    file.write_text(text)
    for extra in ((), ("--check-config",)):
        ended = run_binary("--config", file, *extra, cwd=tmp_path)
        assert ended.status == CONFIGURATION, ended
        assert len(ended.lines) == 1, ended.stderr
        missing = [mention for mention in mentions if mention not in ended.stderr]
        assert not missing, f"{ended.stderr!r} does not mention {missing}"


def test_a_complete_file_configures_the_server(configured):
    assert run_binary("--config", configured.file, "--check-config").status == 0
    configured.start()
    assert (configured.data / "dispensers.state").exists()
    assert list(configured.run.iterdir())


def test_several_addresses_in_the_file(configured):
    second = places.free_port()
    text = configured.file.read_text()
    one = f'addr: "127.0.0.1:{configured.port}"'
    both = f'addr: ["127.0.0.1:{configured.port}", "127.0.0.1:{second}"]'
    configured.file.write_text(text.replace(one, both))
    configured.start()
    with Resp(("127.0.0.1", second)) as client:
        assert client.command("PING") == Status(b"PONG")


def test_the_command_line_goes_before_the_environment_and_that_before_the_file(configured):
    in_file = configured.port
    in_environment, on_line = places.free_port(), places.free_port()

    def listening():
        ports = {}
        for port in (in_file, in_environment, on_line):
            try:
                Resp(("127.0.0.1", port)).close()
                ports[port] = True
            except ConnectionRefusedError:
                ports[port] = False
        return [ports[port] for port in (in_file, in_environment, on_line)]

    configured.start()
    assert listening() == [True, False, False]
    configured.stop()
    configured.env = {"NUMBER_DISPENSER_ADDR": f"127.0.0.1:{in_environment}"}
    configured.address = ("127.0.0.1", in_environment)
    configured.start()
    assert listening() == [False, True, False]
    configured.stop()
    configured.options += ("--addr", f"127.0.0.1:{on_line}")
    configured.address = ("127.0.0.1", on_line)
    configured.start()
    assert listening() == [False, False, True]


def test_the_file_can_come_from_the_environment(configured):
    configured.env = {"NUMBER_DISPENSER_CONFIG": str(configured.file)}
    configured.options = ()
    configured.start()
    assert (configured.data / "dispensers.state").exists()


@pytest.mark.parametrize(
    "text, line, mention",
    [
        ("server:\n  addr: ':1'\n  colour: red\n", 3, "colour"),
        ("\n\nservers:\n  addr: ':1'\n", 3, "servers"),
        ("storage:\n  data_dir: x\n  auto_save: maybe\n", 3, "auto_save"),
        ("logging:\n  level: loud\n", 2, "loud"),
        ("logging:\n  format: xml\n", 2, "xml"),
        ("server:\n  threads: many\n", 2, "threads"),
        ("server:\n  threads: 0\n", 2, "threads"),
        ("server:\n  addr: nonsense\n", 2, "nonsense"),
        ("server:\n  addr:\n    - ':1'\n    - nonsense\n", 4, "nonsense"),
        ("server:\n  protected_mode: perhaps\n", 2, "protected_mode"),
        ("cluster:\n  enabled: perhaps\n", 2, "cluster"),
        ("cluster:\n  enabled: true\n  endpoints: h:2379\n", 3, "http://HOST:PORT"),
        ("cluster:\n  enabled: false\n  nodes: 3\n", 3, "nodes"),
        ("server: 5\n", 1, "server"),
        ("server:\n  addr: [':1'\n", None, "nd.yaml"),
        ("server:\n  addr: ':1'\n\tthreads: 1\n", 3, "nd.yaml"),
        ("- a\n- b\n", 1, "nd.yaml"),
    ],
)
def test_an_error_in_the_file_names_the_line(tmp_path, text, line, mention):
    mentions = [mention, "nd.yaml"] + ([f":{line}"] if line else [])
    refuse(tmp_path, text, *mentions)


def test_a_key_given_twice_is_refused(tmp_path):
    refuse(tmp_path, "server:\n  threads: 1\n  threads: 2\n", "threads", ":3")


def test_a_missing_file_is_refused(tmp_path):
    ended = run_binary("--config", tmp_path / "no-such.yaml", cwd=tmp_path)
    assert ended.status == CONFIGURATION, ended
    assert len(ended.lines) == 1 and "no-such.yaml" in ended.stderr


@pytest.mark.parametrize("text", ["", "# nothing\n", "server:\n", "server: {}\n"])
def test_an_empty_file_means_the_defaults(tmp_path, text):
    file = tmp_path / "nd.yaml"
    file.write_text(text)
    ended = run_binary("--config", file, "--check-config", cwd=tmp_path)
    assert (ended.status, ended.stderr) == (0, "")
    assert [path.name for path in tmp_path.iterdir()] == ["nd.yaml"]
