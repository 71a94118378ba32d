#!/usr/bin/python3
"""What contrib/check asks of the test runners.

Usage: check-results.py pytest JUNIT_FILE    prints "passed failed skipped" of its test cases
       check-results.py meson BUILD          the same of the last `meson test` in that build directory
       check-results.py threaded BUILD       prints which tests are in sources that start threads: first a
                                             filter for GoogleTest, then the meson tests, one a line
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
    what, path = sys.argv[1], pathlib.Path(sys.argv[2])
    if what == "threaded":
        print(*threaded_tests(path), sep="\n")
    else:
        print(*(count_cases(path) if what == "pytest" else count_meson(path)))


if __name__ == "__main__":
    main()
