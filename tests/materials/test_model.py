"""What users give, and what they are told when it cannot be."""

import itertools
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from elastane.materials import MODELS, ParameterError, find_model
from elastane.materials.describe import describe, list_models
from elastane.materials.isotropic import LAME
from elastane.materials.model import Values

E, NU = 2.8, 0.4
CONSTANTS = {
    "youngs_modulus": E,
    "poissons_ratio": NU,
    "shear_modulus": E / (2 * (1 + NU)),
    "bulk_modulus": E / (3 * (1 - 2 * NU)),
    "lame_lambda": E * NU / ((1 + NU) * (1 - 2 * NU)),
}
ISOTROPIC = ["linear", "neo-hookean", "neo-hookean-j2", "neo-hookean-isochoric"]


@pytest.mark.parametrize("pair", LAME, ids="+".join)
@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("nu", [0.4, 0.0, -0.3, 0.4999])
def test_any_two_elastic_constants_determine_the_solid(
    pair: tuple[str, str], order: int, nu: float
) -> None:
    if nu == 0.0 and set(pair) == {"poissons_ratio", "lame_lambda"}:
        pytest.skip("ν = 0 and λ = 0 leave μ open")
    mu = E / (2 * (1 + nu))
    constants = CONSTANTS | {
        "poissons_ratio": nu,
        "shear_modulus": mu,
        "bulk_modulus": E / (3 * (1 - 2 * nu)),
        "lame_lambda": E * nu / ((1 + nu) * (1 - 2 * nu)),
    }
    given = {name: constants[name] for name in pair[::order]}
    values = MODELS["neo-hookean"].resolve(given)
    assert list(values) == ["lame_lambda", "lame_mu"]
    # Nearly incompressible, μ is the small difference of large moduli: four digits are lost.
    expected = pytest.approx([constants["lame_lambda"], mu], rel=1e-11, abs=1e-13)
    assert list(values.values()) == expected


def test_kernel_parameters_are_those_of_the_energy() -> None:
    given = {"youngs_modulus": E, "poissons_ratio": NU}
    values = MODELS["neo-hookean-isochoric"].resolve(given, {"volumetric": "j2"})
    assert values == pytest.approx({"lame_mu": 1.0, "bulk_modulus": 14 / 3})


def test_values_at_points_are_resolved_point_by_point() -> None:
    ratios = np.array([0.1, 0.3, 0.45])
    values = MODELS["neo-hookean"].resolve({"youngs_modulus": E, "poissons_ratio": ratios})
    for k, ratio in enumerate(ratios):
        alone = MODELS["neo-hookean"].resolve({"youngs_modulus": E, "poissons_ratio": float(ratio)})
        for name, value in alone.items():
            assert np.asarray(values[name])[k] == value


def test_mooney_rivlin_takes_a_ratio_or_lambda() -> None:
    model = MODELS["mooney-rivlin"]
    given = {"mu1": 0.5, "mu2": 0.25}
    from_ratio = model.resolve(given | {"poissons_ratio": 0.4})
    assert from_ratio["lame_lambda"] == pytest.approx(2 * 0.75 * 0.4 / 0.2)
    assert model.resolve(given | {"lame_lambda": 3.0})["lame_lambda"] == 3.0


@pytest.mark.parametrize("name", MODELS)
def test_examples_resolve_and_arrays_of_them_too(name: str) -> None:
    model = MODELS[name]
    for example in model.examples:
        alone = model.resolve(example)
        assert all(type(value) is float for value in alone.values())
        many = model.resolve(
            {key: np.repeat(np.array(value)[..., None], 3, -1) for key, value in example.items()}
        )
        for key, value in alone.items():
            np.testing.assert_array_equal(many[key], np.full(3, value))


