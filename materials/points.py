"""The compiled functions of a material, called at points of one's own.

The solver calls them through libCEED on elements; here they see a displacement gradient directly,
for curves, checks and tests.  Tensors are arrays of shape (points, 3, 3).
"""

import ctypes
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.materials.compiler.native import build_library
from elastane.materials.kernels import Kernels, find_kernels
from elastane.materials.model import Choices, Given, Material, Values

Floats = NDArray[np.float64]

#: w = 1 and dξ/dX = I: the derivatives by ξ are then H itself.
IDENTITY = np.array([1.0, 1, 0, 0, 0, 1, 0, 0, 0, 1])


class PointKernels:
    """The C functions of a material at points.

    Args:
        kernels: The kernels.
        parameters: Kernel parameters by scalar name, as `Material.resolve` returns them.
        single: Whether to compute in single precision.

    Attributes:
        history: What a material with a history remembers, the same at all points; it is that of the
            start until it is set, shape (components,).
    """

    def __init__(
        self, kernels: Kernels, parameters: Mapping[str, Values], *, single: bool = False
    ) -> None:
        self.kernels = kernels
        self.precision: type[np.floating[Any]] = np.float32 if single else np.float64
        self._libraries: dict[bool, ctypes.CDLL] = {}
        self.parameters = dict(parameters)
        self.history: Floats = np.array(kernels.initial_history)
        self._library(varying=False)

    @classmethod
    def of(cls, material: Material, given: Mapping[str, Given], choices: Choices) -> "PointKernels":
        """Return the kernels of a material for parameters as a user gives them."""
        choices = {**choices, **material.sizes_of(given)}
        return cls(find_kernels(material, choices), material.resolve(given, choices))

    def call(
        self,
        function: str,
        inputs: Sequence[Floats],
        parameters: Mapping[str, Values] | None = None,
    ) -> list[Floats]:
        """Call a function with inputs of shape (components, points); return such outputs.

        Args:
            function: "residual", "jacobian", "energy", "diagnostics" or "update"; with "_field"
                behind, the last input holds the parameters.
            inputs: Arrays in the order of the manifest.
            parameters: Other parameters than those of this object.
        """
        values = self.parameters if parameters is None else parameters
        context = np.array([values[name] for name in self.kernels.parameters], self.precision)
        fields = self.kernels.functions[function.removesuffix("_field")]
        sizes = [size for _, size in fields.inputs]
        if function.endswith("_field"):
            sizes.append(len(self.kernels.parameters))
        arrays = [np.ascontiguousarray(array, dtype=self.precision) for array in inputs]
        assert [array.shape[0] for array in arrays] == sizes
        num_points = arrays[0].shape[1]
        outputs = [
            np.full((size, num_points), np.nan, self.precision) for _, size in fields.outputs
        ]
        code = getattr(self._library(varying=function.endswith("_field")), function)(
            ctypes.c_void_p(context.ctypes.data),
            ctypes.c_int(num_points),
            pointers(arrays),
            pointers(outputs),
        )
        assert code == 0
        return [output.astype(np.float64) for output in outputs]

    def _library(self, *, varying: bool) -> ctypes.CDLL:
        """Return the functions whose parameters vary from point to point, or those of the others.

        Raises:
            NativeBuildError: If there is no C compiler.
        """
        if varying not in self._libraries:
            source = self.kernels.source_of(varying=varying)
            single = self.precision is np.float32
            library = build_library(source, self.kernels.name, single=single)
            self._libraries[varying] = ctypes.CDLL(str(library))
        return self._libraries[varying]

    def residual(
        self, H: Floats, parameters: Mapping[str, Values] | None = None
    ) -> tuple[Floats, list[Floats], Floats]:
        """Return P, the stored state (an empty list if there is none) and det F."""
        P, *state, det_F = self.call("residual", self._inputs(H), parameters)
        return from_field(P), state, det_F[0]

    def residual_at_rest(self) -> dict[str, Floats]:
        """Return what the residual writes of an undeformed body, by name, shape (components,)."""
        fields = self.kernels.functions["residual"].outputs
        outputs = self.call("residual", self._inputs(np.zeros((1, 3, 3))))
        return {name: values[:, 0] for (name, _), values in zip(fields, outputs, strict=True)}

    def stress(self, H: Floats, parameters: Mapping[str, Values] | None = None) -> Floats:
        """Return P in Pa, shape (points, 3, 3)."""
        return self.residual(H, parameters)[0]

    def stress_increment(
        self, H: Floats, dH: Floats, parameters: Mapping[str, Values] | None = None
    ) -> Floats:
        """Return dP along dH in Pa, shape (points, 3, 3)."""
        state = self.residual(H, parameters)[1]
        (dP,) = self.call("jacobian", [to_field(dH), qdata(len(H)), *state], parameters)
        return from_field(dP)

    def energy(self, H: Floats, parameters: Mapping[str, Values] | None = None) -> Floats:
        """Return ψ in J/m³, shape (points,)."""
        return self.call("energy", self._inputs(H), parameters)[0][0]

    def update(self, H: Floats) -> Floats:
        """Return the history at the end of a step that ends at H, shape (components, points)."""
        return self.call("update", self._inputs(H))[0]

    def _inputs(self, H: Floats) -> list[Floats]:
        history = [np.repeat(self.history[:, None], len(H), axis=1)] if self.history.size else []
        return [to_field(H), qdata(len(H)), *history]


def pointers(arrays: Sequence[NDArray[Any]]) -> "ctypes.Array[ctypes.c_void_p]":
    """Return the addresses of arrays as a C array."""
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))


def to_field(H: Floats) -> Floats:
    """Return (points, 3, 3) tensors as components c + 3 d, shape (9, points)."""
    return H.transpose(2, 1, 0).reshape(9, len(H))


def from_field(field: Floats) -> Floats:
    """Return components c + 3 d as tensors, shape (points, 3, 3)."""
    return field.reshape(3, 3, -1).transpose(2, 1, 0)


def qdata(num_points: int) -> Floats:
    """Return the geometry of points in a reference element that is the initial one."""
    return np.repeat(IDENTITY[:, None], num_points, axis=1)
