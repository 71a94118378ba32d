"""What the manual shows is what happens: its examples are typed in, page by page."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from served import REPOSITORY, free_port, served

PROGRAM = Path(os.environ.get("ND_SERVER", REPOSITORY / "build/number-dispenser")).resolve()


def examples(page):
    """The literal blocks of a page, without mdoc's escapes."""
    text = (REPOSITORY / "man" / page).read_text()
    blocks = re.findall(r"^\.Bd -literal[^\n]*\n(.*?)^\.Ed$", text, re.MULTILINE | re.DOTALL)
    return [block.replace("\\e\n", "\\\n").replace("\\e", "\\").replace("\\&", "") for block in blocks]


def exchanges(page, prompt):
    """(what is typed, what comes back), in order."""
    for block in examples(page):
        for part in re.split(rf"^{re.escape(prompt)}", block, flags=re.MULTILINE)[1:]:
            lines = re.sub(r"\\\n\s*", "", part).splitlines()
            yield lines[0], "\n".join(lines[1:])


def run(*command, **options):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True, **options)
    return done.stdout.replace("\r", "").rstrip("\n")


@pytest.fixture(name="port")
def port_fixture(tmp_path):
    port = free_port()
    command = [PROGRAM, "--addr", f"127.0.0.1:{port}", "--data", "data", "--run", tmp_path]
    with served(command, port, tmp_path):
        yield port


def random_names(page):
    """Dispensers of type 1: their numbers are those of the page in length only."""
    return {typed.split()[1] for typed, _ in exchanges(page, "> ") if " type 1 " in typed}


@pytest.mark.parametrize("page", ["number-dispenser-commands.7", "number-dispenser-strategies.7"])
def test_sessions(port, page):
    session = list(exchanges(page, "> "))
    assert session
    for typed, shown in session:
        seen = run("redis-cli", "-p", str(port), "--no-raw", input=typed + "\n")
        if typed.startswith("GET ") and typed.split()[1] in random_names(page):
            seen, shown = re.sub(r"\d", "0", seen), re.sub(r"\d", "0", shown)
        assert seen == shown, typed


def test_command_lines(port):
    """Those of number-dispenser(8) that ask and reply; the port is that of the test."""
    asked = 0
    for typed, shown in exchanges("number-dispenser.8", "$ "):
        words = typed.split()
        if words[0] == "redis-cli":
            seen = run("redis-cli", "-p", str(port), "--no-raw", *words[3:])
        elif words[:2] == ["number-dispenser", "commands"]:
            seen = run(PROGRAM, *words[1:])
        else:
            continue
        assert seen == shown, typed
        asked += 1
    assert asked >= 3