BAD_ISOTROPIC = [
    ({"youngs_modulus": -1.0, "poissons_ratio": 0.3}, "youngs_modulus", "greater than 0, got -1.0"),
    ({"youngs_modulus": 0.0, "poissons_ratio": 0.3}, "youngs_modulus", "greater than 0, got 0.0"),
    ({"youngs_modulus": 1.0, "poissons_ratio": 0.5}, "poissons_ratio", "mixed formulation"),
    ({"youngs_modulus": 1.0, "poissons_ratio": -1.0}, "poissons_ratio", "between -1 and 0.5"),
    ({"youngs_modulus": 1.0, "poissons_ratio": np.nan}, "poissons_ratio", "got nan"),
    ({"youngs_modulus": np.inf, "poissons_ratio": 0.3}, "youngs_modulus", "got inf"),
    ({"youngs_modulus": "steel", "poissons_ratio": 0.3}, "youngs_modulus", "must be a number"),
    ({"shear_modulus": 0.0, "bulk_modulus": 1.0}, "shear_modulus", "greater than 0"),
    ({"shear_modulus": 1.0, "bulk_modulus": -2.0}, "bulk_modulus", "greater than 0"),
    ({"youngs_modulus": 3.1, "shear_modulus": 1.0}, "shear_modulus", "does not go with"),
    ({"youngs_modulus": 9.5, "bulk_modulus": 1.0}, "bulk_modulus", "does not go with"),
    ({"bulk_modulus": 1.0, "lame_lambda": 1.5}, "lame_lambda", "shear modulus μ"),
    ({"shear_modulus": 1.0, "lame_lambda": -0.7}, "lame_lambda", "bulk modulus κ"),
    ({"poissons_ratio": 0.0, "lame_lambda": 1.0}, "lame_lambda", "does not go with"),
    ({"poissons_ratio": -0.2, "lame_lambda": 1.0}, "lame_lambda", "does not go with"),
    ({"youngs_modulus": 1.0}, "youngs_modulus", "any two of"),
    ({}, "youngs_modulus", "got nothing"),
    (
        {"youngs_modulus": 1.0, "poissons_ratio": 0.3, "bulk_modulus": 1.0},
        "bulk_modulus",
        "any two of",
    ),
    (
        {"young_modulus": 1.0, "poissons_ratio": 0.3},
        "young_modulus",
        "did you mean 'youngs_modulus'",
    ),
    ({"colour": 1.0, "poissons_ratio": 0.3}, "colour", "known are youngs_modulus"),
    (
        {"youngs_modulus": 1.0, "poissons_ratio": np.array([0.3, 0.5, 0.6])},
        "poissons_ratio",
        "got 0.5 at point 1",
    ),
]


@pytest.mark.parametrize(
    ("name", "case"), list(itertools.product(ISOTROPIC, BAD_ISOTROPIC)), ids=lambda x: str(x)[:60]
)
def test_what_no_solid_has_is_refused_by_name(
    name: str, case: tuple[dict[str, Values], str, str]
) -> None:
    given, parameter, message = case
    with pytest.raises(ParameterError, match=message) as refusal:
        MODELS[name].resolve(given)
    assert refusal.value.parameter == parameter


