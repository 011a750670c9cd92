"""Materials from Python files: what they may say, what is refused with its line, where they run."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from elastane.materials import find_or_load, user
from elastane.materials.compiler import apart, pipeline
from elastane.materials.compiler.build import CompileError, RefusedError, compile_apart, kernel_set
from elastane.materials.compiler.describe import described
from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.evaluate import evaluate
from elastane.materials.files import MaterialFileError
from elastane.materials.kernels import find_kernels, source_hash
from elastane.materials.model import ParameterError

RUBBER = '''\
"""Rubber that stiffens."""

from elastane.materials.invariants import shape_change, volume_change


def strain_energy(H, shear_modulus=1.0, bulk_modulus=10.0):
    return shear_modulus * shape_change(H) + 0.5 * bulk_modulus * volume_change(H) ** 2
'''

HEAD = (
    "import math\n"
    "import jax, jax.numpy as jnp, numpy as np\n"
    "from elastane.materials.model import Parameter\n"
    "def strain_energy(H, m=1.0):\n"
    "    x = H[0, 0]\n"
)
#: The line that HEAD leaves for the formula.
LINE = 6

#: Formula -> what is said of it, and the way to write it instead.
REFUSED = {
    "jnp.sum(jnp.linalg.inv(H))": r"uses inv .*LAPACK.*write 3 x 3 formulas out",
    "jnp.linalg.eigvalsh(H)[0]": r"uses eigvalsh .*LAPACK.*write 3 x 3 formulas out",
    "jnp.linalg.solve(H, H[0])[0]": r"uses solve .*LAPACK",
    "jnp.linalg.svd(H)[1][0]": r"uses svd.*LAPACK",
    "jnp.sort(H[0])[0]": r"uses sort: .*symmetric functions of the principal strains",
    "jax.lax.stop_gradient(x)": r"uses stop_gradient: .*make the frozen quantity a parameter",
    "jax.lax.while_loop(lambda y: y < 9, lambda y: y * y, x)": r"uses while: .*fori_loop",
    "jax.lax.cond(x > 0, jnp.sin, jnp.cos, x)": r"uses cond: .*use jax.numpy.where",
    "jnp.arccosh(2 + x)": r"uses arccosh .*write log\(x \+ sqrt\(x\*x - 1\)\)",
    "jnp.arctanh(x)": r"uses atanh: .*write 0.5\*\(log1p\(x\) - log1p\(-x\)\)",
    "jax.nn.softplus(x)": r"uses softplus \(custom_jvp\): .*write .*soft_ramp\(x, 1.0\)",
    "jnp.logaddexp(x, 0.0)": r"uses logaddexp \(custom_jvp\)",
    "jax.nn.relu(x)": r"uses relu \(custom_jvp\): .*ramps.ramp",
    "jax.pure_callback(abs, jax.ShapeDtypeStruct((), float), x)": "uses pure_callback: Python can",
    "(jax.debug.print('{}', x), x)[1]": r"uses debug_print: .*use jax.numpy only",
    "x * jax.random.normal(jax.random.key(0))": r"uses random_seed: .*make them parameters",
    "jnp.interp(x, jnp.arange(3.), jnp.arange(3.))": r"uses interp: a table has kinks",
    "jnp.searchsorted(jnp.arange(3.), x) * 1.0": r"uses searchsorted: a table has kinks",
    "jnp.arange(3.)[(x * 2).astype(int)]": r"converts f64 to i64; use doubles",
    "(2 * x).astype(int) * 1.0": r"converts f64 to i64; use doubles",
    "x.astype(jnp.float32).astype(float)": r"converts f64 to f32; use doubles",
    "jnp.abs(x + 1j)": r"converts f64 to complex<f64>; use doubles",
    "jnp.floor(x)": r"needs stablehlo.floor, .*write it with",
    "x % 1.0": r"needs stablehlo.remainder, .*write it with",
    "jnp.sum(jnp.diag(H))": r"uses diag .*write jax.numpy.array\(\[H\[0, 0\], ",
    "jnp.sum(H.at[0, 0].set(0.0))": r"uses scatter: write the components",
    "jax.scipy.special.erf(x)": r"uses erf: .*write a formula",
    "x if x > 0 else 0.0": r"if, while.* cannot depend on the strain.*use jax.numpy.where",
    "max(x, 0.0)": r"max of Python cannot depend on the strain",
    "float(x)": r"float, int and the functions of math cannot take the strain.*use jax.numpy",
    "math.sqrt(x)": r"functions of math cannot take the strain",
    "np.sin(x)": r"numpy cannot take the strain.*use jax.numpy",
    "[1, 2, 3][x.astype(int)]": r"cannot be an index",
    "not_there(H)": r"NameError: name 'not_there' is not defined, in `return not_there\(H\)`",
    "jnp.sqroot(x)": r"AttributeError: module 'jax.numpy' has no attribute 'sqroot'",
}

#: The same for results, which are blamed on the function.
RESULTS = {
    "H": r"must return one number, a float64; it returns a float64 of shape \(3, 3\)",
    "None": r"must return one number, a float64; it returns a NoneType",
    "x > 0": r"must return one number, a float64; it returns a bool of shape \(\)",
    "(x, x)": r"must return one number, a float64; it returns a tuple",
}

#: Files that define no material -> what is said of them, after the path.
NOT_MATERIALS = {
    "def strain_energy(H, m=1.0):\n    return (m *\n": r":2: SyntaxError: '\(' was never closed",
    "x = 1\n": r" defines no function strain_energy; write def strain_energy\(H, ",
    "import sys\nsys.exit(3)\n": r":2: SystemExit: 3, in `sys.exit\(3\)`",
    "1 / 0\n": r":1: ZeroDivisionError: division by zero, in `1 / 0`",
    "import not_there\n": r":1: ModuleNotFoundError: No module named 'not_there'",
    "import beside\n": r":1: a material file may import installed packages only, not files beside",
    "from . import x\n": r":1: a material file may import installed packages only",
    "def strain_energy(F, m=1.0): return m\n": r":1: the first argument .*it is 'F'",
    "def strain_energy(): return 0\n": r":1: the first argument .*there is none",
    "def strain_energy(H): return 0\n": r":1: strain_energy takes no parameters",
    "def strain_energy(H, m): return m\n": r":1: the argument m of strain_energy has no default",
    "def strain_energy(H, m='a'): return m\n": r":1: the default of m must be a number.*got 'a'",
    "def strain_energy(H, *m): return m\n": r":1: \*m of strain_energy is no plain argument",
    "def strain_energy(H, t1=1.0): return t1\n": r": a parameter cannot be called 't1'",
    "def strain_energy(H, file=1.0): return file\n": r": a parameter cannot be called 'file'",
    "def strain_energy(H, shear_modulus=-1.0): return 0\n": r": an example does not fit: shear_mo",
    "PARAMETERS = 3\ndef strain_energy(H, m=1.0): return 0\n": r": PARAMETERS must be a tuple",
    "EXAMPLES = {}\ndef strain_energy(H, m=1.0): return 0\n": r": EXAMPLES must be a tuple",
    "MATERIAL = 1\n": r": MATERIAL must be a Material, got 1",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what is made here to each test; return the folder."""
    folder = tmp_path / "cache"
    monkeypatch.setenv("ELASTANE_CACHE", str(folder))
    return folder


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of a file to write."""
    return tmp_path / "rubber.py"


def refusal(path: Path, text: str) -> str:
    """Return what the process that describes files says of one."""
    path.write_text(text, encoding="utf-8")
    return str(described(path)["error"])


# What is refused ---------------------------------------------------------------------------------


@pytest.mark.parametrize("formula", REFUSED)
def test_what_cannot_be_compiled_is_refused_with_its_line(formula: str, path: Path) -> None:
    told = refusal(path, HEAD + f"    return {formula}\n")
    assert told.startswith(f"{path}:{LINE}: ")
    assert "\n" not in told
    assert_matches(REFUSED[formula], told)


@pytest.mark.parametrize("formula", RESULTS)
def test_a_result_that_is_no_energy_is_refused(formula: str, path: Path) -> None:
    told = refusal(path, HEAD + f"    return {formula}\n")
    assert told.startswith(f"{path}:{LINE - 2}: ")
    assert_matches(RESULTS[formula], told)


@pytest.mark.parametrize("text", NOT_MATERIALS)
def test_a_file_that_defines_no_material_is_refused(text: str, path: Path) -> None:
    (path.parent / "beside.py").write_text("", encoding="utf-8")
    told = refusal(path, text)
    assert "\n" not in told
    assert told.startswith(str(path))
    assert_matches("^" + NOT_MATERIALS[text], told.removeprefix(str(path)))


def test_a_rule_of_ones_own_is_refused(path: Path) -> None:
    rule = (
        "@jax.custom_jvp\ndef own(x): return x * x\n"
        "own.defjvp(lambda p, t: (own(p[0]), 3.0 * t[0]))\n"
    )
    told = refusal(path, HEAD + "    return own(x)\n" + rule)
    assert_matches(f"rubber.py:{LINE}: the energy uses own .custom_jvp.: Enzyme ignores", told)


def test_the_line_is_that_of_the_call_from_the_energy(path: Path) -> None:
    """What a library does inside is not the user's to mend."""
    text = HEAD + "    y = own(x)\n    return y\n\ndef own(x):\n    return jnp.sort(H3(x))[0]\n"
    text += "def H3(x):\n    return jnp.stack([x, x])\n"
    assert_matches("rubber.py:10: the energy uses sort", refusal(path, text))


