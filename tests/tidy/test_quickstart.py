"""contrib/quickstart starts a server that redis-cli can use, from any folder, and passes arguments and
signals on."""

import subprocess

from served import REPOSITORY, free_port, served

QUICKSTART = REPOSITORY / "contrib/quickstart"


def redis_cli(port, *words):
    return subprocess.run(["redis-cli", "-p", str(port), *words], capture_output=True, text=True,
                          timeout=120, check=True).stdout.strip()


def test_it_starts_a_server_with_the_arguments_given(tmp_path):
    port = free_port()
    command = [QUICKSTART, "--addr", f"127.0.0.1:{port}", "--data", "numbers", "--run", tmp_path]
    with served(command, port, tmp_path):
        assert redis_cli(port, "HSET", "ticket", "type", "3") == "1"
        assert redis_cli(port, "GET", "ticket") == "0"
    assert (tmp_path / "numbers/dispensers.state").exists()
    with served(command, port, tmp_path):
        assert redis_cli(port, "GET", "ticket") == "1"


def test_help_says_what_it_does():
    done = subprocess.run([QUICKSTART, "--help"], capture_output=True, text=True, timeout=120,
                          check=True)
    assert done.stdout.startswith("Installs what is missing, builds number-dispenser")
    assert "Usage: contrib/quickstart" in done.stdout