@pytest.mark.parametrize(
    ("given", "parameter", "message"),
    [
        ({"mu1": -1.0, "mu2": 0.5, "poissons_ratio": 0.3}, "mu1", "at least 0"),
        ({"mu1": 0.5, "mu2": -1.0, "poissons_ratio": 0.3}, "mu2", "at least 0"),
        ({"mu1": 0.0, "mu2": 0.0, "poissons_ratio": 0.3}, "mu1", "greater than 0"),
        ({"mu1": 0.5, "mu2": 0.5, "poissons_ratio": 0.5}, "poissons_ratio", "mixed formulation"),
        ({"mu1": 0.5, "mu2": 0.5, "lame_lambda": -2.0}, "lame_lambda", "bulk modulus"),
        ({"mu1": 0.5, "mu2": 0.5}, "mu2", "one of poissons_ratio, lame_lambda"),
        (
            {"mu1": 0.5, "mu2": 0.5, "lame_lambda": 1.0, "poissons_ratio": 0.3},
            "poissons_ratio",
            "mooney-rivlin takes",
        ),
        ({"youngs_modulus": 1.0, "poissons_ratio": 0.3}, "youngs_modulus", "known are mu1"),
    ],
)
def test_what_no_rubber_has_is_refused_by_name(
    given: dict[str, Values], parameter: str, message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as refusal:
        MODELS["mooney-rivlin"].resolve(given)
    assert refusal.value.parameter == parameter


def example(name: str, **changes: Any) -> tuple[str, dict[str, Any]]:
    """Return the first example of a model with some of its parameters changed."""
    return name, {**MODELS[name].examples[0], **changes}


TISSUE = "holzapfel-gasser-ogden"
ONE_FIBRE = {"fibres": [[1.0, 0.0, 0.0]]}


@pytest.mark.parametrize(
    ("changed", "parameter", "message"),
    [
        (example("gent", limit=0.0), "limit", "greater than 0, got 0.0; 30 to 100 is usual"),
        (example("arruda-boyce", locking_stretch=1.0), "locking_stretch", "greater than 1"),
        (example("blatz-ko", solid_fraction=1.5), "solid_fraction", "at least 0 and at most 1"),
        (example("yeoh", c1=-1.0), "c1", "greater than 0"),
        (example("yeoh", poissons_ratio=0.3), "poissons_ratio", "one of bulk_modulus"),
        (example("mooney-rivlin-isochoric", mu1=0.0, mu2=0.0), "mu1", "shear modulus"),
        (example("guccione", fibre=[0.0, 0.0, 0.0]), "fibre", r"any direction but \(0, 0, 0\)"),
        (example("guccione", fibre=[1.0, 0.0]), "fibre", "list of 3 numbers, got 2"),
        (example("guccione", b_t=0.0), "b_t", "greater than 0"),
        (
            example("transversely-isotropic", axial_poissons_ratio=2.0),
            "axial_poissons_ratio",
            "would not be stable; take smaller ratios",
        ),
        (example(TISSUE, k2=[1.0, 0.0]), "k2", "greater than 0, got 0.0 at point 1"),
        (example(TISSUE, dispersion=[0.0, 0.34]), "dispersion", "at most 0.333333, got 0.34"),
        (example(TISSUE, dispersion=0.1), "dispersion", "list of families numbers"),
        (example(TISSUE, **ONE_FIBRE), "k1", "k1 gives 2 families where fibres gives 1"),
        (example(TISSUE, k1=[1.0] * 5), "k1", "k1 gives 5 families, .* takes 1 to 4"),
    ],
    ids=lambda x: str(x)[:50],
)
def test_what_no_tissue_or_foam_has_is_refused_by_name(
    changed: tuple[str, dict[str, Any]], parameter: str, message: str
) -> None:
    name, given = changed
    with pytest.raises(ParameterError, match=message) as refusal:
        MODELS[name].resolve(given)
    assert refusal.value.parameter == parameter


def test_bounds_that_are_allowed_are_taken() -> None:
    name, given = example(TISSUE, dispersion=[0.0, 1 / 3], k1=[0.0, 1.0])
    assert MODELS[name].resolve(given)["dispersion_1"] == 1 / 3
    name, given = example("blatz-ko", solid_fraction=1.0)
    assert MODELS[name].resolve(given)["solid_fraction"] == 1.0


def test_a_ratio_stands_for_the_bulk_modulus() -> None:
    name, given = example("yeoh", c1=0.5)
    del given["bulk_modulus"]
    values = MODELS[name].resolve({**given, "poissons_ratio": 0.4})
    assert values["bulk_modulus"] == pytest.approx(14 / 3)


def test_the_modulus_of_chains_is_less_than_that_of_the_rubber() -> None:
    """A hundred times the stretch of rest, chains are Gaussian and both are the same."""
    loose = MODELS["arruda-boyce"].resolve(
        {"shear_modulus": 2.0, "bulk_modulus": 20.0, "locking_stretch": 100.0}
    )
    assert loose["chain_modulus"] == pytest.approx(2.0 / (1 + 0.6e-4), rel=1e-7)


@pytest.mark.parametrize(
    ("name", "options", "parameter", "message"),
    [
        ("neo-hookean-isochoric", {"volumetric": "cubic"}, "volumetric", "one of quadratic, j2"),
        ("neo-hookean-isochoric", {"volumetrics": "j2"}, "volumetrics", "did you mean"),
        ("linear", {"volumetric": "j2"}, "volumetric", "has no option"),
    ],
)
def test_unknown_options_are_refused(
    name: str, options: dict[str, str], parameter: str, message: str
) -> None:
    with pytest.raises(ParameterError, match=message) as refusal:
        MODELS[name].resolve(MODELS[name].examples[0], options)
    assert refusal.value.parameter == parameter


def test_the_default_option_is_the_first() -> None:
    model = MODELS["neo-hookean-isochoric"]
    assert model.resolve_choices({}) == {"volumetric": "quadratic"}
    assert model.kernel_name({"volumetric": "j2"}) == "neo-hookean-isochoric-j2"


def test_models_are_found_by_name() -> None:
    assert all(find_model(name).name == name for name in MODELS)
    with pytest.raises(ValueError, match="did you mean 'neo-hookean'"):
        find_model("neo-hokean")
    with pytest.raises(ValueError, match="known are linear, neo-hookean"):
        find_model("steel")


def test_materials_are_listed_and_described() -> None:
    assert [line.split()[0] for line in list_models().splitlines()] == list(MODELS)
    for model in MODELS.values():
        text = describe(model)
        names = [parameter.name for parameter in model.parametrization.parameters]
        for words in (model.formula, model.reference, *names, *model.options):
            assert words in text


def test_materials_are_known_without_jax() -> None:
    """A login node lists, describes and checks materials, and a run finds their kernels."""
    program = (
        "import sys; import elastane.materials.describe as d; "
        "from elastane.materials import MODELS; from elastane.materials.kernels import *; "
        "[d.describe(m) and find_kernels(m) for m in MODELS.values()]; "
        "heavy = {'jax', 'enzyme_ad', 'mpmath', 'scipy'} & set(sys.modules); "
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
