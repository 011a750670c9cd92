"""What a material with a history computes beyond stress and tangent.

    prestress      a stress that the history brings along
    update         the history at the end of a converged step
    stored_energy  what is reported as strain energy

None is differentiated by Enzyme: all are lowered as they are and join the graph of the formulas,
whose inputs `history_0`, `history_1`, ... are the entries of all arrays of the history.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import jax.numpy as jnp
import numpy as np

from elastane.materials.compiler.formulas import (
    Formulas,
    add_stress,
    history_inputs,
    measure_inputs,
    parameter_inputs,
)
from elastane.materials.compiler.interpret import interpret
from elastane.materials.compiler.lower import lower_function
from elastane.materials.model import Choices, Material


def add_prestress(material: Material, choices: Choices, formulas: Formulas) -> Formulas:
    """Return the formulas with the prestress; as they are without.

    Raises:
        UnsupportedError: If it uses what scalars cannot express.
    """
    prestress = material.prestress
    if prestress is None:
        return formulas

    def without_measure(_: Any, *arguments: Any, **options: Any) -> Any:
        return prestress(*arguments, **options)

    return add_stress(formulas, np.array(_run(material, choices, formulas, without_measure)))


def add_history(material: Material, choices: Choices, formulas: Formulas) -> Formulas:
    """Return the formulas with the updated history and the stored energy; as they are without.

    Raises:
        UnsupportedError: If they use what scalars cannot express.
    """
    if not material.history:
        return formulas
    assert material.update is not None
    history = _run(material, choices, formulas, flat(material.update), axes=True)
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
    material: Material,
    choices: Choices,
    formulas: Formulas,
    function: Callable[..., Any],
    *,
    axes: bool = False,
) -> tuple[int, ...]:
    """Return the nodes of the results of a function of the arguments of the energy.

    Args:
        material: The material.
        choices: Its options and sizes.
        formulas: Its formulas, to whose graph nodes are added.
        function: The function.
        axes: Whether it takes principal axes after principal strains.
    """
    graph = formulas.graph
    measure, *further = measure_inputs(graph, material)
    if not axes:
        further = []
    shapes = [entry.shape for entry in further]
    arguments = [
        measure,
        *further,
        *(parameter_inputs(graph, p, choices) for p in material.kernel_parameters),
        *history_inputs(graph, material, choices),
    ]
    text = lower_function(material, choices, function, *shapes)
    (result,) = interpret(text, graph, arguments)
    return tuple(int(node) for node in result.flat)
