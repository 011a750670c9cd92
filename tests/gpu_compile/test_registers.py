"""What GPU compilers make of the kernels, with no GPU: registers, spills, instructions.

Accepted numbers of registers are in registers.json; a few more are no regression, since GPUs hand
them out in eights.  To renew them: ACCEPT=1 pytest -m "long or not long" tests/gpu_compile.
"""

import json
import os
import re
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from elastane.materials import MODELS
from elastane.materials.kernels import Kernels, find_kernels
from elastane.solver.device.memory import pass_text
from elastane.solver.device.source import (
    PRELUDE,
    device_source,
    fast_diagonal_text,
    transfer_text,
)
from elastane.solver.fast_diagonal import RATIO
from elastane.solver.fused.source import KINDS, Kernel
from tests.gpu_compile.compilers import (
    AMD,
    ARCHITECTURES,
    NVIDIA,
    Compiled,
    compile_kernels,
    missing,
)

ACCEPTED = Path(__file__).parent / "registers.json"
ADVICE = 'to accept: ACCEPT=1 pytest -m "long or not long" tests/gpu_compile'
UNIT = 8

#: What a thread can have; half of AMD's registers are for sums.
MOST_REGISTERS = dict.fromkeys(NVIDIA, 255) | dict.fromkeys(AMD, 512)

#: Of these kernels so many bytes are stored and loaded at each point, or less: with a few registers
#: less than they need one more block fits on a multiprocessor, which the assembler prefers.
IN_MEMORY = {
    ("saint-venant-kirchhoff-residual-p2-q3-g1-single", "sm_70"): 8,
    ("neo-hookean-jacobian-p1-q2-g1-double", "sm_70"): 32,
    ("neo-hookean-diagonal-p1-q2-g1-double", "sm_70"): 24,
}

#: Functions that take dozens of operations, in C, PTX and AMD's assembly; in PTX most logarithms
#: and exponentials are sums, of which ln 2 tells.
FUNCTIONS = re.compile(
    r"\b(?:sqrt|cbrt|pow|log|exp|expm1|sin|cos|tan|a?sinh?|a?cosh?|a?tanh?)\("
    r"|\b(?:lg2|ex2|sqrt|rsqrt|sin|cos|tanh)\.|\bcall\b|0d3FE62E42FEFA39|0f3F317218"
    r"|\bv_(?:log|exp|sqrt|rsq|frexp|rndne|sin|cos)_|\bs_swappc"
)
QUOTIENT = re.compile(r"\b(?:div|rcp)\.rn|\bv_div_fixup")


def all_kernels() -> list[Kernels]:
    """Return the sets of kernels that are checked in."""
    return [find_kernels(m, choices) for m in MODELS.values() for choices in m.kernel_sets()]


def kernel_of(kernels: Kernels, kind: str, *, single: bool, degree: int = 2) -> Kernel:
    """Return a kernel with degree + 1 points per direction and trilinear element maps."""
    return Kernel.of(
        kind,
        kernels,
        varying=False,
        degree=degree,
        num_points_1d=degree + 1,
        geometry_degree=1,
        single=single,
    )


def cases() -> Iterator[object]:
    """Yield each kernel for each architecture; of each set, one is not among the long tests."""
    for k, kernels in enumerate(all_kernels()):
        ways = list(product(("residual", "jacobian"), (False, True), ARCHITECTURES))
        for place, (kind, single, architecture) in enumerate(ways):
            # 7 and 20 have no common divisor: neighbours differ in all three.
            marks = [] if place == 7 * k % len(ways) else [pytest.mark.long]
            kernel = kernel_of(kernels, kind, single=single)
            yield pytest.param(
                kernel, architecture, marks=marks, id=f"{kernel.name}-{architecture}"
            )
    simple = find_kernels(MODELS["neo-hookean"])
    degrees = [
        *(("residual", degree) for degree in (1, 3, 4)),
        *(("jacobian", degree) for degree in (1, 3, 4)),
        *(("diagonal", degree) for degree in (1, 2, 4)),
        *(("state", 2), ("matrices", 1)),
    ]
    for (kind, degree), single, architecture in product(degrees, (False, True), ARCHITECTURES):
        kernel = kernel_of(simple, kind, single=single, degree=degree)
        marks = [pytest.mark.long]
        yield pytest.param(kernel, architecture, marks=marks, id=f"{kernel.name}-{architecture}")


