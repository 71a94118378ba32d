"""`number-dispenser commands`: the same table that the server answers COMMAND from."""

import json

import pytest

from harness.server import run_binary


def reference(*names):
    ended = run_binary("commands", "--json", *names)
    assert (ended.status, ended.stderr) == (0, "")
    return json.loads(ended.stdout)


def rows_of_the_server(client):
    """Every row of COMMAND, subcommands too, by its name as it is typed."""
    rows = {}
    for row in client.command("COMMAND"):
        for one in (row, *row[9]):
            rows[one[0].decode().upper().replace("|", " ")] = one
    return rows


def test_rows_are_those_of_command(client):
    served = rows_of_the_server(client)
    printed = {row["name"]: row for row in reference()["commands"]}
    assert set(printed) == set(served)
    for name, row in printed.items():
        assert row["arity"] == served[name][1], name
        assert {f"@{category}".encode() for category in row["categories"]} == set(served[name][6])


def test_list_has_a_line_and_a_summary_for_each_command_but_containers():
    lines = run_binary("commands").stdout.splitlines()
    shown = {(usage, summary.strip()) for usage, summary in zip(lines[::2], lines[1::2])}
    expected = {
        (f"{row['name']} {row['syntax']}".strip(), row["summary"])
        for row in reference()["commands"]
        if not row.get("container")
    }
    assert shown == expected


@pytest.mark.parametrize(
    "names, first_line",
    [
        (("get",), "GET name"),
        (("GET",), "GET name"),
        (("client", "id"), "CLIENT ID"),
        (("client",), "CLIENT CACHING YES|NO"),
    ],
)
def test_one_command_is_described(names, first_line):
    ended = run_binary("commands", *names)
    assert ended.status == 0
    assert ended.stdout.splitlines()[0] == first_line


@pytest.mark.parametrize("names", [("frobnicate",), ("get", "id"), ("client", "x"), ("a", "b", "c")])
def test_an_unknown_command_is_a_usage_error(names):
    ended = run_binary("commands", *names)
    assert (ended.status, ended.stdout) == (64, "")
    assert " ".join(names) in ended.stderr and len(ended.lines) == 1
