"""What the documents name exists: files, links, and in ARCHITECTURE.md the parts of the program."""

import re

import pytest

from served import REPOSITORY

DOCUMENTS = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "bench/README.md", "tests/sim/README.md",
             "tests/jepsen/README.md", "tests/model/README.md", "tests/powercut/README.md"]
FOLDERS = r"(?:src|include|tests|contrib|bench|man)"


def prose(name):
    return re.sub(r"^```.*?^```$", "", (REPOSITORY / name).read_text(), flags=re.MULTILINE | re.DOTALL)


def code(name):
    """What stands between single backticks."""
    return re.findall(r"`([^`\n]+)`", prose(name))


@pytest.fixture(scope="module", name="sources")
def sources_fixture():
    folders = (REPOSITORY / "src", REPOSITORY / "include")
    return "\n".join(path.read_text() for folder in folders for path in folder.rglob("*.[ch]*"))


@pytest.mark.parametrize("name", DOCUMENTS)
def test_links_lead_to_files(name):
    targets = re.findall(r"\]\(([^)#:\s]+)(?:#[^)]*)?\)", prose(name))
    folder = (REPOSITORY / name).parent
    assert [target for target in targets if not (folder / target).exists()] == []


@pytest.mark.parametrize("name", DOCUMENTS)
def test_files_exist(name):
    found = {path.rstrip("./") for text in code(name)
             for path in re.findall(rf"(?<![\w/.-])({FOLDERS}/[\w./-]+)", text)}
    built = {"tests/sim/nd-sim"}  # a target, not a file of the tree
    missing = [path for path in sorted(found - built) if not (REPOSITORY / path).exists()]
    assert missing == []


def test_architecture_names_what_is_there(sources):
    names = set(re.findall(r"(\w+)\(\)", (REPOSITORY / "ARCHITECTURE.md").read_text()))
    for text in code("ARCHITECTURE.md"):
        names |= set(re.findall(r"(?:^|::)([A-Z]\w*[a-z]\w*|[a-z_]+_)(?=$|::|\()", text))
    assert {"Loop", "Connection", "release", "run_tick"} <= names
    assert [name for name in sorted(names) if not re.search(rf"\b{name}\b", sources)] == []


def test_headers_of_the_architecture_exist():
    headers = {text for text in code("ARCHITECTURE.md") if re.fullmatch(r"\w+/\w+\.h", text)}
    assert headers
    public = REPOSITORY / "include/number_dispenser"
    assert [header for header in headers if not (public / header).exists()] == []
