"""Where a solve runs: the libCEED resource and the PETSc types that go with it."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Backend:
    """A place to run.

    Attributes:
        resource: libCEED resource.
        vec_type: PETSc vector type.
        mat_type: PETSc type of assembled matrices.
        fused: Whether our own kernels (`elastane.solver.fused`) apply the operators.
    """

    resource: str
    vec_type: str
    mat_type: str
    fused: bool = False


BACKENDS = {
    "cpu": Backend("/cpu/self/avx/blocked", vec_type="standard", mat_type="aij", fused=True),
    "cuda": Backend("/gpu/cuda/gen", vec_type="cuda", mat_type="aijcusparse"),
    "hip": Backend("/gpu/hip/gen", vec_type="hip", mat_type="aijhipsparse"),
}


def find_backend(name: str) -> Backend:
    """Return the backend of that name, or libCEED alone on the CPU resource given.

    Raises:
        ValueError: If there is none; the message lists those there are.
    """
    if name.startswith("/cpu/"):
        return Backend(name, vec_type="standard", mat_type="aij")
    try:
        return BACKENDS[name]
    except KeyError:
        known = ", ".join(BACKENDS)
        raise ValueError(
            f"unknown backend {name!r}; the backends are {known}, "
            "or a libCEED resource such as /cpu/self/opt/blocked"
        ) from None
