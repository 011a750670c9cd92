"""Boundary conditions: one file per kind, all plain data that needs numpy only.

A surface may carry several; a displacement component may be prescribed once.
"""

from elastane.solver.boundary.displacement import Displacement
from elastane.solver.boundary.pressure import Pressure
from elastane.solver.boundary.rotation import Rotation
from elastane.solver.boundary.traction import Traction

BoundaryCondition = Displacement | Rotation | Traction | Pressure

#: The key of the job file that names each kind.
BOUNDARY_CONDITIONS = {
    "displacement": Displacement,
    "rotation": Rotation,
    "traction": Traction,
    "pressure": Pressure,
}
