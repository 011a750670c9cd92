"""Which job files are refused, where and why; and what the sound ones become."""

from collections.abc import Callable
from pathlib import Path

import pytest

from elastane.jobs.check import check_job
from elastane.jobs.faults import JobFileError, dotted
from elastane.jobs.job import Job, load_job
from elastane.jobs.templates import EXAMPLES
from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.formula import Formula

WriteJob = Callable[[str], Path]

SOUND = """\
mesh: {box: {size: [1, 1, 1], cells: [2, 2, 2]}}
materials:
  all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}
boundary:
  - {surface: x-min, displacement: [0, 0, 0]}
  - {surface: x-max, traction: [0, 0, -0.5]}
"""
MATERIAL = "  all: {model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4}\n"
SUPPORT = "  - {surface: x-min, displacement: [0, 0, 0]}\n"
LOAD = "  - {surface: x-max, traction: [0, 0, -0.5]}\n"
MESH = "mesh: {box: {size: [1, 1, 1], cells: [2, 2, 2]}}\n"


def faults(path: Path) -> list[tuple[str, str]]:
    with pytest.raises(JobFileError) as caught:
        check_job(path)
    return [(dotted(fault.path), fault.message) for fault in caught.value.faults]


def with_material(text: str) -> str:
    return SOUND.replace(MATERIAL, f"  all: {text}\n")


def viscoelastic(text: str) -> str:
    return with_material(
        f"{{model: neo-hookean, youngs_modulus: 2.8, poissons_ratio: 0.4, viscoelastic: {text}}}"
    )


def with_support(text: str) -> str:
    return SOUND.replace(SUPPORT, f"  - {text}\n")


def with_load(text: str) -> str:
    return SOUND.replace(LOAD, f"  - {text}\n")


def with_mesh(text: str) -> str:
    return SOUND.replace(MESH, f"mesh: {text}\n")


def with_end(text: str) -> str:
    return SOUND + text + "\n"


