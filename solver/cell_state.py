"""The converged state of a body as a record of doubles for each cell, however the mesh is split.

    displacement at the (p + 1)³ nodes | history at the quadrature points

Nodes and points stand in tensor order of the cell, which comes from the mesh.  Nodes that cells
share are in each of their records, with the same bits.  Everything else follows: loads, supports
and parameters from the load fraction, what the tangent stores from the next residual.
"""

import numpy as np
from numpy.typing import NDArray
from petsc4py import PETSc

from elastane.solver.body import Body
from elastane.solver.mechanics import Mechanics

Floats = NDArray[np.float64]


def history_size(body: Body) -> int:
    """Return how many numbers materials remember at a point, the most of all regions."""
    return max(len(m.model.initial_history(m.options)) for m in body.materials)


def record_size(degree: int, num_points: int, num_history: int) -> int:
    """Return the length of a record."""
    return 3 * (degree + 1) ** 3 + num_points * num_history


def records(mechanics: Mechanics) -> Floats:
    """Return the records of this rank's cells, shape (num_cells, record_size).

    The displacement is that of the last residual, the history that of the last converged step.
    Regions that remember less than others have zeros behind it.
    """
    space, body = mechanics.space, mechanics.body
    num_cells = len(space.nodes)
    num_points = len(body.points) ** 3
    size = record_size(space.degree, num_points, history_size(body))
    result = np.zeros((num_cells, size))
    end = 3 * space.nodes.shape[1]
    result[:, :end] = mechanics.u.array[space.nodes].reshape(num_cells, end)
    for part in body.parts:
        history = part.values("history", slice(0, len(part.elements)))
        history = history.reshape(len(history), -1)
        result[part.elements, end : end + history.shape[1]] = history
    return result


def restore(mechanics: Mechanics, u: PETSc.Vec, cells: Floats, load_fraction: float) -> None:
    """Go back to the state of records; collective.

    Args:
        mechanics: Brought to the state.
        u: The unknowns, overwritten.
        cells: The records of this rank's cells.
        load_fraction: The load fraction of the state.
    """
    space, body = mechanics.space, mechanics.body
    end = 3 * space.nodes.shape[1]
    mechanics.u.array[space.nodes] = cells[:, :end].reshape(*space.nodes.shape, 3)
    space.dm.localToGlobal(mechanics.u.petsc, u, PETSc.InsertMode.INSERT_VALUES)
    num_points = len(body.points) ** 3
    histories = []
    for part in body.parts:
        num_components = part.history.shape[2]
        values = cells[part.elements, end : end + num_points * num_components]
        histories.append(values.reshape(len(part.elements), num_points, num_components))
    body.restore_history(histories, load_fraction)
    mechanics.return_to(u, load_fraction)
