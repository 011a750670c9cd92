"""Operations and bytes of fused kernels, counted once more: their C runs on counting numbers."""

import os
import re
import shutil
import subprocess
import tracemalloc
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from elastane.materials import find_model
from elastane.materials.kernels import find_kernels
from elastane.solver.fused.level import FusedLevel
from elastane.solver.fused.source import KINDS, PRELUDE, Kernel, level_kernels
from tests.solver.fused.pairs import (
    NEO_HOOKEAN,
    build_pair,
    distorted,
    example,
    residual,
    use_schedule,
)
from tests.verification.cases import material

FOLDER = Path(__file__).parent
HEADING = FOLDER / "neo-hookean-jacobian-p2-q3-g1-double.txt"

#: As many elements as two blocks have lanes.
FULL_BLOCKS = distorted((4, 4, 1))

COMPILER = shutil.which("g++") or shutil.which("clang++") or shutil.which("clang++-19")


def kernel_of(
    kind: str,
    degree: int,
    num_points_1d: int,
    geometry_degree: int = 1,
    *,
    model: str = "saint-venant-kirchhoff",
    recompute: bool = True,
    single: bool = False,
) -> Kernel:
    kernel = Kernel.of(
        kind,
        find_kernels(find_model(model)),
        varying=False,
        degree=degree,
        num_points_1d=num_points_1d,
        geometry_degree=geometry_degree,
        single=single,
    )
    return replace(kernel, schedule=replace(kernel.schedule, recompute_geometry=recompute))


def counted(kernel: Kernel, folder: Path) -> tuple[int, int]:
    """Return additions, subtractions and multiplications, and quotients, for one element."""
    text = kernel.source.replace(PRELUDE, "").replace("typedef double real;", "")
    text = re.sub(r"typedef (real vec|float floats) .*;", "", text)
    text = text.replace(f"#define LANES {kernel.lanes}\n", "#define LANES 1\n")
    text = re.sub(r"#define PREFETCH \d+", "#define PREFETCH 0", text)
    parts = ("counting.h", text, "counting.cpp")
    whole = [(FOLDER / x).read_text(encoding="utf-8") if x in parts[::2] else x for x in parts]
    path = folder / f"{kernel.name}.cpp"
    path.write_text("\n".join(whole), encoding="utf-8")
    program = path.with_suffix("")
    assert COMPILER is not None
    flags = [f"-DLOOP={KINDS[kernel.kind].loop}", "-Drestrict=__restrict", "-w", "-O0"]
    subprocess.run([COMPILER, *flags, str(path), "-o", str(program)], check=True)
    answer = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout
    operations, quotients = map(int, answer.split())
    return operations, quotients


#: Degree, points per direction, degree of the element maps, whether these are recomputed.
SHAPES = [(1, 2, 1, True), (2, 3, 1, True), (3, 5, 2, True), (2, 3, 2, False), (4, 2, 2, True)]
CASES = [(kind, *shape) for kind in KINDS for shape in SHAPES if kind != "matrices"] + [
    ("matrices", 1, 2, 1, True),
    ("matrices", 1, 2, 2, False),
]


@pytest.mark.skipif(COMPILER is None, reason="needs a C++ compiler")
@pytest.mark.parametrize(("kind", "degree", "points", "geometry_degree", "recompute"), CASES)
def test_operations_are_those_of_the_c(
    kind: str, degree: int, points: int, geometry_degree: int, recompute: bool, tmp_path: Path
) -> None:
    """Of a material without logarithms, whose C has no operations beside those of its formulas."""
    kernel = kernel_of(kind, degree, points, geometry_degree, recompute=recompute)
    operations, quotients = counted(kernel, tmp_path)
    assert operations == kernel.flops
    # The inverse of dX/dxi is the only one.
    assert quotients == (points**3 if recompute else 0)


