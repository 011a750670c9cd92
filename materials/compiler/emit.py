"""Sixth stage, second half: QFunctions as straight-line scalar C99.

No local arrays and no helper functions, which stop vectorisers; no headers but <math.h>.  The same
text goes to gcc and clang, and through libCEED to NVRTC and hipRTC, which define CEED_QFUNCTION.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.graph import Constant, Graph
from elastane.materials.compiler.operations import LARGEST_BODY, OPERATIONS, Level
from elastane.materials.compiler.order import shorten_lives
from elastane.materials.compiler.qfunctions import Field, QFunction
from elastane.materials.model import Choices, Material

#: Longest right-hand side before a term gets a name of its own.
LINE_WIDTH = 64

PROLOGUE = """\
#ifndef CEED_QFUNCTION /* a C compiler without libCEED's headers; libCEED's own JIT has them */
#include <math.h>
#define CEED_QFUNCTION(name) int name
#define CeedPragmaSIMD _Pragma("omp simd")
typedef double CeedScalar;
typedef int CeedInt;
/* The vector functions of glibc, which it declares itself under -ffast-math only. */
#if defined(__GLIBC__) && defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
__attribute__((simd("notinbranch"))) double log(double);
__attribute__((simd("notinbranch"))) double exp(double);
__attribute__((simd("notinbranch"))) double sin(double);
__attribute__((simd("notinbranch"))) double cos(double);
__attribute__((simd("notinbranch"))) double pow(double, double);
#endif
#endif
"""

SIGNATURE = (
    "CEED_QFUNCTION({name})(void *ctx, const CeedInt Q, const CeedScalar *const *in, "
    "CeedScalar *const *out) {{"
)


def emit_file(
    graph: Graph, material: Material, choices: Choices, qfunctions: Sequence[QFunction]
) -> str:
    """Return the C file of a material.

    Each function comes twice: with the parameters from the context and, as `<name>_field`, from one
    more input.
    """
    names = material.scalars(choices)
    parts = [_heading(material, material.kernel_name(choices)), PROLOGUE]
    for qfunction in qfunctions:
        parts += [emit_function(graph, qfunction, names, from_field=False)]
        parts += [emit_function(graph, qfunction, names, from_field=True)]
    return "\n".join(parts)


def emit_function(
    graph: Graph, qfunction: QFunction, parameters: Sequence[str], *, from_field: bool
) -> str:
    """Return one QFunction as C.

    Args:
        graph: Graph of its results.
        qfunction: The function.
        parameters: Names of the kernel parameters, in order.
        from_field: Whether they come from a last input, one set for each point, instead of from
            the context.

    Raises:
        UnsupportedError: If the body is too large.
    """
    field = Field("parameters", len(parameters))
    inputs = (*qfunction.inputs, field) if from_field else qfunction.inputs
    loads = [(f"{f.name}_{k}", place) for f in qfunction.inputs for k, place in _places(f)]
    if from_field:
        context = ["(void)ctx;"]
        loads += [(parameters[k], place) for k, place in _places(field)]
    else:
        context = ["const CeedScalar *parameters = (const CeedScalar *)ctx;"]
        values = [(name, f"parameters[{k}]") for k, name in enumerate(parameters)]
        context += _declare(graph, qfunction, values)
    targets = [place for f in qfunction.outputs for _, place in _places(f)]
    body = _declare(graph, qfunction, loads) + _body(graph, qfunction.results, targets)
    lines = [
        f"/* {qfunction.purpose} */",
        SIGNATURE.format(name=qfunction.name + ("_field" if from_field else "")),
        *(f"  const CeedScalar *{f.name} = in[{k}];" for k, f in enumerate(inputs)),
        *(f"  CeedScalar *{f.name} = out[{k}];" for k, f in enumerate(qfunction.outputs)),
        *(f"  {line}" for line in context),
        "",
        "  CeedPragmaSIMD for (CeedInt i = 0; i < Q; i++) {",
        *(f"    {line}" for line in body),
        "  }",
        "  return 0;",
        "}",
        "",
    ]
    return "\n".join(lines)


def _places(field: Field) -> Iterator[tuple[int, str]]:
    """Yield each component of a field with its place in the array."""
    for k in range(field.size):
        offset = {0: "", 1: " + Q"}.get(k, f" + {k} * Q")
        yield k, f"{field.name}[i{offset}]"


def _declare(graph: Graph, qfunction: QFunction, values: list[tuple[str, str]]) -> list[str]:
    """Return a constant for each (input, value) that the function uses."""
    nodes = (graph.nodes[node] for node in graph.live(qfunction.results))
    used = {node.value for node in nodes if node.operation == "input"}
    return [f"const CeedScalar {name} = {value};" for name, value in values if name in used]


def _heading(material: Material, kernel_name: str) -> str:
    return (
        f"/* {kernel_name}: {material.title}\n"
        " *\n"
        f" *   psi = {material.formula}\n"
        " *\n"
        " * Generated by `python -m elastane.materials.compiler` from the strain energy; do not "
        "edit.\n"
        " * elastane/materials/compiler/qfunctions.py tells the layout of the arrays.\n"
        " */"
    )


def _body(graph: Graph, results: Sequence[int], targets: Sequence[str]) -> list[str]:
    """Return the statements that assign every result to its target."""
    order = _depth_first(graph, results)
    if len(order) > LARGEST_BODY:
        raise UnsupportedError(
            f"the energy needs {len(order)} operations in one function, more than {LARGEST_BODY}; "
            "use fewer terms"
        )
    named = _named(graph, order, results)
    # Of each statement, what it reads: named nodes and inputs.
    places: dict[int, int] = {}
    needs: list[frozenset[int]] = []
    reads: dict[int, frozenset[int]] = {}
    for node in order:
        entry = graph.nodes[node]
        reads[node] = frozenset().union(*(reads[x] for x in entry.operands))
        if node in named or entry.operation == "input":
            places[node] = len(needs)
            needs.append(reads[node])
            reads[node] = frozenset({places[node]})
    first_result = len(needs)
    needs += [reads[node] for node in results]

    nodes = list(places)
    names: dict[int, str] = {}
    statements = []
    for place in shorten_lives(needs):
        if place >= first_result:
            k = place - first_result
            text, _ = _expression(graph, results[k], names)
            statements.append(f"{targets[k]} = {text};")
        elif (node := nodes[place]) in named:
            kind = "int" if OPERATIONS[graph.nodes[node].operation].logical else "CeedScalar"
            text, _ = _expression(graph, node, names)
            names[node] = f"t{len(names)}"
            statements.append(f"const {kind} {names[node]} = {text};")
    return statements


def _named(graph: Graph, order: Sequence[int], results: Sequence[int]) -> set[int]:
    """Return the nodes that get a statement of their own: those used twice, or too long."""
    uses = Counter(results)
    for node in order:
        entry = graph.nodes[node]
        for k, operand in enumerate(entry.operands):
            uses[operand] += OPERATIONS[entry.operation].c.count(f"{{{k}}}")
    names: dict[int, str] = {}
    for node in order:
        text, _ = _expression(graph, node, names)
        if graph.nodes[node].operands and (uses[node] > 1 or len(text) > LINE_WIDTH):
            names[node] = f"t{len(names)}"
    return set(names)


def _depth_first(graph: Graph, results: Sequence[int]) -> list[int]:
    """Return the nodes in the order in which results need them."""
    order: list[int] = []
    seen: set[int] = set()
    waiting = [(node, False) for node in reversed(results)]
    while waiting:
        node, ready = waiting.pop()
        if ready:
            order.append(node)
        elif node not in seen:
            seen.add(node)
            waiting.append((node, True))
            waiting += [(operand, False) for operand in reversed(graph.nodes[node].operands)]
    return order


def _expression(graph: Graph, node: int, names: Mapping[int, str]) -> tuple[str, Level]:
    """Return a node as C, and how tightly that binds."""
    if node in names:
        return names[node], Level.ATOM
    entry = graph.nodes[node]
    if entry.operation == "input":
        return str(entry.value), Level.ATOM
    value = graph.value(node)
    if value is not None:
        return _number(value)
    operation = OPERATIONS[entry.operation]
    operands = []
    for operand, needed in zip(entry.operands, operation.needs, strict=False):
        text, level = _expression(graph, operand, names)
        operands.append(text if level >= needed else f"({text})")
    return operation.c.format(*operands), operation.level


def _number(value: Constant) -> tuple[str, Level]:
    """Return a constant as C writes it, exactly."""
    if isinstance(value, bool):
        return str(int(value)), Level.ATOM
    if not math.isfinite(value):
        raise UnsupportedError(f"the energy divides by zero or overflows: constant {value}")
    negative = math.copysign(1.0, value) < 0
    return repr(float(value)), Level.PRODUCT if negative else Level.ATOM
