"""Output of fields: one file per format, and the table of what can be written.

Importing this needs neither MPI nor h5py: a login node checks the names of a job by the tables.
"""

from collections.abc import Mapping

from elastane.solver.output.fields import (
    FIELDS,
    MATERIAL_FIELDS,
    OUTPUT_FIELDS,
    Field,
    material_arrays,
    von_mises_stress,
)
from elastane.solver.output.format import FormatMaker, OutputFormat, OutputMesh
from elastane.solver.output.vtkhdf import VtkhdfFormat
from elastane.solver.output.vtu import VtuFormat

#: The formats of the job file.
FORMATS: Mapping[str, FormatMaker] = {"vtu": VtuFormat, "vtkhdf": VtkhdfFormat}

__all__ = [
    "FIELDS",
    "FORMATS",
    "MATERIAL_FIELDS",
    "OUTPUT_FIELDS",
    "Field",
    "FormatMaker",
    "OutputFormat",
    "OutputMesh",
    "material_arrays",
    "von_mises_stress",
]
