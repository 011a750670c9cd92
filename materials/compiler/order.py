"""Sixth stage, in between: an order of statements in which few values are alive at once.

A thread of a GPU has 255 registers of four bytes, and what does not fit goes to memory and back,
at every point.  Depth first, as results need them, up to 152 numbers of a built-in residual are
alive at once, and three sets of kernels spill in double precision.  Compilers do not mend this:
they order what lies between two branches, and logarithms branch.
"""

from collections.abc import Collection, Sequence


def shorten_lives(needs: Sequence[Collection[int]]) -> list[int]:
    """Return an order of statements in which few values are alive at once.

    From the last statement to the first, always take the one that leaves the fewest values alive,
    among equals the one that was latest; or leave them as they are, if that is as good.

    Args:
        needs: For each statement, which ones before it compute what it reads.  What none reads is
            a result, which stays alive to the end.
    """
    given = list(range(len(needs)))
    return min(given, _backwards(needs), key=lambda order: count_alive(needs, order))


def count_alive(needs: Sequence[Collection[int]], order: Sequence[int]) -> int:
    """Return the largest number of values that are alive after any statement."""
    last = {needed: place for place, k in enumerate(order) for needed in needs[k]}
    ends = [0] * len(order)
    for place in last.values():
        ends[place] += 1
    alive = largest = 0
    for end in ends:
        alive += 1 - end
        largest = max(largest, alive)
    return largest


def _backwards(needs: Sequence[Collection[int]]) -> list[int]:
    """Return the order from the last statement to the first, turned round."""
    readers = [0] * len(needs)
    for needed in (x for entry in needs for x in entry):
        readers[needed] += 1
    ready = [k for k, count in enumerate(readers) if count == 0]
    alive: set[int] = set()
    order = []

    def preference(k: int) -> tuple[int, int]:
        return sum(x not in alive for x in needs[k]) - (k in alive), -k

    while ready:
        k = min(ready, key=preference)
        ready.remove(k)
        alive.discard(k)
        alive.update(needs[k])
        order.append(k)
        for needed in needs[k]:
            readers[needed] -= 1
            if readers[needed] == 0:
                ready.append(needed)
    return order[::-1]
