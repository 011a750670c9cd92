"""How a fused kernel does its work: what a tuner may change without changing the result."""

from dataclasses import dataclass

#: Bytes of the vectors that kernels are written with: a cache line, and the widest registers of
#: today.  Compilers split them where registers are narrower.
VECTOR_BYTES = 64


@dataclass(frozen=True)
class Schedule:
    """The schedule of a fused kernel.

    Attributes:
        compilers: C compilers in order of preference; the first one that is there builds it.
        flags: Flags beside those of `elastane.materials.compiler.native`.
        prefetch: Blocks ahead of which arrays at points are asked for; 0 leaves it to the machine.
        recompute_geometry: Whether quadrature data come from the nodes of the element maps in
            every apply instead of from memory.
    """

    compilers: tuple[str, ...] = ("clang-19", "clang", "gcc", "cc")
    flags: tuple[str, ...] = ()
    prefetch: int = 1
    recompute_geometry: bool = True


def default_schedule(geometry_degree: int) -> Schedule:
    """Return a good schedule.

    Geometry of trilinear elements costs an eighth of the operations of an apply and saves two
    fifths of its bytes; that of curved ones costs half of the operations.
    """
    return Schedule(recompute_geometry=geometry_degree == 1)