CASES = [
    # values of the wrong kind
    (with_end("version: 2"), "version", "must be 1, got 2"),
    (with_end("degree: 2.0"), "degree", "a whole number is needed, got 2.0"),
    (with_end("degree: two"), "degree", "a whole number is needed, got 'two'"),
    (with_end("degree: true"), "degree", "a whole number is needed, got true"),
    (with_end("degree: 0"), "degree", "at least 1, got 0"),
    (with_end("degree: 9"), "degree", "at most 8, got 9"),
    (with_end("degree: 1000000000000000000000000"), "degree", "at most 8"),
    (with_end("degree:"), "degree", "a whole number is needed, got nothing"),
    (with_end("degree: [2]"), "degree", "got a list"),
    (
        with_end("loading: {adaptive: yes}"),
        "loading.adaptive",
        "true or false is needed, got 'yes'",
    ),
    (with_end("loading: {adaptive: 1}"), "loading.adaptive", "true or false"),
    (with_end("loading: {steps: 100000}"), "loading.steps", "at most 10000"),
    (with_end("loading: {min_step: 0}"), "loading.min_step", "greater than 0"),
    (with_end("loading: 3"), "loading", "a mapping of keys is needed, got 3"),
    (with_end("loading: []"), "loading", "a mapping of keys is needed, got a list"),
    (with_end("solver: {newton: {rtol: 1:30:00}}"), "solver.newton.rtol", "a number is needed"),
    (with_end("solver: {newton: {rtol: 2}}"), "solver.newton.rtol", "less than 1"),
    (with_end("solver: {linear: {rtol: tight}}"), "solver.linear.rtol", "'adaptive' or a number"),
    (with_end("solver: {linear: {rtol: 0}}"), "solver.linear.rtol", "between 0 and 1"),
    (with_end("body_force: [0, 0]"), "body_force", "3 entries are needed, got 2"),
    (with_end("body_force: [0, 0, 0, 0]"), "body_force", "3 entries are needed, got 4"),
    (with_end("body_force: 3"), "body_force", "a list is needed, got 3"),
    (with_end("resources: {time: 600}"), "resources.time", "a text is needed, got 600"),
    (with_end("resources: {time: soon}"), "resources.time", "hours:minutes:seconds"),
    (with_end("resources: {nodes: -1}"), "resources.nodes", "at least 1"),
    # unknown keys and names, with the nearest
    (with_end("degre: 2"), "degre", "did you mean 'degree'?"),
    (with_end("loading: {step: 2}"), "loading.step", "did you mean 'steps'?"),
    (with_end("solver: {newton: {rtoll: 2}}"), "solver.newton.rtoll", "did you mean 'rtol'?"),
    (with_end("output: {format: vtk}"), "output.format", "did you mean 'vtu'?"),
    (with_end("output: {fields: [stress]}"), "output.fields[0]", "cauchy_stress"),
    (with_end("output: {surfaces: [x-mix]}"), "output.surfaces[0]", "did you mean 'x-min'?"),
    (with_end("backend: gpu"), "backend", "unknown backend 'gpu'"),
    (with_end("solver: {multigrid: {coarse: hypre}}"), "solver.multigrid.coarse", "boomeramg"),
    (with_end("solver: {multigrid: {levels: [2]}}"), "solver.multigrid.levels", "rise from 1"),
    (with_end("solver: {multigrid: {levels: half}}"), "solver.multigrid.levels", "logarithmic"),
    (
        with_end("solver: {multigrid: {smoother_degree: best}}"),
        "solver.multigrid.smoother_degree",
        "'auto' or an integer",
    ),
    (
        with_end("solver: {multigrid: {smoother_degree: 1.5}}"),
        "solver.multigrid.smoother_degree",
        "'auto' or an integer",
    ),
    (
        with_end("solver: {multigrid: {smoother_degree: 21}}"),
        "solver.multigrid.smoother_degree",
        "between 1 and 20",
    ),
    (with_end("solver: {petsc_options: {-ksp_rtol: 1}}"), "solver.petsc_options.-ksp_rtol", "dash"),
    (with_end("solver: {petsc_options: {ksp: [1]}}"), "solver.petsc_options.ksp", "got a list"),
    # meshes
    (with_mesh("{}"), "mesh", "exactly one of file, box"),
    (with_mesh("{box: {size: [1, 1, 1], cells: [1, 1, 1]}, file: a.msh}"), "mesh", "exactly one"),
    (with_mesh("{bax: {size: [1, 1, 1]}}"), "mesh.bax", "did you mean 'box'?"),
    (with_mesh("{box: {cells: [1, 1, 1]}}"), "mesh.box.size", "this key is needed"),
    (with_mesh("{box: {size: [1, 0, 1], cells: [1, 1, 1]}}"), "mesh.box.size[1]", "greater than 0"),
    (with_mesh("{box: {size: [1, 1, 1], cells: [1, 0, 1]}}"), "mesh.box.cells[1]", "at least 1"),
    (with_mesh("{box: {size: [1, 1, 1], cells: [1, 1]}}"), "mesh.box.cells", "3 entries"),
    (
        with_mesh("{schwarz_p: {extent: [1, 1, 1], thickness: 9, refine: 0, layers: 1}}"),
        "mesh.schwarz_p",
        "overlaps itself",
    ),
    (with_mesh("{box: {size: [1, 1, 1], cells: [1, 1, 1]}, refine: 11}"), "mesh.refine", "most 10"),
    (with_mesh("{file: none.msh}"), "mesh.file", "does not exist"),
    (with_mesh("{file: ''}"), "mesh.file", "at least 1"),
    (with_mesh("{file: /}"), "mesh.file", "is not a file"),
    (with_mesh("{file: /dev/zero}"), "mesh.file", "is not a file"),
    (with_mesh('{file: "a\\0b.msh"}'), "mesh.file", "NUL"),
    (with_mesh("{file: job.yml}"), "mesh.file", "unknown ending"),
    # huge ones, with figures
    (
        with_mesh("{box: {size: [1, 1, 1], cells: [1000, 1000, 1000]}}"),
        "mesh.box",
        "1,000,000,000 cells of degree 2 have about 24,000,000,000 unknowns",
    ),
    (with_mesh("{box: {size: [1, 1, 1], cells: [9, 9, 9]}, refine: 10}"), "mesh.box", "unknowns"),
    (
        with_mesh("{box: {size: [1, 1, 1], cells: [2000000, 1, 1]}}"),
        "mesh.box.cells[0]",
        "at most 1000000",
    ),
    # sub-surfaces
    (
        with_mesh(
            "{box: {size: [1, 1, 1], cells: [1, 1, 1]}, "
            "surfaces: {p: {on: z-mux, min: [0, 0, 0], max: [1, 1, 1]}}}"
        ),
        "mesh.surfaces.p.on",
        "did you mean 'z-max'?",
    ),
    (
        with_mesh(
            "{box: {size: [1, 1, 1], cells: [1, 1, 1]}, "
            "surfaces: {x-min: {on: z-max, min: [0, 0, 0], max: [1, 1, 1]}}}"
        ),
        "mesh.surfaces.x-min",
        "the mesh has a surface of this name",
    ),
    (
        with_mesh(
            "{box: {size: [1, 1, 1], cells: [1, 1, 1]}, "
            "surfaces: {p: {on: z-max, min: [0, 0, 0], max: [.5, .5, 1]}}}"
        ),
        "mesh.box",
        "no facet of 'z-max'",
    ),
    (
        with_mesh(
            "{box: {size: [1, 1, 1], cells: [1, 1, 1]}, "
            "surfaces: {a/b: {on: z-max, min: [0, 0, 0], max: [1, 1, 1]}}}"
        ),
        "mesh.surfaces.a/b",
        "a name is",
    ),
    # materials
    (SOUND.replace("all:", "bodi:"), "materials.bodi", "did you mean 'body'?"),
    (with_material("{youngs_modulus: 1}"), "materials.all.model", "this key is needed"),
    (with_material("{model: neo-hookan}"), "materials.all.model", "did you mean 'neo-hookean'?"),
    (
        with_material("{model: linear, youngs_modulus: 1}"),
        "materials.all.youngs_modulus",
        "any two",
    ),
    (
        with_material("{model: linear, youngs_modulus: 0, poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "greater than 0",
    ),
    (
        with_material("{model: linear, youngs_modulus: -3, poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "greater than 0, got -3",
    ),
    (
        with_material("{model: linear, youngs_modulus: 1, poissons_ratio: 0.5}"),
        "materials.all.poissons_ratio",
        "mixed formulation",
    ),
    (
        with_material("{model: linear, youngs_modulus: 1, poissons_ratio: -1}"),
        "materials.all.poissons_ratio",
        "between -1 and 0.5",
    ),
    (
        with_material("{model: linear, shear_modulus: 0, bulk_modulus: 1}"),
        "materials.all.shear_modulus",
        "greater than 0",
    ),
    (
        with_material("{model: linear, shear_modulus: 1, bulk_modulus: -1}"),
        "materials.all.bulk_modulus",
        "greater than 0",
    ),
    (
        with_material("{model: linear, youngs_modulus: 1, poisons_ratio: 0.3}"),
        "materials.all.poisons_ratio",
        "did you mean 'poissons_ratio'?",
    ),
    (
        with_material("{model: linear, youngs_modulus: stiff, poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "unknown name 'stiff'",
    ),
    (
        with_material("{model: linear, youngs_modulus: 3 MPa, poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "'3 MPa' has a unit, but the file fixes no set of units",
    ),
    (
        with_material("{model: linear, youngs_modulus: 1, poissons_ratio: '0.6*x'}"),
        "materials.all.poissons_ratio",
        "got 0.6",
    ),
    (
        with_material("{model: linear, youngs_modulus: '1 - x', poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "got 0.0",
    ),
    (
        with_material("{model: linear, youngs_modulus: '1/x', poissons_ratio: 0.3}"),
        "materials.all.youngs_modulus",
        "is inf at the point (0,",
    ),
    (
        with_material(
            "{model: neo-hookean-isochoric, shear_modulus: 1, bulk_modulus: 1, volumetric: cubic}"
        ),
        "materials.all.volumetric",
        "one of quadratic, j2",
    ),
    (with_material("3"), "materials.all", "a mapping of keys is needed"),
    # viscoelastic materials
    (
        viscoelastic("{fractions: [0.3, 0.8], relaxation_times: [1, 2]}"),
        "materials.all.viscoelastic.fractions",
        "sum to less than 1, got 1.1",
    ),
    (
        viscoelastic("{fractions: [0.3, 0.2], relaxation_times: [0.1]}"),
        "materials.all.viscoelastic.relaxation_times",
        "both must be as long",
    ),
    (
        viscoelastic("{fractions: [0.3], relaxation_times: ['x - 1']}"),
        "materials.all.viscoelastic.relaxation_times",
        "relaxation_times must be greater than 0",
    ),
    (
        viscoelastic("{fractions: [0.3]}"),
        "materials.all.viscoelastic",
        "needs relaxation_times, too",
    ),
    (
        viscoelastic("{fractions: [0.3], relaxation_times: [1], time_increment: 1}"),
        "materials.all.viscoelastic.time_increment",
        "unknown key",
    ),
    (
        viscoelastic("{fractions: [0.3], relaxation_times: [1], relaxing: shape}"),
        "materials.all.viscoelastic.relaxing",
        "one of isochoric, all",
    ),
    (viscoelastic("0.3"), "materials.all.viscoelastic", "relaxation_times are needed, got 0.3"),
    (
        with_material("{model: linear, youngs_modulus: 1, poissons_ratio: 0.3, fractions: [0.3]}"),
        "materials.all.fractions",
        "unknown key",
    ),
    (with_end("loading: {duration: 0}"), "loading.duration", "greater than 0"),
    (SOUND.replace("materials:\n" + MATERIAL, "materials: {}\n"), "materials", "at least 1"),
    # supports and loads
    (with_load("{surface: x-mac, traction: [0, 0, 1]}"), "boundary[1].surface", "'x-max'"),
    (with_load("{surface: x-max}"), "boundary[1]", "exactly one of displacement, rotation"),
    (
        with_load("{surface: x-max, traction: [0, 0, 1], pressure: 1}"),
        "boundary[1]",
        "got traction",
    ),
    (with_load("{surface: x-max, traction: [0, 0]}"), "boundary[1].traction", "3 entries"),
    (with_load("{surface: x-max, traction: [0, 0, null]}"), "boundary[1].traction[2]", "nothing"),
    (with_load("{surface: x-max, traction: [0, 0, zz]}"), "boundary[1].traction[2]", "'zz'"),
    (with_load("{surface: x-max, pressure: 1/(y - 1)}"), "boundary[1].pressure", "is inf at"),
    (with_load("{surface: x-max, pressure: sqrt(t - 1)}"), "boundary[1].pressure", "is nan at"),
    (with_load("{surface: x-max, pressure: true}"), "boundary[1].pressure", "got true"),
    (
        with_load("{surface: x-max, displacement: [null, null, null]}"),
        "boundary[1].displacement",
        "no component",
    ),
    (
        with_load("{surface: x-max, rotation: {axis: [0, 0, 0], angle: 9}}"),
        "boundary[1].rotation",
        "no direction",
    ),
    (
        with_load("{surface: x-max, rotation: {axis: [1, 0, 0]}}"),
        "boundary[1].rotation.angle",
        "this key is needed",
    ),
    (
        with_load("{surface: x-min, displacement: [null, 1, null]}"),
        "boundary[1].displacement",
        "the component y of 'x-min' is prescribed already by boundary[0]",
    ),
    (
        with_load("{surface: x-min, rotation: {axis: [1, 0, 0], angle: 9}}"),
        "boundary[1].rotation",
        "prescribed already",
    ),
    # rigid motions that nothing holds
    (with_support("{surface: x-min, pressure: 1}"), "boundary", "3 free translations, 3 free rot"),
    (
        with_support("{surface: x-min, displacement: [0, null, null]}"),
        "boundary",
        "2 free translations along y and z, 1 free rotation about x of region body",
    ),
    (SOUND[: SOUND.index("boundary")], "boundary", "3 free translations"),
    # names that leave their place
    (with_end("name: a/b"), "name", "letters, digits"),
    (with_end("name: ../up"), "name", "letters, digits"),
    (with_end("name: .."), "name", "letters, digits"),
    (with_end("name: -rf"), "name", "letters, digits"),
    (with_end('name: "a\\n#SBATCH --output=x"'), "name", "letters, digits"),
    (with_end('name: "a\\0b"'), "name", "letters, digits"),
    (with_end("name: ''"), "name", "letters, digits"),
    (with_end("name: $(id)"), "name", "letters, digits"),
    (with_end("name: a b"), "name", "letters, digits"),
    (with_end("name: naïve"), "name", "letters, digits"),
    (with_end(f"name: {'a' * 65}"), "name", "letters, digits"),
    (with_end("name: 3"), "name", "a text is needed"),
    (with_end("output: {probes: {a/b: [1, 1, 1]}}"), "output.probes.a/b", "letters, digits"),
    # probes
    (with_end("output: {probes: {tip: [1, 1, 1.1]}}"), "output.probes.tip", "outside the body"),
    (with_end("output: {probes: {tip: [1, 1]}}"), "output.probes.tip", "3 entries"),
]


@pytest.mark.parametrize(("text", "path", "words"), CASES, ids=range(len(CASES)))
def test_a_fault_is_found_where_it_is(
    write_job: WriteJob, text: str, path: str, words: str
) -> None:
    ((found_path, message),) = faults(write_job(text))
    assert found_path == path
    assert words in message


def test_two_names_of_the_same_facets_are_seen_through(write_job: WriteJob) -> None:
    text = (
        with_mesh(
            "{box: {size: [1, 1, 1], cells: [2, 2, 2]}, "
            "surfaces: {part: {on: x-min, min: [0, 0, 0], max: [0, 0.5, 1]}}}"
        )
        + "  - {surface: part, displacement: [null, null, 0]}\n"
    )
    ((path, message),) = faults(write_job(text))
    assert path == "boundary[2].displacement"
    assert "z is prescribed already by boundary[0] on 2 facets" in message


ALL_WRONG = """\
version: 2
name: a/b
mesh:
  box: {size: [1, 1], cells: [2, 2.5, 2], orign: [0, 0, 0]}
degre: 2
materials:
  all: {model: neo-hookan, youngs_modulus: 2.8}
  body: {model: neo-hookean, youngs_modulus: -2.8, poisson_ratio: 0.5}
boundary:
  - {surface: x-mn, displacement: [0, 0, 0]}
  - {surface: x-max, traction: [0, 0, "sinn(x)"]}
  - {surface: x-max, pressure: .nan}
solver:
  newton: {rtol: 1e-8, max_iterations: 0}
backend: gpu
backend: cpu
output: {format: vtk, probes: {tip: [1, 1]}}
"""


def test_all_faults_of_a_file_are_found_in_one_pass(write_job: WriteJob) -> None:
    assert [path for path, _ in faults(write_job(ALL_WRONG))] == [
        "version",
        "name",
        "mesh.box.size",
        "mesh.box.cells[1]",
        "mesh.box.orign",
        "degre",
        "materials.all.model",
        "materials.body.youngs_modulus",
        "materials.body.poisson_ratio",
        "boundary[0].surface",
        "boundary[1].traction[2]",
        "boundary[2].pressure",
        "solver.newton.max_iterations",
        "backend",
        "backend",
        "output.format",
        "output.probes.tip",
    ]


def test_a_fault_shows_file_line_column_key_source_and_caret(
    write_job: WriteJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_job(with_load("{surface: x-mac, traction: [0, 0, 1]}"))
    monkeypatch.chdir(path.parent)
    with pytest.raises(JobFileError) as caught:
        check_job(Path("job.yml"))
    assert str(caught.value) == (
        "job.yml:6:15: boundary[1].surface: unknown surface 'x-mac'; did you mean 'x-max'? "
        "known: x-max, x-min, y-max, y-min, z-max, z-min\n"
        "      - {surface: x-mac, traction: [0, 0, 1]}\n"
        "                  ^"
    )


@pytest.mark.parametrize("text", ["", "# nothing\n", "3", "[]", "text"])
def test_a_file_without_keys_is_refused(write_job: WriteJob, text: str) -> None:
    (fault,) = faults(write_job(text))
    assert fault[0] == ""


def test_defaults_are_those_of_the_contract(write_job: WriteJob) -> None:
    job = load_job(write_job(SOUND))
    problem = job.problem
    assert (job.name, problem.degree, problem.num_points_1d) == ("job", 2, 3)
    assert problem.body_force is None
    assert (problem.loading.steps, problem.loading.adaptive) == (1, True)
    assert problem.solver.linear.rtol is None
    assert problem.solver.multigrid.levels == "logarithmic"
    assert problem.solver.multigrid.smoother_degree is None
    assert (problem.backend, problem.output.format) == ("cpu", "vtu")
    assert problem.output.fields == ("displacement", "cauchy_stress")


def test_components_left_out_or_null_are_free(write_job: WriteJob) -> None:
    zero = Formula.constant(0)
    for text in ("[0, null, 0]", "{x: 0, z: 0}"):
        job = load_job(write_job(with_load(f"{{surface: x-max, displacement: {text}}}")))
        assert job.problem.boundary[1] == Displacement("x-max", (zero, None, zero))
    job = load_job(write_job(with_load("{surface: x-max, displacement: [0]}")))
    assert job.problem.boundary[1] == Displacement("x-max", (zero, None, None))


def test_raw_options_become_texts(write_job: WriteJob) -> None:
    text = "solver: {petsc_options: {ksp_type: gmres, ksp_rtol: 1e-8, ksp_view: true, n: 3}}"
    options = load_job(write_job(with_end(text))).problem.solver.petsc_options
    assert options == {"ksp_type": "gmres", "ksp_rtol": "1e-08", "ksp_view": "true", "n": "3"}


EVERYTHING = """\
name: every.thing-1
mesh:
  annulus: {inner: 1, outer: 2, length: 1, angle: 90, cells: [2, 2, 1]}
  surfaces: {patch: {on: z-max, min: [-1, -1, 1], max: [2, 2, 1]}}
degree: 3
quadrature_extra: 1
materials:
  body:
    model: neo-hookean-isochoric
    shear_modulus: "0.4 + 0.01*x"
    bulk_modulus: 2e1
boundary:
  - {surface: z-min, displacement: ["0.01*t**2", "1e-3 * x", null]}
  - {surface: theta-min, displacement: {z: 0}}
  - {surface: theta-max, rotation: {axis: [0, 0, 1], angle: "5"}}
  - {surface: inner, pressure: "0.1*sin(pi*t)"}
  - {surface: outer, traction: [0, 0, 1e-05]}
body_force: [0, "0.001*z", 0]
loading: {steps: 3, adaptive: false, min_step: 0.001, duration: 60}
solver:
  newton: {rtol: 1.0e-9, line_search: bt}
  linear: {rtol: 1e-3}
  multigrid: {levels: [1, 3], smoother_degree: 3, coarse: gamg}
  petsc_options: {ksp_monitor: true, "no": "017"}
backend: /cpu/self/opt/blocked
output:
  format: vtkhdf
  every: 0
  fields: [J]
  surfaces: [patch, inner]
  probes: {"1e5": [2, 0, 0], no: [0, 1, 0.5]}
resources: {nodes: 2, ranks_per_node: 3, gpus_per_node: 1, time: 1-02:03:04}
"""


RELAXING = viscoelastic('{fractions: [0.3, "0.1 + 0.1*x"], relaxation_times: [0.1, 1]}')


@pytest.mark.parametrize(
    "text", [SOUND, EVERYTHING, RELAXING], ids=["sound", "everything", "relaxing"]
)
def test_the_effective_job_is_the_same_job(write_job: WriteJob, text: str) -> None:
    job = load_job(write_job(text))
    again = load_job(write_job(job.effective_yaml()))
    assert again.problem == job.problem
    assert again.effective_yaml() == job.effective_yaml()


def test_the_effective_job_names_every_key(write_job: WriteJob) -> None:
    text = load_job(write_job(EVERYTHING)).effective_yaml()
    for key in ("version: 1", "geometry_degree: 3", "refine: 0", "volumetric: quadratic", "atol"):
        assert key in text
    assert isinstance(load_job(write_job(EVERYTHING)).problem.boundary[2], Rotation)


@pytest.mark.parametrize(
    ("stem", "name"),
    [("plate", "plate"), ("my job (2)", "my-job-2-"), ("наб", "job"), (".hidden", "hidden")],
)
def test_a_job_without_a_name_is_called_like_its_file(tmp_path: Path, stem: str, name: str) -> None:
    path = tmp_path / f"{stem}.yml"
    path.write_text(SOUND, encoding="utf-8")
    assert load_job(path).name == name


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.yml")), ids=lambda path: path.stem)
def test_examples_are_sound(path: Path) -> None:
    checked = check_job(path)
    assert checked.warnings == ()
    assert isinstance(checked.job, Job)


def test_a_mesh_file_is_found_from_the_run_folder_too(write_job: WriteJob, tmp_path: Path) -> None:
    templates = {path.name: path.read_bytes() for path in EXAMPLES.glob("bimaterial.*")}
    (tmp_path / "there").mkdir()
    for name, content in templates.items():
        (tmp_path / "there" / name).write_bytes(content)
    job = load_job(tmp_path / "there" / "bimaterial.yml")
    elsewhere = write_job(job.effective_yaml())
    assert load_job(elsewhere).problem == job.problem
    assert check_job(elsewhere).sizes == check_job(tmp_path / "there" / "bimaterial.yml").sizes