def compiled(text: str, architecture: str) -> dict[str, Compiled]:
    """Return the kernels of a text compiled, or skip where there is no compiler."""
    assert "#include" not in text
    if reason := missing(architecture):
        pytest.skip(reason)
    return compile_kernels(text, architecture)


def accepted(name: str, architecture: str, found: int) -> int:
    """Return the accepted number of registers, or accept what is found."""
    numbers = json.loads(ACCEPTED.read_text()) if ACCEPTED.exists() else {}
    if os.environ.get("ACCEPT"):
        numbers.setdefault(name, {})[architecture] = found
        rows = (f"{json.dumps(key)}: {json.dumps(numbers[key])}" for key in sorted(numbers))
        ACCEPTED.write_text("{\n" + ",\n".join(rows) + "\n}\n")
    return int(numbers[name][architecture])


def assert_in_registers(name: str, found: Compiled, architecture: str) -> None:
    """Assert that nothing of a thread is in memory, and that it takes no more than accepted."""
    assert max(found.stack, found.spilled) <= IN_MEMORY.get((name, architecture), 0)
    assert found.registers <= MOST_REGISTERS[architecture]
    assert found.registers <= accepted(name, architecture, found.registers) + UNIT, ADVICE


def assert_no_doubles(instructions: str) -> None:
    """Assert that nothing works on doubles."""
    assert not re.findall(r".*[._]f64.*", instructions)


@pytest.mark.parametrize(("kernel", "architecture"), list(cases()))
def test_kernels_work_in_registers(kernel: Kernel, architecture: str) -> None:
    (found,) = compiled(device_source(kernel), architecture).values()
    assert_in_registers(kernel.name, found, architecture)
    if kernel.single:
        assert_no_doubles(found.instructions)
    if KINDS[kernel.kind].qfunction == "jacobian":
        # What the residual can store, the Jacobian does not compute.
        assert not FUNCTIONS.findall(kernel.qfunction)
        assert not FUNCTIONS.findall(found.instructions)
    if kernel.kind == "jacobian":
        # That of the geometry.
        assert len(QUOTIENT.findall(found.instructions)) == 1


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("single", [False, True])
def test_functions_and_doubles_would_be_found(single: bool, architecture: str) -> None:
    """The residual of the neo-Hookean solid has logarithms."""
    kernel = kernel_of(find_kernels(MODELS["neo-hookean"]), "residual", single=single)
    (found,) = compiled(device_source(kernel), architecture).values()
    assert FUNCTIONS.search(kernel.qfunction)
    assert FUNCTIONS.search(found.instructions)
    if not single:
        with pytest.raises(AssertionError):
            assert_no_doubles(found.instructions)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_kernels_of_multigrid_work_in_registers(
    dtype: type[np.floating], architecture: str
) -> None:
    precision = np.dtype(dtype)
    texts = {
        "p2": fast_diagonal_text(2, precision, RATIO),
        "p4": fast_diagonal_text(4, precision, RATIO),
        "p1-p2": transfer_text(1, 2, precision),
        "p2-p4": transfer_text(2, 4, precision),
        "cycle": pass_text("cycle", precision),
        "aggregates": pass_text("aggregates", precision),
        "blocks": pass_text("blocks", precision),
    }
    for place, text in texts.items():
        for name, found in compiled(text, architecture).items():
            assert_in_registers(f"{name}-{place}-{precision.name}", found, architecture)
            # Passes over vectors add up, and convert, in doubles: memory takes their time.
            if precision == np.float32 and place.startswith("p"):
                assert_no_doubles(found.instructions)


@pytest.mark.parametrize("kernels", all_kernels(), ids=lambda kernels: kernels.name)
def test_generated_c_needs_no_host_header(kernels: Kernels) -> None:
    """With all its functions, as it is, after four lines that give libCEED's words."""
    kernel = 'extern "C" __global__ void nothing() {}'
    text = f"typedef double real;\n{PRELUDE}{kernels.source}\n{kernel}"
    if reason := missing("sm_80"):
        pytest.skip(reason)
    assert "nothing" in compile_kernels(text, "sm_80")
