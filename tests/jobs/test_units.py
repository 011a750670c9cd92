"""Units: quantities become numbers of the set, exactly, or are refused where they stand."""

from collections.abc import Callable
from pathlib import Path

import pytest

from elastane.jobs.check import check_job, summary
from elastane.jobs.faults import JobFileError, dotted
from elastane.jobs.job import load_job
from elastane.jobs.material_commands import read_entries
from elastane.jobs.recorder import history_header
from elastane.jobs.units import (
    DIMENSIONS,
    PREFERRED,
    PRODUCTS,
    SI,
    UNITS,
    UnitError,
    UnitSystem,
    is_quantity,
    parse_unit,
    powers_of,
    read_quantity,
)
from elastane.materials import ParameterError, find_model

WriteJob = Callable[[str], Path]

MM_N = UnitSystem("mm", "N")

JOB = """\
name: beam
units: {{length: mm, force: N}}
mesh:
  box: {{size: [10 mm, 1 cm, 0.02 m], cells: [2, 1, 2], origin: [0, -1 mm, 0]}}
  surfaces: {{half: {{on: z-max, min: [0, -1 mm, 0], max: [5 mm, 9 mm, 2 cm]}}}}
materials:
  all:
    model: ogden
    mu: [{modulus}, 2 kPa]
    alpha: [1.3, 5]
    poissons_ratio: 0.4
    viscoelastic: {{fractions: 0.3, relaxation_times: 2 min}}
boundary:
  - {{surface: z-min, displacement: [0, 0, 0]}}
  - {{surface: half, displacement: {{x: 10 µm}}}}
  - {{surface: x-max, traction: [0, 0, {traction}]}}
  - {{surface: y-max, pressure: 2 bar}}
  - {{surface: x-min, rotation: {{axis: [0, 0, 1], origin: [0, 1 cm, 0], angle: 10 deg}}}}
body_force: [0, 0, -76.5 kN/m^3]
loading: {{duration: 1 h}}
solver: {{newton: {{atol: 1 nN}}}}
output: {{surfaces: [x-max], probes: {{tip: [10, 9, 2 cm]}}}}
"""


def job(modulus: str = "3 MPa", traction: str = "-0.5 MPa") -> str:
    return JOB.format(modulus=modulus, traction=traction)


def faults(path: Path) -> list[tuple[int, str, str]]:
    with pytest.raises(JobFileError) as caught:
        check_job(path)
    return [(f.position.line, dotted(f.path), f.message) for f in caught.value.faults]


@pytest.mark.parametrize(
    ("text", "dimension", "system", "number"),
    [
        ("3 MPa", "stress", MM_N, 3.0),
        ("3MPa", "stress", SI, 3e6),
        ("3 N/mm²", "stress", MM_N, 3.0),
        ("3 N / mm**2", "stress", MM_N, 3.0),
        ("0.1 GPa", "stress", MM_N, 100.0),
        ("2.1e11 Pa", "stress", MM_N, 210000.0),
        ("1 psi", "stress", UnitSystem("in", "lbf"), 1.0),
        ("120 mmHg", "stress", UnitSystem("mm", "mN"), 15.9986864898),
        ("-1.5e-3 in", "length", MM_N, -0.0381),
        ("10 µm", "length", MM_N, 0.01),
        ("10 μm", "length", MM_N, 0.01),  # the Greek letter rather than the sign
        ("9.81 N/m^3", "force per volume", MM_N, 9.81e-9),
        ("2 h", "time", UnitSystem("m", "N", "min"), 120.0),
        ("90 deg", "angle", None, 90.0),
        ("3.141592653589793 rad", "angle", MM_N, 180.0),
        ("1 N·mm", "energy", SI, 0.001),
    ],
)
def test_a_quantity_is_the_nearest_number_in_the_set(
    text: str, dimension: str, system: UnitSystem | None, number: float
) -> None:
    """Not one digit is lost: factors are fractions, rounded once."""
    assert is_quantity(text)
    assert read_quantity(text, DIMENSIONS[dimension], system) == number


