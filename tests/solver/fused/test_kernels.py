"""Fused kernels against libCEED: the same numbers, whatever the degree, geometry and material."""

import platform
import shutil
from typing import Any

import numpy as np
import pytest
from _ceed_cffi import ffi

from elastane.materials import MODELS, find_model
from elastane.materials.maxwell import generalised_maxwell
from elastane.solver.body import Body
from elastane.solver.ceed import shared_vector
from elastane.solver.fused.level import FusedLevel
from elastane.solver.problem import RegionMaterial
from tests.solver.fused.pairs import (
    NEO_HOOKEAN,
    Floats,
    Pair,
    apply,
    build_pair,
    distance,
    distorted,
    example,
    reference_diagonal,
    reference_jacobian,
    residual,
    use_schedule,
    vector_of,
)
from tests.verification.cases import formula, material

#: Sums of some hundred terms in another order, and logarithms by another library.
DOUBLE = 1e-13
#: As much larger as float is coarser, 5e8, would be 5e-5; what is lost is less, since few terms
#: cancel.
SINGLE = 1e-5


def check_residual_and_jacobian(pair: Pair, tolerance: float = DOUBLE) -> None:
    found, expected = pair.residuals()
    assert distance(found, expected) < tolerance
    for ours, theirs in zip(pair.fused.parts, pair.reference.parts, strict=True):
        if ours.state.size:
            whole = slice(0, len(ours.elements))
            found, expected = (part.values("state", whole) for part in (ours, theirs))
            assert distance(found, expected) < tolerance
    x = vector_of(pair.space)
    found = apply(pair.fused.ceed, pair.fused.jacobian(pair.space), x)
    assert distance(found, reference_jacobian(pair.reference, pair.space, x)) < tolerance


@pytest.mark.parametrize(
    "degree", [1, 2, 3, 4, *(pytest.param(p, marks=pytest.mark.long) for p in (5, 6, 7, 8))]
)
def test_kernels_are_libceed_for_every_degree(degree: int) -> None:
    """Derivatives of degree p make rounding p² times larger."""
    check_residual_and_jacobian(build_pair(degree), DOUBLE * max(1.0, degree**2 / 10.0))


