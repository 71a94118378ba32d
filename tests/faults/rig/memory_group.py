"""A control group with a limit of memory, version 2 or 1, whichever has the controller."""

import os
import tempfile
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def _layouts():
    """(folder, file of the limit, file of the limit with swap, file of the peak) that may work."""
    for root in (_ROOT, _ROOT / "unified"):
        controllers = root / "cgroup.subtree_control"
        if controllers.exists() and "memory" in controllers.read_text().split():
            yield root, "memory.max", "memory.swap.max", "memory.peak"
    if (_ROOT / "memory" / "memory.limit_in_bytes").exists():
        yield (
            _ROOT / "memory",
            "memory.limit_in_bytes",
            "memory.memsw.limit_in_bytes",
            "memory.max_usage_in_bytes",
        )


class MemoryGroup:
    """Made empty; processes enter by `wrapper`. Raises OSError where groups cannot be made."""

    def __init__(self, limit_bytes):
        self.folder = None
        for root, limit, swap, peak in _layouts():
            self.folder = Path(tempfile.mkdtemp(prefix="nd-faults-", dir=root))
            self._peak = self.folder / peak
            (self.folder / limit).write_text(str(limit_bytes))
            if (self.folder / swap).exists():
                # Version 1 counts memory and swap together, version 2 swap alone.
                (self.folder / swap).write_text(str(limit_bytes if "memsw" in swap else 0))
            return
        raise OSError("no memory controller")

    @property
    def wrapper(self):
        """A command that enters the group and then executes its arguments."""
        return ("sh", "-c", f'echo $$ > {self.folder}/cgroup.procs && exec "$@"', "enter")

    def peak_bytes(self):
        return int(self._peak.read_text()) if self._peak.exists() else 0

    def out_of_memory_kills(self):
        for name in ("memory.events", "memory.oom_control"):
            file = self.folder / name
            if file.exists():
                counts = dict(line.split() for line in file.read_text().splitlines())
                return int(counts["oom_kill"])
        return 0

    def discard(self):
        os.rmdir(self.folder)
