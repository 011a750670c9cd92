"""V05 to V09: states of constant strain, found by the solver from supports and loads."""

from collections.abc import Sequence

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.compiler.build import KernelSet, find_kernel_sets
from elastane.meshes.box import Box
from elastane.meshes.mesh import Mesh
from elastane.solver.boundary import BoundaryCondition
from elastane.solver.problem import NewtonSettings, RegionMaterial
from tests.verification.cases import (
    Floats,
    Number,
    Solved,
    displacement,
    material,
    pressure,
    problem,
    solve,
    tree,
)

#: Every kernel set at degree 2, and one of each model at the other degrees.
PATCHES = [
    (chosen, degree)
    for name in MODELS
    for k, chosen in enumerate(find_kernel_sets(name))
    for degree in (1, 2, 3, 4)
    if k == 0 or degree == 2
]

#: F - I of a state with stretch, shear and rotation.
AFFINE = np.array([[0.30, 0.20, -0.10], [-0.05, 0.10, 0.15], [0.10, -0.20, -0.12]])
DET_F = float(np.linalg.det(np.eye(3) + AFFINE))

BOX_SIDES = ("x-min", "x-max", "y-min", "y-max", "z-min", "z-max")


@pytest.fixture(scope="module")
def distorted() -> Mesh:
    """A cube of 27 cells, their inner vertices moved at random by up to a fifth of a cell."""
    mesh = Box(cells=(3, 3, 3)).build(1, 0)
    vertices = np.empty((mesh.num_vertices, 3))
    vertices[mesh.cells] = mesh.coordinates
    inside = ((vertices > 1e-9) & (vertices < 1.0 - 1e-9)).all(axis=1)
    moves = np.random.default_rng(5).uniform(-0.2, 0.2, vertices.shape) / 3.0
    vertices[inside] += moves[inside]
    return Mesh(
        cells=mesh.cells,
        coordinates=vertices[mesh.cells],
        geometry_degree=1,
        regions=mesh.regions,
        cell_regions=mesh.cell_regions,
        surfaces=mesh.surfaces,
    )


def affine(surface: str, H: Floats) -> BoundaryCondition:
    rows = ["+".join(f"({float(h)})*{x}" for h, x in zip(row, "xyz", strict=True)) for row in H]
    return displacement(surface, *rows)


@pytest.mark.parametrize(
    ("chosen", "degree"), PATCHES, ids=[f"{chosen.name}-{degree}" for chosen, degree in PATCHES]
)
def test_affine_displacement_is_exact_on_a_distorted_mesh(
    chosen: KernelSet, degree: int, distorted: Mesh
) -> None:
    """V05: the patch test.  Rounding alone is left, in proportion to the largest modulus."""
    example = chosen.material.examples_of(chosen.choices)[0]
    given = {name: tree(value) for name, value in example.items()}
    resolved = chosen.material.resolve(example, chosen.choices)
    stiffest = max(
        float(resolved[name])
        for parameter in chosen.material.kernel_parameters
        if parameter.unit == "Pa"
        for name in parameter.scalar_names(chosen.choices)
    )
    state = solve(
        problem(
            distorted,
            degree,
            [affine(side, AFFINE) for side in BOX_SIDES],
            RegionMaterial(chosen.material, given, chosen.choices),
            newton=NewtonSettings(rtol=1e-15, atol=1e-14 * max(1.0, stiffest)),
        )
    )
    np.testing.assert_allclose(state.u, state.X @ AFFINE.T, atol=1e-10)
    inside = ~state.run.mechanics.space.prescribed
    assert np.abs(state.reactions[inside]).max() < 1e-10
    stress = state.cauchy_stress
    np.testing.assert_allclose(stress, stress[:1].repeat(len(stress), axis=0), atol=1e-10)
    if chosen.material.finite_strain:
        # The gradient magnifies what is left of the displacement by p² over the size of a cell.
        assert state.report.steps[-1].min_J == pytest.approx(DET_F, rel=1e-9)


