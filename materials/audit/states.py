"""The designed set of displacement gradients: where materials go wrong.

Rest; one, two and three equal stretches, along the axes and askew; strains from 1e-11 to 10; J from
0.1 to 3; nearly no change of volume; shear; along and across fibres; under large rotations.  The
places of kinks are added to it once they are found in the graph.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

#: Strains up to this count as ordinary: every material must be good there.
MODERATE = 0.25

STRAINS = (1e-11, 1e-10, 1e-9, 1e-8, 1e-7, 1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0)
VOLUME_RATIOS = (0.1, 0.3, 0.5, 0.8, 1.2, 2.0, 3.0)
SHEARS = (1e-6, 0.2, 1.0, 3.0)
STRETCHES = (0.5, 0.8, 1.2, 2.0)

#: Changes of volume beside large changes of shape.
NEARLY_NONE = (0.0, 1e-12, 1e-6, -1e-6)

#: States on which the costly tests in 50 digits run.
CORE = frozenset(
    {
        "rest",
        "strain 1e-10",
        "strain 1e-06",
        "strain 0.001",
        "strain 0.1",
        "strain 1",
        "uniaxial 1.2",
        "biaxial 0.8",
        "two equal stretches askew",
        "volume 0.5",
        "volume 1.2",
        "shear 0.2",
        "shape at J - 1 = 1e-06",
        "large rotation",
        "along fibre 0, 1.2",
        "along fibre 0, 0.8",
    }
)


class State(NamedTuple):
    """A displacement gradient H, shape (3, 3), with a name."""

    name: str
    H: Floats

    @property
    def moderate(self) -> bool:
        """Return whether every material must be good here."""
        return is_moderate(self.H)


def is_moderate(H: Floats) -> bool:
    """Return whether the strain, large rotations apart, is at most MODERATE."""
    stretches = np.linalg.svd(np.eye(3) + H, compute_uv=False)
    return bool(np.abs(stretches - 1.0).max() <= MODERATE and np.linalg.det(np.eye(3) + H) > 0)


def designed_states(directions: Floats) -> list[State]:
    """Return the states for a material whose fibres have these directions, shape (fibres, 3)."""
    return [
        *_simple(),
        *_generic_strains(),
        *_near_incompressible(),
        *_rotated(),
        *_along_fibres(directions),
    ]


def stretch(*stretches: float) -> Floats:
    """Return H of three stretches along the axes."""
    return np.diag(stretches) - np.eye(3)


def rotation(axis: Floats, angle: float) -> Floats:
    """Return the rotation about an axis, by Rodrigues' formula."""
    x, y, z = np.asarray(axis) / np.linalg.norm(axis)
    W = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.eye(3) + np.sin(angle) * W + (1.0 - np.cos(angle)) * W @ W


def random_rotations(number: int, seed: int) -> Floats:
    """Return rotations, uniformly distributed, shape (number, 3, 3)."""
    Q, R = np.linalg.qr(np.random.default_rng(seed).standard_normal((number, 3, 3)))
    Q = Q * np.sign(np.diagonal(R, axis1=1, axis2=2))[:, None, :]
    return Q * np.linalg.det(Q)[:, None, None]


def generic(seed: int) -> Floats:
    """Return a tensor of no special kind whose largest entry is 1."""
    A = np.random.default_rng(seed).standard_normal((3, 3))
    return A / np.abs(A).max()


def perpendicular(direction: Floats) -> Floats:
    """Return a unit vector perpendicular to a direction."""
    other = np.eye(3)[np.argmin(np.abs(direction))]
    across = np.cross(direction, other)
    return across / np.linalg.norm(across)


def _simple() -> Iterator[State]:
    yield State("rest", np.zeros((3, 3)))
    for value in STRETCHES:
        yield State(f"uniaxial {value:g}", stretch(value, 1.0, 1.0))
        yield State(f"biaxial {value:g}", stretch(value, value, 1.0))
    for value in VOLUME_RATIOS:
        yield State(f"volume {value:g}", stretch(*[value ** (1 / 3)] * 3))
    yield State("three stretches", stretch(1.3, 0.9, 1.1))
    yield State("two nearly equal stretches", stretch(1.2, 1.2 + 1e-9, 0.9))
    for value in SHEARS:
        H = np.zeros((3, 3))
        H[0, 1] = value
        yield State(f"shear {value:g}", H)


def _generic_strains() -> Iterator[State]:
    for number, size in enumerate(STRAINS):
        # Positive, so that F keeps its orientation however large the strain.
        A = generic(100 + number) if size < 0.5 else generic(100 + number) @ generic(100 + number).T
        yield State(f"strain {size:g}", size * A / np.abs(A).max())


def _near_incompressible() -> Iterator[State]:
    Q = rotation(np.array([1.0, 2.0, 3.0]), 0.7)
    for change in NEARLY_NONE:
        U = Q @ np.diag([1.4, 0.8, (1.0 + change) / (1.4 * 0.8)]) @ Q.T
        yield State(f"shape at J - 1 = {change:g}", U - np.eye(3))


def _rotated() -> Iterator[State]:
    Q = rotation(np.array([3.0, -1.0, 2.0]), 1.1)
    yield State("two equal stretches askew", Q @ stretch(1.2, 1.2, 0.85) @ Q.T)
    yield State("large rotation", Q @ np.diag([1.1, 0.95, 1.05]) - np.eye(3))
    yield State("half a turn", rotation(np.array([1.0, 1.0, 0.0]), np.pi) @ np.diag([1.1, 1, 1])
                - np.eye(3))  # fmt: skip
    yield State("rotation alone", Q - np.eye(3))


def _along_fibres(directions: Floats) -> Iterator[State]:
    for number, a in enumerate(directions):
        across = perpendicular(a)
        for value in (0.8, 1.2, 1.6):
            yield State(f"along fibre {number}, {value:g}", (value - 1.0) * np.outer(a, a))
            yield State(
                f"across fibre {number}, {value:g}", (value - 1.0) * np.outer(across, across)
            )
        yield State(f"shear along fibre {number}", 0.3 * np.outer(a, across))
        yield State(f"along fibre {number}, strain 1e-09", 1e-9 * np.outer(a, a))
        yield State(f"along fibre {number}, strain -1e-09", -1e-9 * np.outer(a, a))
