"""The promise (SPEC section 1): no number twice, each connection's numbers increasing, waste within the budget."""


class PromiseBroken(AssertionError):
    """No busy machine explains it: contrib/check never gives such a test a second look (CONTRIBUTING.md)."""


def promise(kept, *seen):
    """`seen` says what was seen instead."""
    if not kept:
        raise PromiseBroken(*seen)
