"""The record of what clients asked and received: lines that are only ever appended, one for each dispenser of a
request or pipeline.

    number  ASKED DONE CONNECTION DISPENSER FIRST+COUNT FIRST+COUNT ...    consecutive numbers, in order of arrival
    none    ASKED DONE CONNECTION DISPENSER ! text                         an error reply
    lost    ASKED DONE CONNECTION DISPENSER ? COUNT                        numbers asked for, and no reply came

Times are nanoseconds of the machine's monotonic clock. A file is of one process that was asked (a node, or a clone).
"""

from collections import namedtuple

GENERATION = 10**12  # each definition of a name has the numbers of its own generation, so a number tells which

Reply = namedtuple("Reply", "asked done connection name runs")  # runs: [(first, last)]
Refusal = namedtuple("Refusal", "asked done connection name text")
Lost = namedtuple("Lost", "asked done connection name count")


def pack(numbers, step):
    """Numbers in order of arrival as runs of consecutive ones."""
    runs = []
    for number in numbers:
        if runs and number == runs[-1][0] + step * runs[-1][1]:
            runs[-1][1] += 1
        else:
            runs.append([number, 1])
    return " ".join(f"{first}+{count}" for first, count in runs)


class Writer:
    """Thread-safe: each line is one write."""

    def __init__(self, path):
        self._file = open(path, "a", encoding="ascii", buffering=1)  # noqa: SIM115

    def replies(self, asked, done, connection, name, numbers, step):
        self._file.write(f"{asked} {done} {connection} {name} {pack(numbers, step)}\n")

    def block(self, asked, done, connection, name, first, count):
        self._file.write(f"{asked} {done} {connection} {name} {first}+{count}\n")

    def refusal(self, asked, done, connection, name, text):
        self._file.write(f"{asked} {done} {connection} {name} ! {text}\n")

    def lost(self, asked, done, connection, name, count):
        self._file.write(f"{asked} {done} {connection} {name} ? {count}\n")

    def close(self):
        self._file.close()


def read(path, steps):
    """The lines of a file; one that was cut off at its end is left out."""
    with open(path, encoding="ascii") as lines:
        for line in lines:
            if not line.endswith("\n"):
                return
            asked, done, connection, name, rest = line[:-1].split(" ", 4)
            head = (int(asked), int(done), connection, name)
            if rest[0] == "!":
                yield Refusal(*head, rest[2:])
            elif rest[0] == "?":
                yield Lost(*head, int(rest[2:]))
            else:
                runs = []
                for run in rest.split():
                    first, _, count = run.partition("+")
                    runs.append((int(first), int(first) + steps[name] * (int(count) - 1)))
                yield Reply(*head, runs)
