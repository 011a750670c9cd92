"""V32, V33 and V47: what must not change a result."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.compiler.build import KernelSet, find_kernel_sets
from elastane.meshes.body import Body
from elastane.meshes.box import Box
from elastane.meshes.cook import Cook
from elastane.meshes.mesh import FACET_CORNERS, Mesh
from elastane.meshes.sphere_shell import SphereShell
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.loading import Run
from elastane.solver.problem import NewtonSettings, Problem, RegionMaterial, SolverSettings
from tests.verification.cases import (
    Floats,
    clamp,
    displacement,
    formula,
    material,
    pressure,
    problem,
    renumbered,
    rotation,
    solve,
    start,
    traction,
    tree,
)
from tests.verification.ranks import call_on_ranks

#: One kernel set of each model: tests/materials turns all of them, point by point.
FINITE_STRAIN = [find_kernel_sets(name)[0] for name, model in MODELS.items() if model.finite_strain]

each_material = pytest.mark.parametrize("chosen", FINITE_STRAIN, ids=lambda chosen: chosen.name)


def free_body(chosen: KernelSet, degree: int, cells: tuple[int, int, int] = (1, 1, 1)) -> Run:
    given = {
        name: tree(value) for name, value in chosen.material.examples_of(chosen.choices)[0].items()
    }
    return start(
        problem(
            Box(cells=cells), degree, [], RegionMaterial(chosen.material, given, chosen.choices)
        )
    )


def evaluate(run: Run, u: Floats) -> tuple[float, Floats]:
    """Return strain energy and nodal forces of a displacement of a free body."""
    space = run.mechanics.space
    local = space.dm.createLocalVec()
    local.setArray(u.reshape(-1))
    space.dm.localToGlobal(local, run.u)
    assert run.mechanics.evaluate(run.u, run.u.duplicate()) > 0.0
    return run.mechanics.strain_energy(), run.mechanics.R.array.copy()


def stiffness(run: Run) -> Floats:
    """Return the Jacobian at the state evaluated last, as a dense matrix."""
    run.multigrid.update(run.mechanics.u.array)
    mat = run.multigrid.jacobian
    x, y = mat.createVecs()
    columns = []
    for j in range(mat.getSize()[1]):
        x.zeroEntries()
        x.setValue(j, 1.0)
        x.assemble()
        mat.mult(x, y)
        columns.append(y.array.copy())
    return np.stack(columns, axis=1)


def random_rotation(random: np.random.Generator) -> Floats:
    Q: Floats = np.linalg.qr(random.standard_normal((3, 3)))[0]
    return Q * np.linalg.det(Q)


@each_material
def test_rotation_of_a_state_leaves_the_energy_and_turns_the_forces(chosen: KernelSet) -> None:
    """V32: a thousand rotations of a state with stretches between 0.8 and 1.3."""
    run = free_body(chosen, degree=2)
    random = np.random.default_rng(3)
    X = run.mechanics.space.X
    x = X @ (np.eye(3) + random.uniform(-0.2, 0.2, (3, 3))) + random.uniform(-0.02, 0.02, X.shape)
    energy, forces = evaluate(run, x - X)
    assert energy > 0.0
    for _ in range(1000):
        Q = random_rotation(random)
        turned_energy, turned_forces = evaluate(run, x @ Q.T - X)
        assert turned_energy == pytest.approx(energy, rel=1e-12)
        np.testing.assert_allclose(turned_forces, forces @ Q.T, atol=1e-12 * np.abs(forces).max())


@each_material
@pytest.mark.parametrize("angle", [90.0, 180.0, 360.0])
@pytest.mark.parametrize("degree", [1, 3])
def test_rigid_motion_needs_no_energy_and_no_force(
    chosen: KernelSet, angle: float, degree: int
) -> None:
    """V33: rounding alone is left of a body of volume 1."""
    run = free_body(chosen, degree, (2, 2, 2))
    X = run.mechanics.space.X
    turn = Rotation("x-min", (1.0, 2.0, 3.0), (0.2, 0.1, -0.3), formula(angle))
    modulus = np.abs(stiffness(run)).max()
    energy, forces = evaluate(run, turn.values(X, 1.0) + np.array([0.3, -0.2, 0.5]))
    assert abs(energy) < 1e-14 * modulus
    assert np.abs(forces).max() < 1e-13 * modulus


def num_zero_modes(run: Run) -> int:
    jacobian = stiffness(run)
    eigenvalues = np.abs(np.linalg.eigvalsh(0.5 * (jacobian + jacobian.T)))
    return int((eigenvalues < 1e-12 * eigenvalues.max()).sum())


@each_material
@pytest.mark.parametrize("degree", [1, 2])
def test_only_motions_that_keep_the_forces_meet_no_stiffness(
    chosen: KernelSet, degree: int
) -> None:
    """V33: all six at rest; under load a rotation turns the forces and so meets stiffness."""
    run = free_body(chosen, degree)
    X = run.mechanics.space.X
    evaluate(run, np.zeros_like(X))
    assert num_zero_modes(run) == 6
    evaluate(run, np.random.default_rng(4).uniform(-0.05, 0.05, X.shape))
    assert num_zero_modes(run) == 3


def test_rotation_about_the_axis_of_tension_is_free() -> None:
    """V33: a translation turns no force either, which makes four; μ (l² - 1) = -λ ln J."""
    run = start(problem(Box(), 2, []))
    evaluate(run, run.mechanics.space.X * [0.5, -0.119825408, -0.119825408])
    # The transverse stretch is given to nine digits.
    jacobian = stiffness(run)
    eigenvalues = np.sort(np.abs(np.linalg.eigvalsh(0.5 * (jacobian + jacobian.T))))
    assert (eigenvalues[:4] < 1e-8).all()
    assert eigenvalues[4] > 1e-3 * eigenvalues[-1]


SLIP: list[BoundaryCondition] = [
    displacement("x-min", 0, None, None),
    displacement("y-min", None, 0, None),
    displacement("z-min", None, None, 0),
]

RUBBER = material("neo-hookean", youngs_modulus=2.8, poissons_ratio=0.4)


def cube(body: Body | Mesh, degree: int = 2, backend: str = "cpu") -> Problem:
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.5)]
    return problem(body, degree, loads, RUBBER, backend=backend)


CASES: dict[str, Problem] = {
    "cube": cube(Box(cells=(2, 2, 2))),
    "two cells": cube(Box(cells=(2, 1, 1)), degree=3),
    "membrane": problem(
        Cook(thickness=1.0, cells=(4, 4, 1)),
        3,
        [
            clamp("left"),
            displacement("z-min", None, None, 0),
            displacement("z-max", None, None, 0),
            traction("right", 0.0, 1.0 / 16.0, 0.0),
        ],
        material(
            "neo-hookean-isochoric", {"volumetric": "j2"}, shear_modulus=0.4225, poissons_ratio=0.3
        ),
    ),
    "twist": problem(
        Box(size=(1.0, 1.0, 2.0), cells=(2, 2, 4)),
        2,
        [clamp("z-min"), rotation("z-max", 90.0, (0.0, 0.0, 1.0), (0.5, 0.5, 0.0))],
    ),
    "sphere": problem(SphereShell(cells=(2, 2)), 2, [*SLIP, pressure("inner", 0.2)]),
}


def energies(names: list[str]) -> list[float]:
    """Return the energies at the tolerances that a job file has by default."""
    default = SolverSettings()
    return [solve(replace(CASES[name], solver=default)).energy for name in names]


@pytest.mark.parametrize("num_ranks", [2, 4])
@pytest.mark.mpi
def test_number_of_ranks_does_not_change_the_energy(
    num_ranks: int, run_ranks: Callable[..., str]
) -> None:
    """V47: with four ranks, two have no cell of the body of two."""
    names = list(CASES)
    np.testing.assert_allclose(
        call_on_ranks(run_ranks, num_ranks, energies, names), energies(names), rtol=1e-10
    )


BACKENDS = [
    "/cpu/self/ref/serial",
    "/cpu/self/ref/blocked",
    "/cpu/self/opt/serial",
    "/cpu/self/opt/blocked",
    "/cpu/self/avx/serial",
    "/cpu/self/avx/blocked",
]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", ["two cells", "sphere"])
def test_backend_does_not_change_the_energy(name: str, backend: str) -> None:
    """V47: sums in another order."""
    state = solve(replace(CASES[name], backend=backend))
    assert state.report.backend == backend
    assert state.energy == pytest.approx(solve(CASES[name]).energy, rel=1e-10)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("degree", [2, 5])
def test_numbering_of_cells_and_vertices_does_not_change_the_energy(seed: int, degree: int) -> None:
    """V47: the axes of each cell are turned too, so that neighbours see a facet differently."""
    mesh = Box(cells=(2, 2, 2)).build(1, 0)
    expected = solve(cube(mesh, degree)).energy
    assert solve(cube(renumbered(mesh, seed), degree)).energy == pytest.approx(expected, rel=1e-10)


def mirrored(mesh: Mesh) -> Mesh:
    """Return the mesh with z reversed; its cells run backwards along ξ₃ to stay right-handed."""
    n = mesh.geometry_degree + 1
    coordinates = np.flip(mesh.coordinates.reshape(-1, n, n * n, 3), axis=1)
    corners = np.flip(np.arange(8).reshape(2, 4), axis=0).ravel()
    swap = {facet: facet for facet in range(4)} | {4: 5, 5: 4}
    assert FACET_CORNERS[4].tolist() == corners[FACET_CORNERS[5]].tolist()
    return replace(
        mesh,
        cells=mesh.cells[:, corners],
        coordinates=coordinates.reshape(mesh.coordinates.shape) * [1.0, 1.0, -1.0],
        surfaces={
            name: np.array([[cell, swap[facet]] for cell, facet in pairs.tolist()])
            for name, pairs in mesh.surfaces.items()
        },
    )


def test_mirror_image_stores_the_same_energy() -> None:
    """V47: an octant of a sphere, its inner surface pressed."""
    mesh = SphereShell(cells=(1, 1)).build(2, 0)
    loads: list[BoundaryCondition] = [*SLIP, pressure("inner", 0.1)]
    expected = solve(problem(mesh, 3, loads))
    found = solve(problem(mirrored(mesh), 3, loads))
    assert found.energy == pytest.approx(expected.energy, rel=1e-10)


@pytest.mark.parametrize(
    ("length", "stress"), [(1e3, 1e-6), (1e-3, 1e6), (1e-2, 2e11), (1e-7, 1e6)]
)
def test_units_scale_the_energy(length: float, stress: float) -> None:
    """V47: the cube in other units; the absolute tolerance is a force and scales with them."""
    loads: list[BoundaryCondition] = [clamp("x-min"), traction("x-max", 0.0, 0.0, -0.5 * stress)]
    body = Box(size=(length, length, length), cells=(2, 2, 2))
    chosen = material("neo-hookean", youngs_modulus=2.8 * stress, poissons_ratio=0.4)
    settings = NewtonSettings(rtol=1e-11, atol=1e-13 * stress * length**2)
    state = solve(problem(body, 2, loads, chosen, newton=settings))
    expected = solve(CASES["cube"]).energy
    assert state.energy / (stress * length**3) == pytest.approx(expected, rel=1e-10)
