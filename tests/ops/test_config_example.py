"""The example configuration: it parses, states defaults, and the server accepts it."""

import re
import subprocess

import pytest
import yaml


@pytest.fixture
def example(repository):
    return repository / "contrib/number-dispenser.yaml"


def check(server_binary, path):
    return subprocess.run([server_binary, "--check-config", "--config", path],
                          env={}, capture_output=True, text=True, timeout=120)


def with_every_key(text):
    """The example with the keys that are commented out put in force."""
    return re.sub(r"^  # ([a-z_]+: \S+)$", r"  \1", text, flags=re.MULTILINE)


def test_example_is_yaml_with_the_sections_of_the_manual(example):
    assert list(yaml.safe_load(example.read_text())) == [
        "server", "storage", "logging", "tls", "monitoring", "cluster"]


def test_commented_keys_are_yaml_too(example):
    keys = yaml.safe_load(with_every_key(example.read_text()))
    assert keys["storage"] == {"data_dir": "./data", "auto_save": True}
    assert {"threads", "run_dir", "requirepass"} <= set(keys["server"])
    assert {"cert_file", "key_file", "ca_cert_file", "ciphers"} <= set(keys["tls"])


def test_server_accepts_the_example(server_binary, example):
    done = check(server_binary, example)
    assert done.returncode == 0, done.stderr


def test_server_accepts_every_key_of_the_example(server_binary, example, tmp_path):
    path = tmp_path / "all.yaml"
    path.write_text(with_every_key(example.read_text()))
    done = check(server_binary, path)
    assert done.returncode == 0, done.stderr


def test_example_states_the_defaults(server_binary, example, tmp_path):
    empty = tmp_path / "empty.yaml"
    empty.write_text("")
    shown = check(server_binary, example).stdout.replace(str(example), "FILE")
    assert "6380" in shown
    assert shown == check(server_binary, empty).stdout.replace(str(empty), "FILE")


def test_server_refuses_an_unknown_key_and_names_its_line(server_binary, example, tmp_path):
    path = tmp_path / "wrong.yaml"
    path.write_text(example.read_text() + "  colour: 1\n")
    done = check(server_binary, path)
    assert done.returncode == 78
    assert f"{path}:{len(path.read_text().splitlines())}" in done.stderr
