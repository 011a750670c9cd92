"""Texts that are no harm as long as nobody takes them for anything but text."""

import itertools
import random
from collections.abc import Iterator

#: What has broken batch scripts before: shells, sbatch's own quoting, templates, terminals.
BAIT = [
    "$(touch CANARY)", "`touch CANARY`", "; touch CANARY", "&& touch CANARY", "| touch CANARY",
    "\ntouch CANARY\n", "\n#SBATCH --wrap='touch CANARY'\n", "' touch CANARY '", '" touch CANARY "',
    "${IFS}touch${IFS}CANARY", "> CANARY", "#", "\\", "%j", "@STEP@", "@PYTHON@", "--wrap=touch",
    "-", "..", "../../x", "/etc/passwd", "*", "~root", "!!", "\t", "\r", "\x00", "\x1b[31m",
    "\u2028", "ü", "\u202e", "a b", "\x85", "",
]  # fmt: skip


def hostile(count: int) -> Iterator[str]:
    """Yield hostile texts: the bait alone, then in and around harmless words."""
    yield from BAIT[:count]
    generator = random.Random(5)
    pairs = list(itertools.product(BAIT, BAIT))
    generator.shuffle(pairs)
    for first, second in pairs[: max(count - len(BAIT), 0)]:
        yield generator.choice(["{}x{}", "x{}{}", "{}{}x"]).format(first, second)
