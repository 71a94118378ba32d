"""Shell completions: they load, and complete what the program itself says that it accepts."""

import json
import re
import shutil
import subprocess

import pytest


@pytest.fixture
def completions(repository):
    return repository / "contrib/completions"


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120,
                          stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def bash(completions, *words):
    quoted = " ".join(f"'{word}'" for word in ("number-dispenser", *words))
    script = ("compopt() { :; }\n"
              f"source {completions}/number-dispenser.bash\n"
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
zpty -w shell "stty rows 200 cols 200; PS1='>'; fpath=($1 \$fpath); autoload -Uz compinit; compinit -u -D; echo READ\Y"
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
    first = {"--": "--help", "client": "getname", "commands": "dbsize"}.get(
        words[-1] or words[-2:][0], "check")
    drawn = run("timeout", "20", "zsh", "-f", "-c", ZSH, "zsh", str(completions), line, first)
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\x07", "", drawn)
    return set(plain.split())


SHELLS = pytest.mark.parametrize("shell", [bash, fish, zsh])
COMMANDS = ["serve", "check", "dump", "commands"]


@pytest.fixture(scope="module")
def tables(server_binary):
    return json.loads(run(server_binary, "commands", "--json"))


@pytest.fixture
def options_of(tables):
    """The options of a command, with their dashes."""
    options = tables["command_line"]["options"]
    return lambda command: {f"--{option['name']}" for option in options
                            if command in option["commands"].split()}


def dashed(words):
    return {word for word in words if word.startswith("--") and word != "--"}


def test_options_of_all_commands_are_those_of_help(options_of, help_text):
    shown = {f"--{name}" for name in re.findall(r"^  (?:-\w, )?--([a-z-]+)", help_text, re.MULTILINE)}
    assert shown == set().union(*(options_of(command) for command in COMMANDS))


def test_commands_are_those_of_the_program(tables):
    assert [command["name"] for command in tables["command_line"]["commands"]] == COMMANDS


@SHELLS
def test_without_a_command_the_options_are_those_of_serve(completions, shell, options_of):
    assert dashed(shell(completions, "--")) == options_of("serve")


@SHELLS
def test_commands_are_offered_first(completions, shell):
    assert set(COMMANDS) <= shell(completions, "")


@SHELLS
@pytest.mark.parametrize("command", COMMANDS)
def test_command_has_its_own_options(completions, shell, command, options_of):
    assert dashed(shell(completions, command, "--")) == options_of(command)


@pytest.mark.parametrize("shell", [bash, fish])
def test_every_value_of_an_option_is_offered(completions, shell, tables):
    choices = {f"--{option['name']}": set(option["value"].split("|"))
               for option in tables["command_line"]["options"] if "|" in option["value"] and option["value"].islower()}
    assert choices
    assert {option: shell(completions, option, "") for option in choices} == choices


def test_bash_takes_an_equals_sign_for_a_space(completions):
    assert bash(completions, "--log-level", "=", "") == {"debug", "info", "warn", "error"}
    assert bash(completions, "--log-level", "=", "w") == {"warn"}
    assert bash(completions, "--log") == {"--log-level", "--log-format"}


@pytest.mark.parametrize("shell", [bash, fish])
def test_files_and_folders_are_offered(completions, shell, tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file.yaml").touch()
    found = {path.rstrip("/") for path in shell(completions, "--data", f"{tmp_path}/")}
    assert found == {f"{tmp_path}/folder"}
    assert f"{tmp_path}/file.yaml" in shell(completions, "--config", f"{tmp_path}/")


@SHELLS
def test_names_of_commands_are_offered(completions, shell, tables):
    names = {row["name"].lower() for row in tables["commands"] if " " not in row["name"]}
    assert names <= shell(completions, "commands", "")


@SHELLS
def test_names_of_subcommands_are_offered(completions, shell, tables):
    names = {row["name"].lower().partition(" ")[2] for row in tables["commands"]
             if row["name"].startswith("CLIENT ")}
    assert names <= shell(completions, "commands", "client", "")
