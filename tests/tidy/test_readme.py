"""What README.md shows is what happens: its redis-cli sessions are typed in, its commands and links exist."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from served import REPOSITORY, free_port, served

README = (REPOSITORY / "README.md").read_text()
PROMPT = "127.0.0.1:6380> "


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def exchanges(session):
    """(what is typed, what comes back) of a session with prompts."""
    for part in session.split(PROMPT)[1:]:
        typed, _, shown = part.partition("\n")
        yield typed, shown.rstrip("\n")


SESSIONS = [block for block in blocks("text") if PROMPT in block]


@pytest.fixture(scope="module", name="port")
def port_fixture(tmp_path_factory):
    port = free_port()
    folder = tmp_path_factory.mktemp("readme")
    program = Path(os.environ.get("ND_SERVER", REPOSITORY / "build/number-dispenser")).resolve()
    command = [program, "--addr", f"127.0.0.1:{port}", "--data", "data", "--run", folder]
    with served(command, port, folder):
        yield port


def type_in(port, line):
    """What redis-cli shows on a terminal for one line."""
    done = subprocess.run(["redis-cli", "-p", str(port), "--no-raw"], input=line + "\n",
                          capture_output=True, text=True, timeout=120, check=True)
    return done.stdout.replace("\r", "").rstrip("\n")


def test_there_is_a_session():
    assert len(SESSIONS) >= 1


# In order, on one server: a reader types them one after the other.
@pytest.mark.parametrize("number", range(len(SESSIONS)))
def test_session(port, number):
    for typed, shown in exchanges(SESSIONS[number]):
        assert type_in(port, typed) == shown, typed


def test_commands_of_this_tree_exist():
    shells = "\n".join(blocks("sh"))
    named = set(re.findall(r"(?<![\w./-])((?:contrib|bench)/[\w./-]+)", README + shells))
    assert {"contrib/quickstart", "contrib/check", "bench/compare"} <= named
    missing = [name for name in sorted(named) if not (REPOSITORY / name).exists()]
    assert missing == []


def test_links_lead_to_files():
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", README)
    assert targets
    assert [target for target in targets if not (REPOSITORY / target).exists()] == []


def test_options_exist():
    """Every --option that README gives the program is in its --help."""
    program = Path(os.environ.get("ND_SERVER", REPOSITORY / "build/number-dispenser")).resolve()
    text = subprocess.run([program, "--help"], capture_output=True, text=True, timeout=120,
                          check=True).stdout
    lines = [line for line in README.splitlines()
             if re.search(r"(number-dispenser|quickstart) .*--", line)]
    options = {option for line in lines for option in re.findall(r" (--[a-z-]+)", line)}
    assert options
    assert [option for option in sorted(options) if option not in text] == []


def test_manual_pages_exist():
    pages = set(re.findall(r"`(number-dispenser[\w.-]*)\((\d)\)`", README))
    assert pages
    missing = [f"{name}.{section}" for name, section in sorted(pages)
               if not (REPOSITORY / "man" / f"{name}.{section}").exists()]
    assert missing == []