def test_far_too_many_operations_are_refused(path: Path) -> None:
    told = refusal(path, HEAD + "    return sum(jnp.sin(k * x) for k in range(3000))\n")
    assert_matches("the energy needs [0-9]+ operations, more than 8000; use fewer terms", told)


def assert_matches(pattern: str, told: str) -> None:
    """Check words as pytest does, with the text in the failure."""
    with pytest.raises(ValueError, match=pattern):
        raise ValueError(told)


UNREADABLE = {
    "gone.py": "there is no file",
    "rubber.txt": "must end in .py",
    "folder.py": "is a folder",
    "large.py": "larger than 1,000,000 bytes",
    "latin.py": "is not UTF-8",
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_cannot_be_read_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder.py").mkdir()
    (tmp_path / "large.py").write_bytes(b"#" * 1_000_001)
    (tmp_path / "latin.py").write_bytes("# Vulkanisé".encode("latin-1"))
    with pytest.raises(MaterialFileError, match=UNREADABLE[name]):
        user.load_user(tmp_path / name)


# What a file may say -----------------------------------------------------------------------------


def test_one_function_is_enough(path: Path) -> None:
    path.write_text(RUBBER, encoding="utf-8")
    material = user.read_in_process(path)
    assert material.name == "rubber"
    assert material.title == "Rubber that stiffens"
    assert material.formula.startswith("shear_modulus * shape_change(H) + ")
    assert material.examples == ({"shear_modulus": 1.0, "bulk_modulus": 10.0},)
    assert [parameter.unit for parameter in material.kernel_parameters] == ["Pa", "Pa"]
    with pytest.raises(ParameterError, match="bulk_modulus must be greater than 0"):
        material.resolve({"shear_modulus": 1.0, "bulk_modulus": 0.0})
    with pytest.raises(ParameterError, match="takes shear_modulus, bulk_modulus"):
        material.resolve({"shear_modulus": 1.0})


def test_all_else_may_be_told(path: Path) -> None:
    path.write_text(
        '"""Two\nlines."""\n'
        "from elastane.materials.model import Parameter\n"
        "PARAMETERS = (Parameter('mu', 'Pa', 'moduli', minimum=0.0, shape=('terms',)),\n"
        "              Parameter('k', 'Pa', 'bulk modulus', default=3.0))\n"
        "SIZES = {'terms': range(1, 4)}\n"
        "FORMULA = 'a */\\n formula'\n"
        "REFERENCE = 'here'\n"
        "EXAMPLES = ({'mu': [1.0, 2.0]}, {'mu': [1.0], 'k': 2.0})\n"
        "def strain_energy(principal_strains, mu, k): return mu[0] * k\n",
        encoding="utf-8",
    )
    material = user.read_in_process(path)
    assert (material.title, material.reference) == ("Two", "here")
    assert material.formula == "a * / formula"  # it stands in a comment of C
    assert material.measure == "principal"
    assert material.sizes == {"terms": range(1, 4)}
    assert list(material.kernel_sets()) == [{"terms": 2}, {"terms": 1}]
    assert material.resolve({"mu": [1.0]}) == {"mu_0": 1.0, "k": 3.0}


def test_a_whole_material_is_taken_at_its_word(path: Path) -> None:
    path.write_text(
        "from dataclasses import replace\nfrom elastane.materials import MODELS\n"
        "MATERIAL = replace(MODELS['neo-hookean-isochoric'], name='my own')\n",
        encoding="utf-8",
    )
    material = user.load_user(path)
    assert material.name == "my-own"
    assert list(material.options) == ["volumetric"]
    assert material.resolve({"youngs_modulus": 1.0, "poissons_ratio": 0.3}).keys() == set(
        material.scalars()
    )


def test_conversions_of_its_own_are_refused(path: Path) -> None:
    path.write_text(
        "from dataclasses import replace\nfrom elastane.materials import MODELS\n"
        "MODEL = MODELS['neo-hookean']\n"
        "MATERIAL = replace(MODEL, parametrization=replace(MODEL.parametrization,\n"
        "    convert=lambda given: MODEL.parametrization.convert(given)))\n",
        encoding="utf-8",
    )
    with pytest.raises(MaterialFileError, match="would run in every process of a solve"):
        user.load_user(path)


# Where it runs -----------------------------------------------------------------------------------


def test_a_file_runs_in_a_process_of_its_own_only(path: Path, tmp_path: Path) -> None:
    """And what is there is not lost in another process."""
    note = tmp_path / "processes"
    line = f"\nimport os, pathlib\nwith pathlib.Path({str(note)!r}).open('a') as f:\n"
    path.write_text(RUBBER + line + "    f.write(f'{os.getpid()}\\n')\n", encoding="utf-8")
    material = find_or_load(str(path))
    assert note.read_text("utf-8").split() != []
    assert str(os.getpid()) not in note.read_text("utf-8").split()
    assert pickle.loads(pickle.dumps(material)) == material
    with pytest.raises(RuntimeError, match="compiler's process only"):
        material.energy(np.zeros((3, 3)), 1.0, 10.0)


def test_a_login_node_loads_no_jax(path: Path) -> None:
    path.write_text(RUBBER, encoding="utf-8")
    code = (
        "import sys; from elastane.materials import find_or_load; "
        f"find_or_load({str(path)!r}); print('jax' in sys.modules)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"


def test_the_same_content_is_described_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_text(RUBBER, encoding="utf-8")
    first = user.load_user(path)
    monkeypatch.setattr(user, "run_apart", None)
    assert user.load_user(path) == first
    monkeypatch.undo()
    path.write_text(RUBBER + "# changed\n", encoding="utf-8")
    assert source_hash(user.load_user(path)) != source_hash(first)


ENDING = {
    "while True: pass": "took longer than 2 s and was stopped",
    "import os; os.kill(os.getpid(), 9)": r"crashed \(SIGKILL\)",
    "import os; os._exit(7)": "could not be run: it ended with code 7",
}


@pytest.mark.parametrize("line", ENDING)
def test_a_file_that_does_not_end_well_is_stopped(
    line: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apart, "LIMITS", apart.Limits(seconds=2.0))
    path.write_text(f"{RUBBER}{line}\n", encoding="utf-8")
    with pytest.raises(MaterialFileError, match=f"rubber.py {ENDING[line]}"):
        user.load_user(path)


def test_memory_is_limited(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apart, "LIMITS", apart.Limits(memory=10**9))
    path.write_text(f"{RUBBER}x = [0.0] * 10**10\n", encoding="utf-8")
    with pytest.raises(MaterialFileError, match=r"rubber.py needs more than the 0.931 GB"):
        user.load_user(path)


# What becomes of it ------------------------------------------------------------------------------


def test_a_file_gives_the_stress_of_the_built_in_material(path: Path, large: np.ndarray) -> None:
    """neo-hookean-j2 is λ/2 ((J² - 1)/2 - ln J) + μ (tr E - ln J)."""
    path.write_text(
        "import jax.numpy as jnp\n"
        "from elastane.materials.invariants import log1p_minus, shape_change, volume_change\n"
        "def strain_energy(H, lame_lambda=1.0, lame_mu=1.0):\n"
        "    x = volume_change(H)\n"
        "    U = 0.25 * x * x - 0.5 * log1p_minus(x)\n"
        "    return lame_lambda * U + lame_mu * shape_change(H)\n",
        encoding="utf-8",
    )
    materials = user.read_in_process(path), find_or_load("neo-hookean-j2")
    inputs = {f"H_{i}{j}": large[:, i, j] for i in range(3) for j in range(3)}
    inputs |= {"lame_lambda": np.full(len(large), 2.0), "lame_mu": np.full(len(large), 0.7)}
    found = [pipeline.enzyme_formulas(material, {}) for material in materials]
    P, expected = (evaluate(formulas.graph, formulas.P, inputs) for formulas in found)
    # Both are exact to rounding, of the largest component.
    error = np.abs(P - expected).max(axis=0) / np.abs(expected).max(axis=0)
    assert error.max() < 1e-13


def test_a_file_that_breaks_a_law_is_refused_by_the_compiler(path: Path) -> None:
    path.write_text("def strain_energy(H, m=1.0): return m * H[0, 0] ** 2\n", encoding="utf-8")
    with pytest.raises(RefusedError, match="rubber: enzyme: rotations change nothing fails"):
        find_kernels(user.load_user(path))


def test_a_file_that_changes_while_it_is_compiled_is_noticed(path: Path) -> None:
    path.write_text(RUBBER, encoding="utf-8")
    material = user.load_user(path)
    path.write_text(RUBBER + "# changed\n", encoding="utf-8")
    with pytest.raises(CompileError, match="changed while it was compiled; start again"):
        compile_apart(kernel_set(material, {}))


# Enzyme or JAX -----------------------------------------------------------------------------------

#: Enzyme has no rule for the tangent function, nor for reductions that multiply.
BEYOND_ENZYME = {
    "tan": "jnp.tan(0.2 * volume_change(H)) ** 2",
    "prod": "jnp.prod(jnp.stack([volume_change(H), volume_change(H)]))",
}


@pytest.mark.parametrize("name", BEYOND_ENZYME)
def test_jax_differentiates_what_enzyme_cannot(name: str, path: Path, tmp_path: Path) -> None:
    text = "import jax.numpy as jnp\n" + RUBBER.replace(
        "volume_change(H) ** 2", BEYOND_ENZYME[name]
    )
    path.write_text(text.replace('"""Rubber that stiffens."""', ""), encoding="utf-8")
    material = user.read_in_process(path)
    with pytest.raises(UnsupportedError, match="Enzyme cannot differentiate"):
        pipeline.enzyme_formulas(material, {})
    formulas, independent, by = pipeline.differentiated_formulas(material, {})
    assert by == "jax"
    law = pipeline.COMPARISONS[by]
    errors = pipeline.check_derivatives(material, {}, formulas, independent, law)
    assert errors[law] < 1e-40  # in 50 digits


def test_the_manifest_says_who_differentiated(path: Path, tmp_path: Path) -> None:
    text = "import jax.numpy as jnp\n" + RUBBER.replace(
        "volume_change(H) ** 2", BEYOND_ENZYME["tan"]
    )
    path.write_text(text, encoding="utf-8")
    kernels = find_kernels(user.load_user(path))
    assert kernels.manifest["derivatives_by"] == "jax"
    assert find_kernels(find_or_load("neo-hookean")).manifest["derivatives_by"] == "enzyme"
