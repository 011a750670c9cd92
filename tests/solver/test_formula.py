import math

import numpy as np
import pytest

from elastane.solver.formula import MAX_DEPTH, MAX_LENGTH, Formula, FormulaError

X = np.random.default_rng(1).uniform(0.1, 0.9, (7, 3))
x, y, z = X.T
T = 0.4


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("2", 2.0),
        (" - 2.5e-1 ", -0.25),
        (".5", 0.5),
        ("2.", 2.0),
        ("x + y - z", x + y - z),
        ("1 - 2 - 3", -4.0),
        ("8 / 4 / 2", 1.0),
        ("x / y * z", x / y * z),
        ("-x**2", -(x**2)),
        ("(-x)**2", x**2),
        ("2**3**2", 512.0),
        ("2**-1", 0.5),
        ("x**-y", x**-y),
        ("+-+x", -x),
        ("2*-x", -2 * x),
        ("0.1*sin(pi*y)", 0.1 * np.sin(np.pi * y)),
        ("atan2(y, x)", np.arctan2(y, x)),
        ("hypot(x, y)", np.hypot(x, y)),
        ("min(x, y, z)", np.minimum(np.minimum(x, y), z)),
        ("max(x, 0.5)", np.maximum(x, 0.5)),
        ("max(1, 2, 3)", 3.0),
        ("sqrt(abs(x - y))", np.sqrt(np.abs(x - y))),
        ("exp(log(x))", x),
        ("x*t", x * T),
        ("cos(x)**2 + sin(x)**2", np.ones(7)),
        ("floor(3.7) + ceil(0.2) + sign(-4)", 3.0),
        ("log10(1000)", 3.0),
        ("tanh(x) + sinh(y) * cosh(z)", np.tanh(x) + np.sinh(y) * np.cosh(z)),
        ("asin(x) + acos(y) + atan(z)", np.arcsin(x) + np.arccos(y) + np.arctan(z)),
    ],
)
def test_value_is_that_of_numpy(text: str, values: float) -> None:
    # the same operations in the same order: at most a rounding in the last place
    np.testing.assert_allclose(Formula.parse(text).evaluate(X, T), values, rtol=1e-15)


@pytest.mark.parametrize(
    ("text", "column", "words"),
    [
        ("", 1, "ends"),
        ("1 +", 4, "ends"),
        ("(x", 3, "')'"),
        ("x)", 2, "operator"),
        ("2x", 2, "operator"),
        ("x y", 3, "operator"),
        ("x ^ 2", 3, "**"),
        ("x ** ", 6, "ends"),
        ("sinn(x)", 1, "did you mean 'sin'"),
        ("X", 1, "unknown name 'X'"),
        ("qqq", 1, "known are"),
        ("sin", 4, "'('"),
        ("sin()", 5, "a number"),
        ("sin(x, y)", 1, "1 argument, got 2"),
        ("atan2(x)", 1, "2 arguments, got 1"),
        ("min(x)", 1, "2 or more"),
        ("1e999", 1, "too large"),
        ("1 / 0", 3, "inf"),
        ("log(-1)", 1, "nan"),
        ("sqrt(0 - 1)", 1, "nan"),
        ("x = 1", 3, "unexpected character '='"),
        ("x; y", 2, "unexpected character ';'"),
        ("__import__('os')", 12, "unexpected character"),
        ("x.__class__", 2, "unexpected character '.'"),
        ("[x]", 1, "unexpected character '['"),
        ("1_000", 2, "operator"),
        ("0x10", 2, "operator"),
        ("１", 1, "unexpected character"),
        ("nan", 1, "unknown name"),
        ("e", 1, "unknown name"),
    ],
)
def test_bad_text_is_refused_with_its_column(text: str, column: int, words: str) -> None:
    with pytest.raises(FormulaError) as caught:
        Formula.parse(text)
    assert caught.value.column == column
    assert words in str(caught.value)


def test_length_and_depth_are_bounded() -> None:
    Formula.parse("(" * (MAX_DEPTH - 1) + "x" + ")" * (MAX_DEPTH - 1))
    for text in ("(" * 400 + "x" + ")" * 400, "-" * 400 + "x", "2" + "**2" * 300):
        with pytest.raises(FormulaError, match="deep"):
            Formula.parse(text)
    Formula.parse("+".join("x" * (MAX_LENGTH // 2))).evaluate(X, T)
    with pytest.raises(FormulaError, match="characters"):
        Formula.parse("x" * (MAX_LENGTH + 1))


def test_a_formula_that_is_not_finite_says_where() -> None:
    points = np.array([[0.5, 0.0, 0.0], [1.0, 2.0, 3.0]])
    with pytest.raises(
        FormulaError, match=r"1/\(x - 1\)' is inf at the point \(1, 2, 3\), t = 0.5"
    ):
        Formula.parse("1/(x - 1)").evaluate(points, 0.5)
    with pytest.raises(FormulaError, match="nan"):
        Formula.parse("sqrt(-x)").evaluate(points, 0.5)
    for value in (math.nan, math.inf):
        with pytest.raises(FormulaError):
            Formula.constant(value)


def test_a_load_is_scaled_unless_it_names_t() -> None:
    np.testing.assert_array_equal(Formula.constant(3.0).load(X, T), np.full(7, 3.0 * T))
    np.testing.assert_array_equal(Formula.parse("x").load(X, T), T * x)
    np.testing.assert_array_equal(Formula.parse("x*t").load(X, T), x * T)
    np.testing.assert_array_equal(Formula.parse("0*t + 1").load(X, T), np.ones(7))


def test_properties_say_what_a_formula_depends_on() -> None:
    assert (Formula.parse("tan(1)").uses_time, Formula.parse("tan(1)").uses_space) == (False, False)
    assert (Formula.parse("t").uses_time, Formula.parse("t").uses_space) == (True, False)
    assert (Formula.parse("z").uses_time, Formula.parse("z").uses_space) == (False, True)
    assert Formula.parse("2*3").value == 6.0
    assert Formula.parse("2*x").value is None


def test_equal_programs_are_equal_formulas() -> None:
    assert Formula.parse("2 * (x)") == Formula.parse("2*x")
    assert hash(Formula.parse("2 * x")) == hash(Formula.parse("2*x"))
    assert Formula.constant(2) == Formula.parse("2.0")
    assert Formula.parse("x") != Formula.parse("y")
    assert str(Formula.parse("2 * x")) == "2 * x"


def test_no_points_give_no_values() -> None:
    assert Formula.parse("1/x").evaluate(np.zeros((0, 3)), 1.0).shape == (0,)
