#!/usr/bin/python3
"""What contrib/check asks of the test runners.

Usage: check-results.py pytest JUNIT_FILE    prints "passed failed skipped" of its test cases
       check-results.py meson BUILD          the same of the last `meson test` in that build directory
       check-results.py threaded BUILD       prints which tests are in sources that start threads: first a
                                             filter for GoogleTest, then the meson tests, one a line
       check-results.py again pytest JUNIT_FILE
       check-results.py again meson BUILD    prints which tests failed, one a line, as their runner wants them
                                             named; exit status 1, and nothing printed, if one of them may not
                                             be given a second look (CONTRIBUTING.md)
"""

import json
import pathlib
import re
import subprocess
import sys
import xml.etree.ElementTree


def count_cases(path):
    """[passed, failed, skipped] in a JUnit file of pytest or GoogleTest."""
    counts = [0, 0, 0]
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            counts[1] += 1
        elif case.find("skipped") is not None or case.get("status") == "notrun":
            counts[2] += 1
        else:
            counts[0] += 1
    return counts


def count_meson(build):
    """Each program's own test cases where it has written a JUnit file, else one for the program."""
    total = [0, 0, 0]
    place = {"OK": 0, "EXPECTEDFAIL": 0, "SKIP": 2}
    for line in (build / "meson-logs/testlog.json").read_text().splitlines():
        run = json.loads(line)
        outcome = place.get(run["result"], 1)
        report = build / (re.split(r" / |:", run["name"])[-1] + ".xml")
        counts = count_cases(report) if report.exists() else [0, 0, 0]
        # Nothing reported, or all passed and yet a failure: a leak, a crash at the end.
        if sum(counts) == 0 or (outcome == 1 and counts[1] == 0):
            counts[outcome] += 1
        total = [sum(pair) for pair in zip(total, counts)]
    return total


# No busy machine explains these: what harness/promise.py raises, a sanitizer, ND_CHECK, a crash.
BROKEN = re.compile(r"PromiseBroken|Sanitizer|runtime error:|broken invariant|Aborted|Segmentation fault"
                    r"|(?:status|ended with)[ =:]*-(?:4|6|7|8|11)\b")
# Nor the same in the words of other tests: in the statement that failed, and in what it saw.
SUSPECT = re.compile(r"^[>E] .*(?:wast|twice|duplicate|len\(set\()", re.MULTILINE)
# GoogleTest shows no statement; names of tests tell.
SUSPECT_UNIT = re.compile("twice|duplicate|unique|repeat|wast", re.IGNORECASE)


def failed_cases(path):
    """(test case, all that was said of its failure) in a JUnit file."""
    for case in xml.etree.ElementTree.parse(path).iter("testcase"):
        if case.find("failure") is not None or case.find("error") is not None:
            yield case, "\n".join([part.get("message", "") + "\n" + (part.text or "") for part in case])


def pytest_again(report):
    """The failed tests, or None; what failed outside a test has no name to call it by."""
    names = {}
    for case, text in failed_cases(report):
        if not case.get("file") or BROKEN.search(text) or SUSPECT.search(text):
            return None
        names[f"{case.get('file')}::{case.get('name')}"] = True
    return names


def meson_again(build):
    names = {}
    for line in (build / "meson-logs/testlog.json").read_text().splitlines():
        run = json.loads(line)
        if run["result"] in ("OK", "EXPECTEDFAIL", "SKIP"):
            continue
        name = re.split(r" / |:", run["name"])[-1]
        report = build / f"{name}.xml"
        cases = list(failed_cases(report)) if report.exists() else []
        said = "\n".join(f"{case.get('name')}\n{text}" for case, text in cases)
        # A program that ends early without a failed case has crashed or leaked.
        crashed = run["result"] != "TIMEOUT" and not cases
        if crashed or SUSPECT_UNIT.search(said) or BROKEN.search(said + run["stdout"] + run.get("stderr", "")):
            return None
        names[name] = True
    return names


def introspect(what, build):
    command = ["meson", "introspect", what, str(build)]
    return json.loads(subprocess.run(command, capture_output=True, check=True).stdout)


def threaded_sources(target):
    for group in target["target_sources"]:
        for path in group.get("sources", []):
            text = pathlib.Path(path).read_text()
            if re.search(r"std::(jthread|thread|async)\b|EtcdAsker\b", text):
                yield text


def threaded_tests(build):
    threaded, suites = set(), set()
    for target in introspect("--targets", build):
        for text in threaded_sources(target):
            threaded.add(target["id"])
            suites.update(re.findall(r"^TEST(?:_F|_P)?\((\w+),", text, re.MULTILINE))
    tests = introspect("--tests", build)
    yield ":".join(f"{suite}.*:*/{suite}.*" for suite in sorted(suites))
    yield from (test["name"] for test in tests if threaded & set(test["depends"]))


def main():
    what, path = sys.argv[1], pathlib.Path(sys.argv[-1])
    if what == "again":
        names = pytest_again(path) if sys.argv[2] == "pytest" else meson_again(path)
        if not names:
            return 1
        print(*names, sep="\n")
    elif what == "threaded":
        print(*threaded_tests(path), sep="\n")
    else:
        print(*(count_cases(path) if what == "pytest" else count_meson(path)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