def uniform_state(prescribed: dict[str, float], chosen: RegionMaterial | None = None) -> Solved:
    """Stretch a cube on planes of symmetry; sides without a prescribed stretch are free."""
    supports: list[BoundaryCondition] = []
    for i, axis in enumerate("xyz"):
        for side, value in (("min", 0.0), ("max", prescribed.get(axis))):
            if value is not None:
                components: list[Number] = [None, None, None]
                components[i] = value
                supports.append(displacement(f"{axis}-{side}", *components))
    return solve(
        problem(Box(cells=(2, 2, 2)), 2, supports, chosen, surfaces=("x-max", "y-max", "z-max"))
    )


@pytest.mark.parametrize(
    ("prescribed", "stretches", "stresses"),
    [
        ({"x": 0.5}, (1.5, 0.880174592, 0.880174592), (0.378280176, 0, 0)),
        ({"x": -0.4}, (0.6, 1.15498215, 1.15498215), (-0.624348569, 0, 0)),
        ({"x": 2.0}, (3.0, 0.68811103, 0.68811103), (1.09314144, 0, 0)),
        ({"x": 0.4, "y": 0.4}, (1.4, 1.4, 0.710061923), (0.399948369, 0.399948369, 0)),
        ({"x": 0.5, "z": 0.0}, (1.5, 0.824923642, 1.0), (0.40243615, 0, 0.122884994)),
        (
            {"x": -0.5, "y": 0.0, "z": 0.0},
            (0.5, 1.0, 1.0),
            (-1.37670829, -0.399892604, -0.399892604),
        ),
    ],
    ids=["tension", "compression", "large tension", "equibiaxial", "plane strain", "confined"],
)
def test_stretched_cube(
    prescribed: dict[str, float], stretches: Sequence[float], stresses: Sequence[float]
) -> None:
    """V06 to V08: stretches and nominal stresses, given to nine digits."""
    state = uniform_state(prescribed)
    np.testing.assert_allclose(state.u, state.X * (np.array(stretches) - 1.0), atol=1e-8)
    forces = [state.force(f"{axis}-max")[i] for i, axis in enumerate("xyz")]
    np.testing.assert_allclose(forces, stresses, atol=1e-8)


@pytest.mark.parametrize(("J", "sigma"), [(0.5, -1.08443096), (2.0, 0.312908043)])
def test_pressure_all_round_changes_the_volume(J: float, sigma: float) -> None:
    """V08: a follower pressure is minus the hydrostatic Cauchy stress, given to nine digits."""
    symmetry = [
        displacement("x-min", 0, None, None),
        displacement("y-min", None, 0, None),
        displacement("z-min", None, None, 0),
    ]
    loads = [pressure(side, -sigma) for side in ("x-max", "y-max", "z-max")]
    state = solve(problem(Box(cells=(1, 1, 1)), 2, [*symmetry, *loads]))
    np.testing.assert_allclose(state.u, (J ** (1 / 3) - 1.0) * state.X, atol=2e-8)


@pytest.mark.parametrize(
    ("chosen", "stresses"),
    [
        (
            material("neo-hookean", youngs_modulus=1.0, poissons_ratio=0.3),
            (0.0961538462, 0.192307692, 0.0, 0.0),
        ),
        (material("mooney-rivlin", mu1=0.5, mu2=0.5, lame_lambda=4.0), (0.25, 0.5, 0.0, 0.125)),
    ],
    ids=["neo-hookean", "mooney-rivlin"],
)
def test_simple_shear_needs_normal_forces(
    chosen: RegionMaterial, stresses: Sequence[float]
) -> None:
    """V09: Cauchy stresses at F = I + 0.5 e_x e_y, Poynting's effect."""
    H = np.zeros((3, 3))
    H[0, 1] = 0.5
    state = solve(
        problem(
            Box(cells=(2, 2, 2)),
            2,
            [affine(side, H) for side in BOX_SIDES],
            chosen,
        )
    )
    xx, xy, yy, zz = stresses
    found = state.cauchy_stress
    expected = np.broadcast_to([xx, yy, zz, xy, 0.0, 0.0], found.shape)
    # The reference is given to nine digits.
    np.testing.assert_allclose(found, expected, atol=1e-10)
