"""Material parameters of a job file: which are refused, where and why; what sound ones become."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from elastane.jobs.check import check_job, summary
from elastane.jobs.faults import JobFileError, dotted
from elastane.jobs.job import Job, load_job
from elastane.meshes.box import Box
from elastane.solver.directions import EllipsoidFibres
from elastane.solver.formula import Formula
from elastane.solver.sources import ANYWHERE, FieldValues, values_of
from tests.meshes.field_files import write_fields

WriteJob = Callable[[str], Path]

JOB = """\
mesh: {{{mesh}}}
materials:
  all:
    {material}
boundary:
  - {{surface: x-min, displacement: [0, 0, 0]}}
"""
BOX = "box: {size: [2, 1, 1], cells: [2, 1, 1], origin: [0, 1, 1]}"
PART = "file: part.msh"
HGO = "{{model: holzapfel-gasser-ogden, shear_modulus: 1, bulk_modulus: 9, {}}}"
MUSCLE = "{{model: guccione, stiffness: 1, b_f: 8, b_t: 2, b_fs: 4, bulk_modulus: 9, {}}}"
WALL = "fibre: {{ellipsoid: {{inner: {}, outer: {}, angles: [90, -90]{}}}}}"


def hgo(text: str) -> str:
    return JOB.format(mesh=BOX, material=HGO.format(text))


def muscle(text: str, mesh: str = BOX) -> str:
    return JOB.format(mesh=mesh, material=MUSCLE.format(text))


def solid(value: str, mesh: str = BOX) -> str:
    material = f"{{model: neo-hookean, youngs_modulus: {value}, poissons_ratio: 0.3}}"
    return JOB.format(mesh=mesh, material=material)


FIBRES = "materials.all.fibres"
FIBRE = "materials.all.fibre"

CASES = [
    # arrays
    (hgo("fibres: [[1, 0, 0]], k1: [1, 2], k2: 1"), "materials.all.k1", "2 families where fibres"),
    (hgo("fibres: [[1, 0]], k1: 1, k2: 1"), f"{FIBRES}[0]", "3 entries are needed, got 2"),
    (hgo("fibres: [[1, 0, 0], [1, 0, 0, 0]], k1: 1, k2: 1"), f"{FIBRES}[1]", "3 entries"),
    (hgo("fibres: [[1, 0, 0], 1], k1: 1, k2: 1"), f"{FIBRES}[1]", "a direction is needed, got 1"),
    (hgo("fibres: 1, k1: 1, k2: 1"), FIBRES, "a direction is needed, got 1"),
    (hgo("fibres: [], k1: 1, k2: 1"), FIBRES, "3 entries are needed, got 0"),
    (hgo("fibres: [[1, 0, 0]], k1: [], k2: 1"), "materials.all.k1", "at least 1 entry"),
    (hgo("fibres: [[1, 0, 0]], k1: [[1]], k2: 1"), "materials.all.k1[0]", "got a list"),
    (hgo("fibres: [[1, 0, 0]], k1: [-1], k2: 1"), "materials.all.k1[0]", "got -1.0"),
    (hgo("fibres: [[1, 0, 0]], k1: [true], k2: 1"), "materials.all.k1[0]", "got true"),
    (hgo("fibres: [[1, 0, 0]], k1: ['1 + '], k2: 1"), "materials.all.k1[0]", "the formula ends"),
    (
        hgo(f"fibres: [{', '.join(['[1, 0, 0]'] * 9)}], k1: 1, k2: 1"),
        FIBRES,
        "gives 9 families, holzapfel-gasser-ogden takes 1 to",
    ),
    (hgo("k1: 1, k2: 1"), "materials.all.k2", "holzapfel-gasser-ogden takes"),
    (solid("[1, 2]"), "materials.all.youngs_modulus", "a number or a formula is needed"),
    (solid("{feld: E}"), "materials.all.youngs_modulus.field", "this key is needed"),
    # directions
    (muscle("fibre: [0, 0, 0.0]"), FIBRE, "the vector [0, 0, 0] has no direction"),
    (hgo("fibres: [[1, 0, 0], [0, 0, 0]], k1: 1, k2: 1"), f"{FIBRES}[1]", "has no direction"),
    (muscle("fibre: [x, 0, 0]"), FIBRE, "got a vector of length 0.0 at (0, "),
    (muscle("fibre: ['1/x', 0, 0]"), FIBRE, "is inf at the point (0, "),
    (muscle("fibre: [a, 0, 0]"), f"{FIBRE}[0]", "unknown name 'a'"),
    (muscle("fibre: {}"), FIBRE, "exactly one of field, ellipsoid gives a direction, got none"),
    (muscle("fibre: {elipsoid: 1}"), f"{FIBRE}.elipsoid", "did you mean 'ellipsoid'?"),
    (muscle("fibre: {ellipsoid: {}}"), f"{FIBRE}.ellipsoid.inner", "this key is needed"),
    (muscle(WALL.format("[7]", "[10, 20]", "")), f"{FIBRE}.ellipsoid.inner", "2 entries"),
    (muscle(WALL.format("[-7, 17]", "[10, 20]", "")), f"{FIBRE}.ellipsoid.inner[0]", "than 0"),
    (muscle(WALL.format("[7, 17]", "[10, 16]", "")), f"{FIBRE}.ellipsoid", "long semi-axis"),
    (
        muscle(WALL.format("[7, 17]", "[10, 20]", ", axis: w")),
        f"{FIBRE}.ellipsoid.axis",
        "x, y, z or three numbers are needed, got 'w'",
    ),
    (
        muscle(WALL.format("[7, 17]", "[10, 20]", ", axis: [0, 0, 0]")),
        f"{FIBRE}.ellipsoid",
        "(0, 0, 0) has no direction",
    ),
    (muscle(WALL.format("[7, 17]", "[10, 20]", "")), FIBRE, "lies inside the wall"),
    (muscle(WALL.format("[0.1, 0.1]", "[1, 1]", "")), FIBRE, "lies outside the wall"),
    # fields
    (solid("{field: E}"), "materials.all.youngs_modulus.field", "has no field 'E'; there are none"),
    (solid("{field: stifness}", PART), "materials.all.youngs_modulus.field", "mean 'stiffness'?"),
    (solid("{field: growth}", PART), "materials.all.youngs_modulus.field", "is a vector, a scalar"),
    (muscle("fibre: {field: stiffness}", PART), f"{FIBRE}.field", "is a scalar, a vector is"),
    (solid("{field: 3}", PART), "materials.all.youngs_modulus.field", "a text is needed, got 3"),
    (
        solid("{field: holed}", PART),
        "materials.all.youngs_modulus",
        "'holed' has no finite value in 1 of 2 cells, the first: element 12",
    ),
    (solid("{field: negative}", PART), "materials.all.youngs_modulus", "got -1.0 at (1, "),
    (muscle("fibre: {field: growth}", PART), FIBRE, "got a vector of length 0.0 at (0, "),
]


@pytest.fixture(autouse=True)
def part(tmp_path: Path) -> Path:
    """Write a mesh of two cells with fields beside the job file."""
    return write_fields(
        tmp_path,
        "msh 4.1 text",
        Box(size=(2.0, 1.0, 1.0), cells=(2, 1, 1)).build(1, 0),
        {
            "stiffness": np.array([1.0, 2.0]),
            "holed": np.array([1.0, np.nan]),
            "negative": np.array([1.0, -1.0]),
        },
        {"growth": lambda X: X * [1.0, 0.0, 0.0]},
    )


@pytest.mark.parametrize(("text", "path", "words"), CASES, ids=range(len(CASES)))
def test_a_fault_is_found_where_it_is(
    write_job: WriteJob, text: str, path: str, words: str
) -> None:
    with pytest.raises(JobFileError) as caught:
        check_job(write_job(text))
    first = caught.value.faults[0]
    assert dotted(first.path) == path
    assert words in first.message


def test_a_fault_in_a_list_points_at_the_entry(write_job: WriteJob) -> None:
    with pytest.raises(JobFileError, match=r"job\.yml:4:\d+: ") as caught:
        check_job(write_job(hgo("fibres: [[1, 0, 0]], k1: [-17], k2: 1")))
    (fault,) = caught.value.faults
    line = hgo("fibres: [[1, 0, 0]], k1: [-17], k2: 1").splitlines()[3]
    assert line[fault.position.column - 1 :].startswith("-17")


SOUND = [
    (solid("{field: stiffness}", PART), "youngs_modulus", {"field": "stiffness"}),
    (muscle("fibre: {field: growth}", PART), "fibre", {"field": "growth"}),
    (muscle("fibre: [1, 0, y]"), "fibre", [1.0, 0.0, "y"]),
    (
        muscle(WALL.format("[0.5, 0.5]", "[3, 3]", ", axis: x")),
        "fibre",
        {
            "ellipsoid": {
                "inner": [0.5, 0.5],
                "outer": [3.0, 3.0],
                "angles": [90.0, -90.0],
                "axis": [1.0, 0.0, 0.0],
                "origin": [0.0, 0.0, 0.0],
            }
        },
    ),
    (
        hgo("fibres: [[1, 0, 0], [0, '1+x', 0]], k1: 3, k2: [1, x]"),
        "k1",
        [3.0, 3.0],
    ),
    (hgo("fibres: [1, 2, 0], k1: 3, k2: 1"), "fibres", [[1.0, 2.0, 0.0]]),
]


@pytest.mark.parametrize(("text", "name", "written"), SOUND, ids=range(len(SOUND)))
def test_the_effective_job_is_the_same_job_with_everything_written_out(
    write_job: WriteJob, text: str, name: str, written: object
) -> None:
    job = load_job(write_job(text))
    assert job.file.materials["all"].entries()[name] == written
    again = load_job(write_job(job.effective_yaml()))
    assert again.problem == job.problem
    assert again.effective_yaml() == job.effective_yaml()


def parameters(job: Job) -> dict[str, object]:
    return dict(job.problem.materials["all"].parameters)


def test_values_become_sources_and_lengths_become_sizes(write_job: WriteJob) -> None:
    job = load_job(write_job(hgo("fibres: [[1, 0, 0], [0, '1+x', 0]], k1: 3, k2: [1, x]")))
    material = job.problem.materials["all"]
    assert material.options["families"] == 2
    one, zero = Formula.constant(1.0), Formula.constant(0.0)
    assert material.parameters["fibres"] == ((one, zero, zero), (zero, Formula.parse("1+x"), zero))
    assert values_of(material.parameters["k1"], ANYWHERE)[:, 0].tolist() == [3.0, 3.0]
    wall = load_job(write_job(muscle(WALL.format("[7, 17]", "[10, 20]", ""))))
    assert parameters(wall)["fibre"] == EllipsoidFibres((7, 17), (10, 20), (90, -90))
    field = load_job(write_job(muscle("fibre: {field: growth}", PART)))
    assert parameters(field)["fibre"] == FieldValues("growth", is_vector=True)


def test_a_check_tells_the_fields_in_use(write_job: WriteJob) -> None:
    text = summary(check_job(write_job(solid("{field: stiffness}", PART))))
    assert "mesh fields   stiffness (scalar, constant in each cell)" in text
    assert "growth" not in text
    assert "mesh fields" not in summary(check_job(write_job(solid("1"))))


def test_refined_meshes_name_elements_as_the_file_does(write_job: WriteJob) -> None:
    with pytest.raises(JobFileError, match="8 of 16 cells, the first: element 12"):
        check_job(write_job(solid("{field: holed}", f"{PART}, refine: 1")))