@pytest.mark.parametrize(
    ("name", "recompute"), [("linear", True), ("neo-hookean", False), ("varying", True)]
)
def test_bytes_are_those_of_the_arrays(
    name: str, recompute: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of as many elements as fill all lanes; L-vectors are left to whoever knows their sharing."""
    use_schedule(monkeypatch, recompute_geometry=recompute)
    varying = material("neo-hookean", youngs_modulus="1 + x", poissons_ratio=0.3)
    pair = build_pair(2, (varying if name == "varying" else example(name),), mesh=FULL_BLOCKS)
    (jacobian,) = pair.fused.jacobian(pair.space)
    residual(pair.fused, pair.space, pair.u)
    (part,) = pair.fused.parts
    assert part.geometry is not None
    det_F, of_residual = part.residuals[pair.space.degree]
    shared: list[NDArray[Any]] = [part.geometry, part.offsets[2], part.parameters, part.state]
    assert jacobian.fused.bytes == sum(array.nbytes for array in shared)
    assert of_residual.fused.bytes == sum(array.nbytes for array in (*shared, det_F))


def test_bytes_in_single_precision_are_half_but_for_offsets_and_state() -> None:
    """The stored state is in single precision for both: 27 points, eleven numbers each."""
    double, single = (
        kernel_of("jacobian", 2, 3, model="neo-hookean", single=single) for single in (False, True)
    )
    shared = 4 * 27 + 4 * 27 * 11
    assert 2 * (single.bytes - shared) == double.bytes - shared


def test_the_finest_level_has_no_state_of_its_own() -> None:
    """The residual stores it at the same points; coarser levels, which have fewer, need one."""
    pair = build_pair(2)
    kinds = [
        set(level_kernels(pair.fused.fused_kernel("jacobian", NEO_HOOKEAN, 2), degree))
        for degree in (2, 1)
    ]
    assert "state" not in kinds[0]
    assert "state" in kinds[1]


def test_recomputed_geometry_is_not_kept_at_the_points() -> None:
    """Eight nodes with three numbers each instead of ten at each of 27 points."""
    pair = build_pair(2, mesh=FULL_BLOCKS)
    pair.residuals()
    pair.fused.jacobian(pair.space)
    (part,) = pair.fused.parts
    assert part.geometry is not None
    assert part.geometry.nbytes == 16 * 8 * 3 * 8


def test_an_apply_allocates_nothing() -> None:
    """Python sees a call through a pointer; numpy and ctypes tell tracemalloc what they take."""
    pair = build_pair(2, mesh=distorted((6, 6, 2)))
    level = FusedLevel(pair.fused, pair.space, pair.space)
    level.update(pair.u)
    x, y = np.ones((2, pair.u.size), dtype=level.dtype)
    level.apply_add(x, y)
    tracemalloc.start()
    try:
        level.apply_add(x, y)
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        for _ in range(10):
            level.apply_add(x, y)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Addresses of numpy arrays pass through small Python objects, of which Python keeps some.
    assert peak - before < 4096 < x.nbytes


def test_the_c_says_what_it_costs() -> None:
    """And by which schedule; ACCEPT=1 renews the stored text."""
    kernel = kernel_of("jacobian", 2, 3, model="neo-hookean")
    found = kernel.source[: kernel.source.index("static const real")]
    if os.environ.get("ACCEPT"):
        HEADING.write_text(found, encoding="utf-8")
    assert found == HEADING.read_text(encoding="utf-8")
    for count in (kernel.flops, kernel.bytes):
        assert f" {count} " in found


@pytest.mark.parametrize("kind", KINDS)
def test_no_constant_is_double_in_single_precision(kind: str) -> None:
    """One of them would make all that it meets `double`: half as fast."""
    text = kernel_of(kind, 1, 2, model="gent", single=True).source
    code = text[text.index("CEED_QFUNCTION(") :]
    code = re.sub(r"/\*.*?\*/|//[^\n]*", "", code, flags=re.DOTALL)
    numbers = re.findall(r"(?<![\w.])\d*\.?\d+(?:e[+-]?\d+)?f?\b", code)
    doubles = {x for x in numbers if re.search(r"[.e]", x) and not x.endswith("f")}
    # (real)0.5 is a float before it meets one.
    assert doubles <= {"0.5"}
    assert code.count("0.5 ") == code.count("(real)0.5 ") or kind == "matrices"
    assert "double" not in code
