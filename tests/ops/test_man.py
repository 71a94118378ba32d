"""The manual pages: lint, and agreement with the program and the example configuration."""

import json
import os
import re
import subprocess

import pytest
import redis

PAGES = [
    "number-dispenser.8",
    "number-dispenser.conf.5",
    "number-dispenser-commands.7",
    "number-dispenser-strategies.7",
    "number-dispenser-cluster.7",
]


@pytest.fixture
def manual(repository):
    return repository / "man"


def documented_options(page):
    """Long options that have an entry of their own: .It Fl -addr, .It Fl V , -version."""
    entries = re.findall(r"^\.It Fl (.*)$", page, re.MULTILINE)
    return {option for entry in entries for option in re.findall(r"(?:^| )-([a-z-]+)", entry)}


def help_options(help_text):
    return set(re.findall(r"^  (?:-\w, )?--([a-z-]+)", help_text, re.MULTILINE))


def test_every_page_is_in_this_list(manual):
    assert sorted(path.name for path in manual.glob("*.[1-9]")) == sorted(PAGES)


@pytest.mark.parametrize("page", PAGES)
def test_mandoc_has_no_warning(manual, page):
    done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", manual / page],
                          capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("page", PAGES)
def test_man_has_no_warning_and_renders_text(manual, page):
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    done = subprocess.run(["man", "--warnings", "-l", manual / page], env=environment,
                          capture_output=True, text=True, timeout=120)
    assert done.returncode == 0
    assert done.stderr == ""
    assert "SEE ALSO" in done.stdout


@pytest.mark.parametrize("page", PAGES)
def test_references_to_our_pages_exist(manual, page):
    text = (manual / page).read_text()
    references = re.findall(r"^\.(?:Pq see )?Xr (number-dispenser\S*) (\d)", text, re.MULTILINE)
    assert references
    assert {f"{name}.{section}" for name, section in references} <= set(PAGES)


def test_options_are_those_of_help(manual, help_text):
    assert documented_options((manual / PAGES[0]).read_text()) == help_options(help_text)


def test_variables_are_those_of_help(manual, help_text):
    page = (manual / PAGES[0]).read_text()
    variables = set(re.findall(r"^\.It Ev (NUMBER_DISPENSER_\w+)$", page, re.MULTILINE))
    assert variables == set(re.findall(r"NUMBER_DISPENSER_[A-Z_]+", help_text))


def test_exit_statuses_are_those_of_help(manual, help_text):
    page = (manual / PAGES[0]).read_text()
    documented = re.search(r"^\.Sh EXIT STATUS$(.*?)^\.Sh", page, re.MULTILINE | re.DOTALL)[1]
    shown = help_text.partition("Exit status:")[2]
    assert (re.findall(r"^\.It (\d+)$", documented, re.MULTILINE)
            == re.findall(r"^  (\d+) ", shown, re.MULTILINE))


def test_commands_are_those_of_the_program(manual, server_binary):
    """All but containers, which do nothing without a subcommand."""
    page = (manual / PAGES[2]).read_text()
    documented = re.findall(r"^\.It Ic ([A-Z]+(?: [A-Z-]+)?)(?= |$)", page, re.MULTILINE)
    printed = subprocess.run([server_binary, "commands", "--json"], check=True, timeout=120,
                             capture_output=True, text=True).stdout
    rows = json.loads(printed)["commands"]
    assert sorted(documented) == sorted(row["name"] for row in rows if not row.get("container"))


def test_reserved_names_are_refused_and_others_are_not(manual, start_server):
    page = (manual / PAGES[2]).read_text()
    section = re.search(r"^\.Ss Reserved names$(.*?)^\.Ss", page, re.MULTILINE | re.DOTALL)[1]
    names = re.sub(r"\s+", " ", section.rpartition("section:")[2]).strip(" .").split(", ")
    assert len(names) == 16
    server = redis.Redis(port=start_server().port)
    for name in names:
        for spelling in (name, name.upper()):
            with pytest.raises(redis.ResponseError, match="section"):
                server.execute_command("HSET", spelling, "type", "3")
    assert server.execute_command("HSET", "sections", "type", "3") == 1


def test_keys_of_the_configuration_page_are_those_of_the_example(manual, repository):
    page = (manual / PAGES[1]).read_text()
    documented, section = set(), None
    for kind, name in re.findall(r"^\.(Ss|It Cm) (\w+)", page, re.MULTILINE):
        if kind == "Ss":
            section = name
        else:
            documented.add(f"{section}.{name}")

    example, section = set(), None
    text = (repository / "contrib/number-dispenser.yaml").read_text()
    for indent, name in re.findall(r"^(  )?(?:# )?([a-z_]+):(?: |$)", text, re.MULTILINE):
        if not indent:
            section = name
        else:
            example.add(f"{section}.{name}")
    assert documented == example
