"""Which tests contrib/check gives a second look, and what becomes of them: on a tree of its own with one suite."""

import json
import shutil
import subprocess
from xml.etree.ElementTree import Element, ElementTree, SubElement

import pytest
from served import REPOSITORY

# Instead of what a real tree has.
NO_TREE = """
install_check_packages() { :; }
build_release() { :; }
"""
# Fails when it runs for the first time.
UNSTEADY = """
import pathlib
import pytest

@pytest.mark.parametrize("which", range({count}))
def test_unsteady(which):
    mark = pathlib.Path(f"ran-{{which}}")
    ran, _ = mark.exists(), mark.touch()
    assert ran, "waited in vain"
"""
STEADY = "def test_steady(): pass\n"


@pytest.fixture(name="check")
def check_fixture(tmp_path):
    """check(source of tests): runs them as the suite of the step e2e; (whether it passed, what it printed)."""
    (tmp_path / "contrib").mkdir()
    for name in ("check", "lib.sh", "check-steps.sh", "check-results.py"):
        shutil.copy(REPOSITORY / "contrib" / name, tmp_path / "contrib")
    with open(tmp_path / "contrib/check-steps.sh", "a", encoding="ascii") as steps:
        steps.write(NO_TREE)
    (tmp_path / "tests/e2e/harness").mkdir(parents=True)
    shutil.copy(REPOSITORY / "tests/e2e/harness/promise.py", tmp_path / "tests/e2e/harness")

    def check(source):
        (tmp_path / "tests/e2e/test_suite.py").write_text(source)
        done = subprocess.run([tmp_path / "contrib/check", "--only", "e2e"], capture_output=True, text=True,
                              timeout=300, check=False)
        return done.returncode == 0, done.stdout + done.stderr

    return check


def test_what_passes_twice_alone_is_unsteady_and_counts_as_passed(check):
    passed, said = check(STEADY + UNSTEADY.format(count=3))
    assert passed, said
    assert "unsteady: e2e: tests/e2e/test_suite.py::test_unsteady[2] (failed beside other work" in said
    assert said.endswith("\n4 passed, 0 failed\n")


def test_what_fails_again_stays_failed(check):
    passed, said = check(STEADY + "def test_broken(): assert False\n")
    assert not passed
    assert "failed again, alone: e2e: tests/e2e/test_suite.py::test_broken" in said
    assert said.endswith("\nfailed: e2e\n1 passed, 1 failed\n")


def test_passing_once_of_two_times_is_not_enough(check):
    passed, said = check(UNSTEADY.format(count=1) + "    mark.rename('ran-again') if which == 0 else None\n")
    assert not passed and "failed again, alone" in said, said


def test_four_failures_are_too_many(check):
    passed, said = check(UNSTEADY.format(count=4))
    assert not passed and "4 tests failed: more than a busy machine explains" in said, said


def test_a_broken_promise_gets_no_second_look(check):
    broken = "from harness.promise import promise; promise(ran, 'a number twice')"
    passed, said = check(UNSTEADY.format(count=1).replace('assert ran, "waited in vain"', broken))
    assert not passed
    assert "alone" not in said and said.endswith("\nfailed: e2e\n0 passed, 1 failed\n"), said


@pytest.mark.parametrize("again, failure", [
    (True, ">   wait_for(ready)\nE   AssertionError: waited 20 s in vain"),
    (True, "    info = client.info('x')['wasted']\n>   assert took < 1\nE   assert 2 < 1"),
    (True, "E   AssertionError: exit status 1 at the end"),
    (False, "E   harness.promise.PromiseBroken: 7 after 7"),
    (False, ">   assert len(set(numbers)) == len(numbers)\nE   assert 1 == 2"),
    (False, ">   assert client.info('x')['wasted'] == '0'\nE   assert '3' == '0'"),
    (False, "E   AssertionError: exit status -6 at the end: "),
    (False, "E   AssertionError: Exit(status=-11, stderr='')"),
    (False, "number-dispenser: broken invariant at bound.cc:1: a < b: 3"),
    (False, "SUMMARY: AddressSanitizer: heap-use-after-free"),
    (False, "bound.cc:3:1: runtime error: signed integer overflow"),
])
def test_only_what_time_can_explain_gets_a_second_look(tmp_path, again, failure):
    suite = Element("testsuite")
    case = SubElement(suite, "testcase", file="tests/e2e/test_x.py", name="test_x[a]")
    SubElement(case, "failure", message=failure.splitlines()[-1]).text = failure
    ElementTree(suite).write(tmp_path / "report.xml")
    assert names_for_again("pytest", tmp_path / "report.xml") == ("tests/e2e/test_x.py::test_x[a]\n" if again else "")


@pytest.mark.parametrize("again, result, name, output", [
    (True, "FAIL", "AcceptsInTime", ""),
    (True, "TIMEOUT", None, ""),
    (False, "FAIL", "IssuesNothingTwice", ""),
    (False, "FAIL", None, ""),
    (False, "FAIL", "AcceptsInTime", "ERROR: LeakSanitizer: detected memory leaks"),
])
def test_only_what_time_can_explain_in_a_unit_test_gets_one(tmp_path, again, result, name, output):
    (tmp_path / "meson-logs").mkdir()
    run = {"name": "number-dispenser:unit / unit-net", "result": result, "stdout": output}
    (tmp_path / "meson-logs/testlog.json").write_text(json.dumps(run))
    if name:
        suite = Element("testsuite")
        SubElement(SubElement(suite, "testcase", name=name), "failure", message="net_test.cc:1")
        ElementTree(suite).write(tmp_path / "unit-net.xml")
    assert names_for_again("meson", tmp_path) == ("unit-net\n" if again else "")


def names_for_again(runner, report):
    command = [REPOSITORY / "contrib/check-results.py", "again", runner, report]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False).stdout