@pytest.mark.parametrize("name", UNITS)
def test_every_unit_is_one_of_itself(name: str) -> None:
    unit = UNITS[name]
    assert parse_unit(name) == unit
    back = read_quantity(f"1 {name}", unit.powers, SI)
    assert back == float(unit.factor)


def test_units_that_are_offered_are_read() -> None:
    assert all(parse_unit(name).powers in DIMENSIONS.values() for name in PRODUCTS)
    assert set(PREFERRED) <= set(UNITS)


@pytest.mark.parametrize(
    "system",
    [SI, MM_N, UnitSystem("cm", "dyn"), UnitSystem("ft", "kip", "d"), UnitSystem("um", "nN")],
)
def test_the_symbols_of_a_set_mean_its_own_units(system: UnitSystem) -> None:
    for dimension, symbol in system.symbols().items():
        assert read_quantity(f"1 {symbol}", DIMENSIONS[dimension], system) == 1.0


def test_stresses_of_well_known_sets_go_by_their_names() -> None:
    sets = [MM_N, SI, UnitSystem("m", "kN"), UnitSystem("mm", "kN"), UnitSystem("in", "lbf")]
    assert [s.symbol("stress") for s in sets] == ["MPa", "Pa", "kPa", "GPa", "psi"]
    assert MM_N.symbol("energy") == "N*mm"
    assert UnitSystem("cm", "dyn").symbol("force per volume") == "dyn/cm^3"


@pytest.mark.parametrize(
    "text",
    [
        "1",
        "x",
        "2*x",
        "2 x",
        "2x",
        "3 pi",
        "3 mm*x",
        "1e3",
        "1e400",
        "3 min(x, 1)",
        "1,5 MPa",
        "MPa",
        "",
    ],
)
def test_what_may_be_a_formula_is_no_quantity(text: str) -> None:
    assert not is_quantity(text)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("3 mm", "a stress is needed, got '3 mm', a length; known: Pa, mPa"),
        (
            "3 N/mm",
            "a stress is needed, got '3 N/mm', of another dimension; did you mean 'N/mm^2'?",
        ),
        ("3 mpa", "unknown unit 'mpa'; did you mean 'mPa' or 'MPa'?"),
        ("3 MPaa", "unknown unit 'MPaa'; did you mean 'MPa'?"),
        ("3 M Pa", "a unit such as N/mm^2 is needed, got 'M Pa'"),
        ("3 N/m/m", "a unit such as N/mm^2 is needed"),
        ("3 N/m^-2", "3 N/m^-2"),
        ("1e308 GPa", "too large a number"),
    ],
)
def test_what_is_wrong_with_a_quantity_is_said(text: str, words: str) -> None:
    with pytest.raises(UnitError) as caught:
        read_quantity(text, DIMENSIONS["stress"], MM_N)
    assert words in str(caught.value)


def test_a_huge_exponent_takes_no_time() -> None:
    """A fraction of 1e999999999 would have as many digits."""
    assert not is_quantity("1e999999999 MPa")


def test_a_job_with_units_is_the_job_in_plain_numbers(write_job: WriteJob) -> None:
    plain = job(modulus="3", traction="-0.5")
    for written, number in {
        "10 mm": "10", "1 cm": "10", "0.02 m": "20", "-1 mm": "-1", "5 mm": "5", "9 mm": "9",
        "2 cm": "20", "2 kPa": "0.002", "2 min": "120", "10 µm": "0.01", "2 bar": "0.2",
        "10 deg": "10", "-76.5 kN/m^3": "-7.65e-5", "1 h": "3600", "1 nN": "1.0e-9",
    }.items():  # fmt: skip
        plain = plain.replace(written, number)
    expected = load_job(write_job(plain))
    found = load_job(write_job(job()))
    assert found.problem == expected.problem
    assert found.effective_yaml() == expected.effective_yaml()


def test_the_effective_job_is_read_back_unchanged(write_job: WriteJob) -> None:
    first = load_job(write_job(job()))
    again = load_job(write_job(first.effective_yaml()))
    assert "units: {length: mm, force: N, time: s}" in first.effective_yaml()
    assert again.problem == first.problem
    assert again.effective_yaml() == first.effective_yaml()