@pytest.mark.parametrize("geometry_degree", [1, 2])
@pytest.mark.parametrize("recompute", [True, False], ids=["recomputed", "stored"])
def test_kernels_are_libceed_for_every_geometry(
    geometry_degree: int, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With more points than p + 1, so that numbers of nodes and points differ."""
    use_schedule(monkeypatch, recompute_geometry=recompute)
    mesh = distorted((3, 1, 1), geometry_degree)
    check_residual_and_jacobian(build_pair(2, mesh=mesh, num_points_1d=4))


@pytest.mark.long
def test_kernels_take_the_largest_degree_and_most_points_of_a_job() -> None:
    """Degree 8 with eight points more than the nine it needs."""
    pair = build_pair(8, mesh=distorted((1, 1, 1)), num_points_1d=17)
    check_residual_and_jacobian(pair, 64 * DOUBLE)


def test_curved_maps_with_more_nodes_than_points_are_exact(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The map is not replaced by the polynomial through its values at the points."""
    use_schedule(monkeypatch, recompute_geometry=True)
    check_residual_and_jacobian(build_pair(1, mesh=distorted((3, 1, 1), 3)))


@pytest.mark.parametrize("num_elements", [1, 8, 17])
def test_kernels_take_any_number_of_elements(num_elements: int) -> None:
    check_residual_and_jacobian(build_pair(1, mesh=distorted((num_elements, 1, 1))))


FAST = ("linear", "gent")


@pytest.mark.parametrize(
    "model",
    [
        *FAST,
        *(pytest.param(name, marks=pytest.mark.long) for name in MODELS if name not in FAST),
    ],
)
def test_kernels_are_libceed_for_every_material(model: str) -> None:
    """Among them one that stores nothing, and ones with logarithms, exponentials and powers."""
    check_residual_and_jacobian(build_pair(1, (example(model),)))


PARTS = {
    "two materials": (NEO_HOOKEAN, example("linear")),
    "parameters in space and time": (
        material("neo-hookean", youngs_modulus="1 + x**2 + t", poissons_ratio=0.3),
    ),
    "one of two varies": (
        material("neo-hookean", youngs_modulus="1 + t", poissons_ratio="0.3 + 0.05*sin(y)"),
        NEO_HOOKEAN,
    ),
}


@pytest.mark.parametrize("materials", PARTS.values(), ids=PARTS)
def test_kernels_are_libceed_for_several_materials_and_where_parameters_vary(
    materials: tuple[RegionMaterial, ...],
) -> None:
    pair = build_pair(2, materials, load=0.3)
    check_residual_and_jacobian(pair)
    for body in (pair.fused, pair.reference):
        body.set_load(0.9)
    check_residual_and_jacobian(pair)


def viscoelastic() -> RegionMaterial:
    parameters: dict[str, Any] = {
        "lame_lambda": formula(2.0),
        "shear_modulus": formula(1.0),
        "fractions": (formula(0.3), formula(0.2)),
        "relaxation_times": (formula(0.1), formula(1.0)),
    }
    options: dict[str, str | int] = {"relaxing": "isochoric", "branches": 2}
    return RegionMaterial(generalised_maxwell(find_model("neo-hookean")), parameters, options)


def test_kernels_are_libceed_where_a_material_remembers() -> None:
    """Before and after the end of a step, whose history the next one reads."""
    pair = build_pair(1, (viscoelastic(),), load=0.4)
    check_residual_and_jacobian(pair)
    for body in (pair.fused, pair.reference):
        u = shared_vector(body.ceed, pair.u)
        body.commit_history(pair.space, u, 0.4)
        body.set_load(0.7)
    check_residual_and_jacobian(pair)
    level = FusedLevel(pair.fused, pair.space, pair.space, single=False)
    level.update(pair.u)
    x, y = vector_of(pair.space), np.zeros(pair.u.size)
    level.apply_add(x, y)
    assert distance(y, reference_jacobian(pair.reference, pair.space, x)) < DOUBLE


PRECISIONS = [pytest.param(False, DOUBLE, marks=pytest.mark.long), (True, SINGLE)]
LEVELS = [
    (1, 2, 1),
    pytest.param(1, 2, 2, marks=pytest.mark.long),
    pytest.param(1, 4, 2, marks=pytest.mark.long),
    pytest.param(2, 2, 1, marks=pytest.mark.long),
    pytest.param(3, 4, 2, marks=pytest.mark.long),
]


@pytest.mark.parametrize(("single", "tolerance"), PRECISIONS)
@pytest.mark.parametrize(("geometry_degree", "fine", "degree"), LEVELS)
def test_a_level_is_libceed_at_its_own_points(
    geometry_degree: int, fine: int, degree: int, single: bool, tolerance: float
) -> None:
    """Its state is that of the displacement of the finest space; so are product and diagonal."""
    mesh = distorted((3, 3, 2), geometry_degree)
    pair = build_pair(fine, (NEO_HOOKEAN, example("linear")), mesh=mesh)
    space = pair.spaces(degree)
    pair.residuals()
    level = FusedLevel(pair.fused, space, pair.space, single=single)
    level.update(pair.u)
    body = pair.at_points(degree)
    x = vector_of(space)
    y, d = np.zeros((2, x.size), dtype=level.dtype)
    level.apply_add(x.astype(level.dtype), y)
    level.add_diagonal(d)
    assert distance(y, reference_jacobian(body, space, x)) < tolerance
    assert distance(d, reference_diagonal(body, space)) < tolerance


@pytest.mark.parametrize(("single", "tolerance"), PRECISIONS)
@pytest.mark.parametrize("geometry_degree", [1, pytest.param(2, marks=pytest.mark.long)])
def test_element_matrices_sum_to_the_jacobian(
    geometry_degree: int, single: bool, tolerance: float
) -> None:
    mesh = distorted((3, 3, 2), geometry_degree)
    pair = build_pair(2, (NEO_HOOKEAN, example("linear")), mesh=mesh)
    space = pair.spaces(1)
    level = FusedLevel(pair.fused, space, pair.space, single=single)
    level.update(pair.u)
    matrices = level.element_matrices()
    places = (3 * space.nodes[:, :, None] + np.arange(3)).reshape(-1, 24)
    size = 3 * space.num_nodes
    total = np.zeros((size, size))
    np.add.at(total, (places[:, :, None], places[:, None, :]), matrices)
    columns = [reference_jacobian(pair.at_points(1), space, e) for e in np.eye(size)[:6]]
    assert distance(total[:, :6], np.stack(columns, axis=1)) < tolerance
    x = vector_of(space)
    assert distance(total @ x, reference_jacobian(pair.at_points(1), space, x)) < tolerance


def test_the_taken_over_operator_is_a_term_among_libceeds_own() -> None:
    """A composition of our operator and one of libCEED's adds both, as apply and as apply_add."""
    pair = build_pair(2)
    pair.residuals()
    ours, others = pair.fused.jacobian(pair.space), list(pair.fused.jacobian_ranges(pair.space))
    ceed = pair.fused.ceed
    composite = ceed.CompositeOperator()
    for operator in (*ours, *others):
        composite.add_sub(operator)
    x = vector_of(pair.space)
    once = reference_jacobian(pair.reference, pair.space, x)
    for operator, times in ((ours[0], 1.0), (composite, 2.0)):
        y = np.ones(x.size)
        operator.apply(shared_vector(ceed, x), shared_vector(ceed, y))
        assert distance(y, times * once) < DOUBLE
        operator.apply_add(shared_vector(ceed, x), shared_vector(ceed, y))
        assert distance(y, 2.0 * times * once) < DOUBLE


def test_operators_that_come_and_go_apply_their_own_kernels() -> None:
    """libCEED gives the addresses of operators that are gone to new ones."""
    pairs = [build_pair(degree) for degree in (1, 2)]
    expected = []
    for pair in pairs:
        pair.residuals()
        x = vector_of(pair.space)
        expected.append((pair, x, reference_jacobian(pair.reference, pair.space, x)))
    kept = pairs[0].fused.jacobian(pairs[0].space)
    addresses: set[int] = set()
    for _ in range(20):
        for pair, x, y in expected:
            operators = pair.fused.jacobian(pair.space)
            addresses.update(int(ffi.cast("uintptr_t", o._pointer[0])) for o in operators)
            assert distance(apply(pair.fused.ceed, operators, x), y) < DOUBLE
            del operators
            # One of libCEED's own at such an address is not ours.
            assert distance(reference_jacobian(pair.fused, pair.space, x), y) < DOUBLE
    assert len(addresses) < 40
    pair, x, y = expected[0]
    assert distance(apply(pair.fused.ceed, kept, x), y) < DOUBLE


def test_the_smallest_volume_ratio_and_its_element_are_libceeds() -> None:
    """The elements turned inside out among them; -inf where a number is none."""
    pair = build_pair(1, strain=0.4)
    inside_out = pair.u.copy()
    inside_out[pair.space.nodes[8]] -= 3.0 * pair.space.X[pair.space.nodes[8]]
    nan = pair.u.copy()
    nan[pair.space.nodes[8, 0]] = np.nan
    lowest = []
    for u in (pair.u, inside_out, nan):
        found, expected = (worst(body, pair, u) for body in (pair.fused, pair.reference))
        assert found[0] == pytest.approx(expected[0], rel=DOUBLE)
        # Which of several elements with a value that is no number is first is nobody's business.
        shared = pair.space.nodes[[found[1], expected[1]]]
        assert found[1] == expected[1] or np.isnan(u[shared]).any(axis=(1, 2)).all()
        lowest.append(found[0])
    assert lowest[2] == -np.inf < lowest[1] < 0.0 < lowest[0]


def worst(body: Body, pair: Pair, u: Floats) -> tuple[float, int]:
    R = np.zeros(u.size)
    return body.add_residual(pair.space, shared_vector(body.ceed, u), shared_vector(body.ceed, R))


def test_what_is_no_number_stays_in_its_elements() -> None:
    """Idle lanes of the last block repeat its last element, and must not spread what it holds."""
    pair = build_pair(1, mesh=distorted((9, 1, 1)))
    u = pair.u.copy()
    u[pair.space.nodes[8]] = np.nan
    R = residual(pair.fused, pair.space, u).reshape(-1, 3)
    touched = np.isnan(u[pair.space.nodes]).any(axis=(1, 2))
    spoilt = np.zeros(len(u), dtype=bool)
    spoilt[pair.space.nodes[touched]] = True
    np.testing.assert_array_equal(np.isnan(R).any(axis=1), spoilt)


@pytest.mark.parametrize("prefetch", [0, pytest.param(2, marks=pytest.mark.long)])
def test_prefetch_changes_nothing(prefetch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    before = build_pair(2).residuals()[0]
    use_schedule(monkeypatch, prefetch=prefetch)
    np.testing.assert_array_equal(build_pair(2).residuals()[0], before)


def compiler_flags() -> list[Any]:
    """Return compilers that are here, with the flags of older processors."""
    flags = [(), ("-march=x86-64-v3",), ("-march=x86-64-v2",)]
    return [
        pytest.param(
            compiler,
            f,
            id=" ".join([compiler, *f]),
            marks=pytest.mark.long if f and compiler == "gcc" else (),
        )
        for compiler in ("gcc", "clang-19", "clang")
        if shutil.which(compiler)
        for f in (flags if platform.machine() == "x86_64" else [()])
    ]


@pytest.mark.parametrize(("compiler", "flags"), compiler_flags())
def test_every_compiler_and_processor_gives_the_same(
    compiler: str, flags: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Registers narrower than the vectors in the C hold them in parts."""
    monkeypatch.delenv("CC", raising=False)
    use_schedule(monkeypatch, compilers=(compiler,), flags=flags)
    check_residual_and_jacobian(build_pair(2))


@pytest.mark.parametrize("geometry_degree", [1, pytest.param(2, marks=pytest.mark.long)])
def test_single_precision_keeps_its_digits_far_from_the_origin(geometry_degree: int) -> None:
    """Coordinates are taken from the middle of each element before they are rounded."""
    far = distorted((3, 3, 1), geometry_degree, shift=1e4)
    pair = build_pair(2, mesh=far)
    pair.residuals()
    level = FusedLevel(pair.fused, pair.space, pair.space)
    level.update(pair.u)
    x, y = vector_of(pair.space), np.zeros(pair.u.size, dtype=level.dtype)
    level.apply_add(x.astype(level.dtype), y)
    assert distance(y, reference_jacobian(pair.reference, pair.space, x)) < SINGLE
