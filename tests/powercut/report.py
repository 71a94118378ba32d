"""The results as a table in Markdown, and as one line."""

import time

from harness.ledger import BUDGETS


def _percent(share):
    return f"{float(share) * 100:.3f} %"


def table(results, kernel):
    lines = [
        "",
        f"{time.strftime('%Y-%m-%d')}, Linux {kernel.name.removeprefix('vmlinuz-')}",
        "",
        "| file system | cuts (load, idle, start) | replies recorded | changes acknowledged "
        "| duplicates | anything else wrong |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        cuts = ", ".join(str(found.cuts[moment]) for moment in ("load", "idle", "start"))
        lines.append(
            f"| {name} | {sum(found.cuts.values())} ({cuts}) | {found.replies:,} "
            f"| {found.changes:,} | {found.duplicates:,} | {len(found.wrong) or 'nothing'} |"
        )
    lines += [
        "",
        "| file system | strategy | budget | largest share wasted, by INFO "
        "| in flight at the cuts | of these lost, not counted as wasted |",
        "|---|---|---|---|---|---|",
    ]
    for name, found in results.items():
        for strategy, budget in BUDGETS.items():
            if found.in_flight[strategy]:
                lines.append(
                    f"| {name} | {strategy} | {_percent(budget)} "
                    f"| {_percent(found.waste[strategy])} | {found.in_flight[strategy]:,} "
                    f"| {found.lost[strategy]:,} |"
                )
    return "\n".join([*lines, ""])


def last_line(results):
    found = list(results.values())
    cuts = sum(sum(one.cuts.values()) for one in found)
    return (
        f"powercut: {cuts} cuts, {sum(one.duplicates for one in found)} duplicates, "
        f"{sum(len(one.wrong) for one in found)} wrong, {sum(one.replies for one in found)} replies"
    )