def test_a_job_without_units_takes_no_quantity_but_angles(write_job: WriteJob) -> None:
    text = job().replace("units: {length: mm, force: N}\n", "")
    found = faults(write_job(text))
    assert all("fixes no set of units" in message for _, _, message in found)
    assert all("units: {length: mm, force: N}" in message for _, _, message in found)
    assert {path for _, path, _ in found} == {
        "mesh.box.size[0]", "mesh.box.size[1]", "mesh.box.size[2]", "mesh.box.origin[1]",
        *(f"mesh.surfaces.half.{key}" for key in ("min[1]", "max[0]", "max[1]", "max[2]")),
        "materials.all.mu[0]", "materials.all.mu[1]", "materials.all.viscoelastic.relaxation_times",
        "boundary[1].displacement[0]", "boundary[2].traction[2]", "boundary[3].pressure",
        "boundary[4].rotation.origin[1]", "body_force[2]", "loading.duration", "solver.newton.atol",
        "output.probes.tip[2]",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "path", "words"),
    [
        (
            "0.02 m]",
            "0.02 MPa]",
            4,
            "mesh.box.size[2]",
            "a length is needed, got '0.02 MPa', a stress",
        ),
        ("[10 mm,", "[-10 mm,", 4, "mesh.box.size[0]", "must be greater than 0.0, got '-10 mm'"),
        ("3 MPa", "3 mm", 9, "materials.all.mu[0]", "a stress is needed, got '3 mm', a length"),
        ("0.4", "0.4 MPa", 11, "materials.all.poissons_ratio", "a number without unit is needed"),
        ("2 min", "2 mm", 12, "materials.all.viscoelastic.relaxation_times", "a time is needed"),
        ("10 µm", "10 µN", 15, "boundary[1].displacement[0]", "a length is needed"),
        ("-0.5 MPa", "0.1 mm * x", 16, "boundary[2].traction[2]", "a formula takes plain numbers"),
        ("2 bar", "2 bars", 17, "boundary[3].pressure", "did you mean 'bar'?"),
        (
            "10 deg",
            "10 s",
            18,
            "boundary[4].rotation.angle",
            "an angle is needed, got '10 s', a time",
        ),
        ("kN/m^3", "kN/m^2", 19, "body_force[2]", "a force per volume is needed"),
        ("1 h", "1 hPa", 20, "loading.duration", "a time is needed, got '1 hPa', a stress"),
        ("length: mm,", "length: MM,", 2, "units.length", "did you mean 'mm'?"),
        ("length: mm,", "", 2, "units.length", "this key is needed"),
        ("force: N}", "force: N, mass: kg}", 2, "units.mass", "unknown key 'mass'"),
    ],
)
def test_a_wrong_unit_is_refused_where_it_stands(
    write_job: WriteJob, old: str, new: str, line: int, path: str, words: str
) -> None:
    ((found_line, found_path, message),) = faults(write_job(job().replace(old, new, 1)))
    assert (found_line, found_path) == (line, path)
    assert words in message


@pytest.mark.parametrize(
    ("length", "force", "modulus", "words"),
    [
        ("mm", "N", "2.1e11", "2.1e+11 MPa, which is 2.1e+17 Pa and stiffer than diamond"),
        ("mm", "kN", "2.1e11", "2.1e+11 GPa"),
        ("m", "kN", "2.1e11", "2.1e+11 kPa"),
        ("m", "N", "2.1e14", "stiffer than diamond"),
        ("m", "N", "0.21", "softer than any gel"),
        ("mm", "N", "2.1e11 Pa", ""),
        ("mm", "N", "2.1e5", ""),
        ("m", "N", "2.1e11", ""),
        ("mm", "kN", "210", ""),
        ("in", "lbf", "30e6", ""),
        ("mm", "mN", "10", ""),  # soft tissue
    ],
)
def test_steel_in_the_wrong_unit_is_warned_of(
    write_job: WriteJob, length: str, force: str, modulus: str, words: str
) -> None:
    text = (
        f"units: {{length: {length}, force: {force}}}\n"
        "mesh: {box: {size: [1 m, 1 m, 1 m], cells: [1, 1, 1]}}\n"
        f"materials: {{all: {{model: linear, youngs_modulus: {modulus}, poissons_ratio: 0.3}}}}\n"
        "boundary: [{surface: x-min, displacement: [0, 0, 0]}]\n"
    )
    warnings = check_job(write_job(text)).warnings
    assert len(warnings) == bool(words)
    assert all(words in w and "materials.all.youngs_modulus" in w for w in warnings)


