"""What `elastane check` says of sound jobs, and that it is right."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from elastane.jobs.check import check_job, summary
from elastane.jobs.sizes import in_bytes
from elastane.jobs.templates import EXAMPLES

WriteJob = Callable[[str], Path]
Golden = Callable[[str, str], None]

CUBE = """\
name: cube
mesh: {{box: {{size: [1, 1, 1], cells: [{cells}, {cells}, {cells}]}}}}
degree: {degree}
materials: {{all: {{model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: {nu}}}}}
boundary:
  - {{surface: x-min, displacement: [0, 0, 0]}}
  - {{surface: x-max, {load}}}
"""


def cube(cells: int = 2, degree: int = 2, nu: float = 0.3, load: str = "pressure: 0.1") -> str:
    return CUBE.format(cells=cells, degree=degree, nu=nu, load=load)


@pytest.mark.parametrize("name", ["cantilever", "cook", "schwarz"])
def test_summary_of_an_example(name: str, golden: Golden) -> None:
    golden(f"check-{name}.txt", summary(check_job(EXAMPLES / f"{name}.yml")) + "\n")


@pytest.mark.parametrize(("cells", "degree"), [(1, 1), (2, 2), (3, 4), (2, 8)])
def test_unknowns_of_a_clamped_cube_are_counted_exactly(
    write_job: WriteJob, cells: int, degree: int
) -> None:
    checked = check_job(write_job(cube(cells, degree)))
    along = cells * degree + 1
    assert checked.sizes.dofs == 3 * along**2 * (along - 1)


def test_prescribed_components_on_a_common_edge_are_counted_once(write_job: WriteJob) -> None:
    text = cube(2, 2) + "  - {surface: y-min, displacement: [0, 0, null]}\n"
    # 5³ nodes; x-min loses 25 in each component, y-min 20 more in x and y
    assert check_job(write_job(text)).sizes.dofs == 3 * 125 - 3 * 25 - 2 * 20


def test_a_large_job_is_checked_within_a_second(write_job: WriteJob) -> None:
    path = write_job(cube(cells=20))
    started = time.process_time()
    checked = check_job(path)
    assert time.process_time() - started < 1.0  # 0.1 s here
    assert checked.sizes.cells == 8000


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (cube(nu=0.499), ["Poisson's ratio 0.499 of all", "degree 4 or more"]),
        (cube(load="pressure: 1e-12"), ["ratio of", "units of stress"]),
        (cube(load="pressure: 300"), ["a load of 300 on moduli of", "units of stress"]),
        (cube(load="displacement: [99, 0, 0]"), ["a displacement of 99 on a body of size 1"]),
        (
            cube() + "  - {surface: y-min, displacement: [0.1, null, null]}\n",
            ["boundary[0] and boundary[2] prescribe different displacements at 3 vertices"],
        ),
        (
            cube().replace("[1, 1, 1], c", "[5e3, 1, 1], c").replace("2.8", "210e9"),
            ["lengths are in mm, moduli and loads must be in MPa"],
        ),
    ],
)
def test_what_looks_like_a_mistake_is_said(
    write_job: WriteJob, text: str, words: list[str]
) -> None:
    warnings = "\n".join(check_job(write_job(text)).warnings)
    for word in words:
        assert word in warnings


@pytest.mark.parametrize(
    "text",
    [
        cube(),
        cube(nu=0.499, degree=4),
        cube(load="displacement: [0.5, 0, 0]"),
        cube() + "  - {surface: y-min, displacement: [null, 0, 0]}\n",
        cube() + "  - {surface: y-min, displacement: ['0.1*x', null, null]}\n",
    ],
)
def test_what_is_plausible_is_not_warned_of(write_job: WriteJob, text: str) -> None:
    assert check_job(write_job(text)).warnings == ()


def test_memory_is_shared_by_the_ranks(write_job: WriteJob) -> None:
    sizes = check_job(write_job(cube(cells=20))).sizes
    assert sizes.memory_per_rank(1) == sizes.memory_bytes
    assert sizes.memory_per_rank(4) < sizes.memory_bytes / 2


def test_bytes_are_shown_in_decimal_units() -> None:
    shown = [in_bytes(count) for count in (0, 999, 1000, 2.5e9, 7e15)]
    assert shown == ["0 B", "999 B", "1 kB", "2.5 GB", "7e+03 TB"]


def test_checking_loads_no_library_of_a_run(
    sound_job: Path, run_python: Callable[[str], str]
) -> None:
    loaded = run_python(
        "import sys\n"
        "from elastane.jobs.cli import main\n"
        f"assert main(['check', {str(sound_job)!r}]) == 0\n"
        "heavy = {'petsc4py', 'mpi4py', 'libceed', 'jax', 'h5py', 'meshio'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    assert loaded.splitlines()[-1] == "[]"
