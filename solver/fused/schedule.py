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

    compilers: tuple[str, ...]
    flags: tuple[str, ...] = ()
    prefetch: int = 1
    recompute_geometry: bool = True


def default_schedule(geometry_degree: int, *, calls_library: bool) -> Schedule:
    """Return a good schedule.

    Geometry of trilinear elements costs an eighth of the operations of an apply and saves half
    of its bytes; that of curved ones costs half of the operations.

    Args:
        geometry_degree: Degree of the element maps.
        calls_library: Whether the QFunction calls logarithms and the like.  clang schedules
            arithmetic better, by a fifth; gcc calls glibc's functions for whole registers, clang
            for halves of them.
    """
    clang, gcc = ("clang-19", "clang"), ("gcc", "cc")
    return Schedule(
        compilers=(*gcc, *clang) if calls_library else (*clang, *gcc),
        recompute_geometry=geometry_degree == 1,
    )
