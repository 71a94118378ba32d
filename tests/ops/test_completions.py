"""Shell completions: they load, complete, and know the options of --help."""

import re
import shutil
import subprocess

import pytest

SUBCOMMANDS = {"serve", "check", "dump"}
SERVING = {"addr", "threads", "log-level", "log-format", "requirepass", "aclfile", "protected-mode",
           "maxclients", "maxmemory-clients", "client-output-buffer-limit", "timeout",
           "tcp-keepalive", "unixsocketperm", "unixsocket-group", "check-config", "version"}
EVERYWHERE = {"data", "run", "config", "help"}


@pytest.fixture
def completions(repository):
    return repository / "contrib/completions"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def bash(completions, *words):
    quoted = " ".join(f"'{word}'" for word in ("number-dispenser", *words))
    script = (f"source {completions}/number-dispenser.bash\n"
              f"COMP_WORDS=({quoted})\n"
              "COMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
              "_number_dispenser\n"
              'printf "%s\\n" "${COMPREPLY[@]}"\n')
    return set(run("bash", "--norc", "-c", script).split())


def fish(completions, *words):
    if not shutil.which("fish"):
        pytest.skip("fish is not installed")
    line = " ".join(("number-dispenser", *words))
    output = run("fish", "--no-config", "-c",
                 f"source {completions}/number-dispenser.fish; complete -C '{line}'")
    return {row.split("\t")[0] for row in output.splitlines()}


# A terminal inside zsh, in which the key is pressed; what is drawn afterwards is the answer. zsh
# draws no list while keys are waiting, so the next keys come after the list has begun.
ZSH = r"""
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PS1='>'; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; echo READ\Y"
zpty -r shell drawn '*READY*'
zpty -w -n shell "$2"$'\t'
zpty -r shell list '*'$'\n'"*$3*"
zpty -w -n shell $'\C-u'"echo EN\D"$'\n'
zpty -r shell rest '*END*'
zpty -d shell
print -r -- "$list$rest"
"""


def zsh(completions, *words):
    if not shutil.which("zsh"):
        pytest.skip("zsh is not installed")
    line = " ".join(("number-dispenser", *words))
    first = "--config" if words[-1] == "--" else "check"
    drawn = run("timeout", "20", "zsh", "-f", "-c", ZSH, "zsh", str(completions), line, first)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", drawn)
    return set(re.findall(r"^(\S+)(?: +--|\s*$| )", plain, re.MULTILINE))


def dashed(options):
    return {f"--{option}" for option in options}


def test_options_of_bash_fish_and_zsh_are_those_of_help(completions, help_text):
    expected = set(re.findall(r"^  (?:-\w, )?--([a-z-]+)", help_text, re.MULTILINE))
    assert expected == SERVING | EVERYWHERE | {"json"}


@pytest.mark.parametrize("shell", [bash, fish, zsh])
def test_serving_has_every_option_but_json(completions, shell):
    offered = {word for word in shell(completions, "--") if word.startswith("--")}
    assert offered - {"--"} == dashed(SERVING | EVERYWHERE)


@pytest.mark.parametrize("shell", [bash, fish, zsh])
def test_subcommands_are_offered_first(completions, shell):
    assert SUBCOMMANDS <= shell(completions, "")


@pytest.mark.parametrize("shell", [bash, fish, zsh])
@pytest.mark.parametrize("subcommand, options", [
    ("check", EVERYWHERE), ("dump", EVERYWHERE | {"json"}), ("serve", SERVING | EVERYWHERE),
])
def test_subcommand_has_its_own_options(completions, shell, subcommand, options):
    offered = {word for word in shell(completions, subcommand, "--") if word.startswith("--")}
    assert offered - {"--"} == dashed(options)


@pytest.mark.parametrize("option, values", [
    ("--log-level", {"debug", "info", "warn", "error"}),
    ("--log-format", {"text", "json", "journal"}),
    ("--protected-mode", {"yes", "no"}),
])
def test_values_are_offered(completions, option, values):
    assert bash(completions, option, "") == values
    assert bash(completions, option, "=", "") == values
    assert fish(completions, option, "") == values


def test_bash_completes_the_word_begun(completions):
    assert bash(completions, "--log") == {"--log-level", "--log-format"}
    assert bash(completions, "--log-level", "=", "w") == {"warn"}