def test_a_large_penalty_for_the_change_of_volume_is_plausible(write_job: WriteJob) -> None:
    text = (
        "units: {length: mm, force: N}\n"
        "mesh: {box: {size: [1, 1, 1], cells: [1, 1, 1]}}\n"
        "degree: 4\n"
        "materials: {all: {model: neo-hookean-isochoric, shear_modulus: 1, bulk_modulus: 1e9}}\n"
        "boundary: [{surface: x-min, displacement: [0, 0, 0]}]\n"
    )
    assert check_job(write_job(text)).warnings == ()


@pytest.mark.parametrize(("length", "warned"), [("um", False), ("nm", True), ("km", True)])
def test_a_body_of_no_plausible_size_is_warned_of(
    write_job: WriteJob, length: str, warned: bool
) -> None:
    size = 200 if length == "km" else 3
    text = (
        f"units: {{length: {length}, force: N}}\n"
        f"mesh: {{box: {{size: [{size}, 1, 1], cells: [1, 1, 1]}}}}\n"
        "materials: {all: {model: linear, youngs_modulus: 1 GPa, poissons_ratio: 0.3}}\n"
        "boundary: [{surface: x-min, displacement: [0, 0, 0]}]\n"
    )
    warnings = check_job(write_job(text)).warnings
    assert any("the body has a size of" in w for w in warnings) == warned


def test_the_summary_names_the_units(write_job: WriteJob) -> None:
    assert "units         mm, N, s; stresses in MPa" in summary(check_job(write_job(job())))


def test_headers_carry_the_units_of_the_job(write_job: WriteJob) -> None:
    output = load_job(write_job(job())).problem.output
    assert history_header(output) == [
        "step", "load", "strain_energy [N*mm]", "max_displacement [mm]", "min_J",
        "newton_iterations", "krylov_iterations", "wall_time [s]", "area x-max [mm^2]",
        *(f"force_{axis} x-max [N]" for axis in "xyz"),
        *(f"displacement_{axis} x-max [mm]" for axis in "xyz"),
        *(f"displacement_{axis} at tip [mm]" for axis in "xyz"),
    ]  # fmt: skip
    assert output.units["stress"] == "MPa"


def test_headers_without_units_are_plain(sound_job: Path) -> None:
    output = load_job(sound_job).problem.output
    assert history_header(output)[2] == "strain_energy"
    assert output.units == {}


def test_entries_of_the_command_line_are_in_si() -> None:
    material = find_model("neo-hookean")
    given, _ = read_entries(material, ["youngs_modulus=3MPa", "poissons_ratio=0.3"])
    assert given == {"youngs_modulus": 3e6, "poissons_ratio": 0.3}
    ogden, _ = read_entries(find_model("ogden"), ["mu=1MPa,2kPa", "alpha=1.3,5"])
    assert ogden == {"mu": [1e6, 2000.0], "alpha": [1.3, 5]}
    for entry in ("youngs_modulus=3mm", "poissons_ratio=0.3MPa"):
        with pytest.raises(ParameterError, match="is needed, got"):
            read_entries(material, [entry])


def test_a_file_with_a_sweep_is_referred_to_its_command(write_job: WriteJob) -> None:
    ((_, path, message),) = faults(write_job(job() + "sweep: {degree: [1, 2]}\n"))
    assert path == "sweep"
    assert "`elastane sweep FILE`" in message


def test_a_unit_of_no_known_dimension_takes_no_quantity() -> None:
    assert powers_of("mol/m^3") is None
    assert powers_of("Pa*s") == (-2, 1, 1, 0)
