"""What a material with a history computes beyond stress and tangent.

    update         the history at the end of a converged step
    stored_energy  what is reported as strain energy

Neither is differentiated by Enzyme: both are lowered as they are and join the graph of the
formulas, whose inputs `history_0`, `history_1`, ... are the entries of all arrays of the history.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp

from elastane.materials.compiler.errors import UnsupportedError
from elastane.materials.compiler.formulas import (
    Formulas,
    history_inputs,
    measure_inputs,
    parameter_inputs,
)
from elastane.materials.compiler.interpret import interpret
from elastane.materials.compiler.lower import lower_function
from elastane.materials.model import Choices, Material


def add_history(material: Material, choices: Choices, formulas: Formulas) -> Formulas:
    """Return the formulas with the updated history and the stored energy; as they are without.

    Raises:
        UnsupportedError: If they use what scalars cannot express.
    """
    if not material.history:
        return formulas
    if material.measure == "principal":
        raise UnsupportedError(
            f"{material.name} has a history and an energy of principal strains; only energies of H "
            "and of E can have a history"
        )
    assert material.update is not None
    history = _run(material, choices, formulas, flat(material.update))
    (stored_energy,) = (
        _run(material, choices, formulas, material.stored_energy)
        if material.stored_energy
        else (formulas.strain_energy,)
    )
    return replace(formulas, history=history, stored_energy=stored_energy)


def flat(update: Callable[..., Any]) -> Callable[..., Any]:
    """Return the update with all entries of the new history in one array."""

    def updated(*arguments: Any, **options: Any) -> Any:
        return jnp.concatenate([jnp.ravel(entry) for entry in update(*arguments, **options)])

    return updated


def _run(
    material: Material, choices: Choices, formulas: Formulas, function: Callable[..., Any]
) -> tuple[int, ...]:
    """Return the nodes of the results of a function of the arguments of the energy."""
    graph = formulas.graph
    arguments = [
        measure_inputs(graph, material),
        *(parameter_inputs(graph, p, choices) for p in material.kernel_parameters),
        *history_inputs(graph, material, choices),
    ]
    (result,) = interpret(lower_function(material, choices, function), graph, arguments)
    return tuple(int(node) for node in result.flat)
