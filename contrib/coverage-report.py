#!/usr/bin/python3
"""Which lines and branches of include/ and src/ were run, from the counters that gcc's --coverage leaves.

Usage: coverage-report.py BUILD REPORT [WHOLE_LAYER...]

Prints a table of the layers, and writes what was missed in each file to REPORT. Exit status 1 if a WHOLE_LAYER has
missed something. Not counted are branches that only an exception takes, the sides of ND_CHECK that abort, and what
the source excludes with its reason: "LCOV_EXCL_LINE: ...", "LCOV_EXCL_BR_LINE: ..." (its branches only), or all
from "LCOV_EXCL_START: ..." to "LCOV_EXCL_STOP".
"""

import collections
import json
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
WITH_REASON = re.compile(r"LCOV_EXCL_(LINE|BR_LINE|START): \S")


class File:
    def __init__(self, path):
        self.path = path
        self.lines = collections.Counter()
        self.branches = {}  # by line, then by number of branches: counts; instances of a template are one
        self.text = (ROOT / path).read_text().splitlines()
        self.no_line, self.no_branch = set(), set()
        inside = False
        for number, text in enumerate(self.text, 1):
            if "LCOV_EXCL" in text and "LCOV_EXCL_STOP" not in text and not WITH_REASON.search(text):
                sys.exit(f"{path}:{number}: an exclusion without its reason")
            inside = (inside or "LCOV_EXCL_START" in text) and "LCOV_EXCL_STOP" not in text
            # At a closing brace gcc runs what an exception leaves to be done.
            if inside or "LCOV_EXCL_LINE" in text or text.strip() == "}":
                self.no_line.add(number)
            if inside or "LCOV_EXCL_" in text or "ND_CHECK(" in text or text.strip() == "}":
                self.no_branch.add(number)

    def add(self, line):
        number = line["line_number"]
        self.lines[number] += line["count"]
        counts = [branch["count"] for branch in line["branches"] if not branch["throw"]]
        # What remains of a pair whose other side is an exception is no choice.
        if len(counts) < 2:
            return
        known = self.branches.setdefault(number, {}).setdefault(len(counts), [0] * len(counts))
        for at, count in enumerate(counts):
            known[at] += count

    def judge(self):
        """[lines, of them run, branches, of them taken], and the missed lines' numbers."""
        totals, missed = [0, 0, 0, 0], {}
        for number, count in sorted(self.lines.items()):
            if number in self.no_line:
                continue
            totals[0] += 1
            totals[1] += count > 0
            if count == 0:
                missed[number] = "line"
                continue
            if number in self.no_branch:
                continue
            for counts in self.branches.get(number, {}).values():
                taken = sum(count > 0 for count in counts)
                totals[2] += len(counts)
                totals[3] += taken
                if taken != len(counts):
                    missed[number] = f"{len(counts) - taken} of {len(counts)} branches"
        return totals, missed


def read_counters(build):
    files = {}
    for counters in sorted(build.rglob("*.gcda")):
        found = subprocess.run(["gcov", "--json-format", "--branch-probabilities", "--stdout", counters],
                               cwd=build, capture_output=True, check=True).stdout
        for one in found.splitlines():
            for file in json.loads(one)["files"]:
                path = (build / file["file"]).resolve()
                if not path.is_relative_to(ROOT / "src") and not path.is_relative_to(ROOT / "include"):
                    continue
                name = str(path.relative_to(ROOT))
                known = files.setdefault(name, File(name))
                for line in file["lines"]:
                    known.add(line)
    return files


def layer_of(path):
    parts = pathlib.Path(path).parts
    return parts[2] if parts[0] == "include" else parts[1] if len(parts) > 2 else "main"


def percent(part, whole):
    # Never rounded up to 100.
    return f"{int(1000 * part / whole) / 10:6.1f} %" if whole else "       -"


def main():
    build, report, whole = pathlib.Path(sys.argv[1]).resolve(), sys.argv[2], sys.argv[3:]
    layers = collections.defaultdict(lambda: [0, 0, 0, 0])
    complete = {}
    with open(report, "w") as out:
        for path, file in sorted(read_counters(build).items()):
            totals, missed = file.judge()
            layer = layer_of(path)
            layers[layer] = [sum(pair) for pair in zip(layers[layer], totals)]
            complete[layer] = complete.get(layer, True) and not missed
            out.write(f"{path}: lines {percent(totals[1], totals[0])}, branches "
                      f"{percent(totals[3], totals[2])}\n")
            for number, what in missed.items():
                out.write(f"  {number:>4}  {what:<18} {file.text[number - 1]}\n")
    layers["all"] = [sum(column) for column in zip(*layers.values())]
    print(f"{'layer':<12} {'lines':>6}  {'run':>8}  {'branches':>8}  {'taken':>8}")
    for layer, (lines, run, branches, taken) in layers.items():
        print(f"{layer:<12} {lines:>6}  {percent(run, lines)}  {branches:>8}  {percent(taken, branches)}")
    wanting = [layer for layer in whole if not complete.get(layer)]
    if wanting:
        sys.exit(f"not everything is reached in: {', '.join(wanting)}; see {report}")


if __name__ == "__main__":
    main()
