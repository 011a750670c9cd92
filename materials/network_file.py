"""Weights of an input-convex neural network, read from a file and checked.

A network of L layers is, in `.npz` or `.safetensors`, the arrays

    layers.0.weight    (n₁, 3)        columns Ī₁ - 3 and Ī₂^(3/2) - 3√3 at least 0, J - 1 free
    layers.0.bias      (n₁,)
    layers.1.weight    (n₂, n₁)       at least 0
    layers.1.bias      (n₂,)
    ...
    layers.L.weight    (1, n_L)       at least 0, without activation; in Pa; a bias is ignored

as 32- or 64-bit floats.  These are the names that PyTorch gives to a list of linear layers,
`self.layers = ModuleList([Linear(3, 8), Linear(8, 8), Linear(8, 1, bias=False)])`.

Reference of the second format: https://github.com/huggingface/safetensors, "Format".  It is a
length, a JSON header and plain numbers, and is read here without its package; neither format can
hold code.
"""

import io
import json
import math
import re
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from elastane.materials.files import MaterialFileError

#: Numbers of the input of a network: Ī₁ - 3, Ī₂^(3/2) - 3√3 and J - 1.
NUM_INPUTS = 3

#: Columns of the first layer whose weights may not be negative.
NUM_MONOTONE = 2

#: Bytes of all arrays of a file; far more than compile.
LARGEST = 10_000_000

SAFETENSORS_TYPES = {"F32": "<f4", "F64": "<f8"}

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Network:
    """A network whose hidden layers are followed by softplus.

    Attributes:
        weights: Of each hidden layer, shape (out, in).
        biases: Of each hidden layer, shape (out,).
        output: Weights of the output, shape (in,), in Pa.
    """

    weights: tuple[Array, ...]
    biases: tuple[Array, ...]
    output: Array

    @property
    def sizes(self) -> tuple[int, ...]:
        """Return the number of entries of the input, of each hidden layer and of the output."""
        return (NUM_INPUTS, *(len(bias) for bias in self.biases), 1)


def read_network(path: Path, content: bytes) -> Network:
    """Return the network that a file holds.

    Raises:
        MaterialFileError: If the file is not of its format, or its arrays are not those of a
            convex network; the message names the array and the entry.
    """
    arrays = READERS[path.suffix](path, content)
    layers = 1 + max((int(m[1]) for m in map(_layer, arrays) if m), default=-1)
    if layers < 2:
        raise MaterialFileError(
            f"{path} holds {_listed(arrays)}; a network of one hidden layer is layers.0.weight, "
            "layers.0.bias and layers.1.weight"
        )
    wanted = {f"layers.{k}.{what}" for k in range(layers) for what in ("weight", "bias")}
    missing = wanted - arrays.keys() - {f"layers.{layers - 1}.bias"}
    if missing or arrays.keys() - wanted:
        raise MaterialFileError(
            f"{path} holds {_listed(arrays)}; a network of {layers} layers is {_listed(wanted)}"
        )
    weights, biases, size = [], [], NUM_INPUTS
    for k in range(layers - 1):
        weight, bias = arrays[f"layers.{k}.weight"], arrays[f"layers.{k}.bias"]
        _check_shape(path, f"layers.{k}.weight", weight, (len(weight), size))
        _check_shape(path, f"layers.{k}.bias", bias, (len(weight),))
        weights.append(weight)
        biases.append(bias)
        size = len(weight)
    name = f"layers.{layers - 1}.weight"
    output = arrays[name]
    _check_shape(path, name, output, (1, size))
    for k, weight in enumerate((*weights, output)):
        monotone = weight[:, :NUM_MONOTONE] if k == 0 else weight
        _check_convex(path, f"layers.{k}.weight", monotone)
    return Network(tuple(weights), tuple(biases), output[0])


def _layer(name: str) -> "re.Match[str] | None":
    return re.fullmatch(r"layers\.([0-9]{1,3})\.(weight|bias)", name)


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "nothing"


def _check_shape(path: Path, name: str, array: Array, wanted: tuple[int, ...]) -> None:
    if array.shape != wanted or not array.size:
        raise MaterialFileError(f"{path}: {name} must be of shape {wanted}, it is {array.shape}")
    bad = np.argwhere(~np.isfinite(array))
    if len(bad):
        place = tuple(map(int, bad[0]))
        raise MaterialFileError(f"{path}: {name}{list(place)} is {array[place]}; it must be finite")


def _check_convex(path: Path, name: str, array: Array) -> None:
    bad = np.argwhere(array < 0)
    if len(bad):
        place = tuple(map(int, bad[0]))
        raise MaterialFileError(
            f"{path}: {name}{list(place)} is {float(array[place])!r}; it must be at least 0, or "
            "the energy is not polyconvex; train with weights that a softplus or a clamp makes "
            "positive"
        )


def _read_npz(path: Path, content: bytes) -> dict[str, Array]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            unpacked = sum(entry.file_size for entry in archive.infolist())
        _check_size(path, unpacked)
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return {name: _doubles(path, name, arrays[name]) for name in arrays.files}
    except MaterialFileError:
        raise
    except Exception as error:  # zipfile and numpy raise a dozen kinds for damaged files
        told = str(error).partition("\n")[0]
        raise MaterialFileError(f"{path} is no npz file of plain arrays: {told}") from None


def _read_safetensors(path: Path, content: bytes) -> dict[str, Array]:
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or length > len(content) - 8:
        raise MaterialFileError(f"{path} is no safetensors file: its header is cut off")
    try:
        header = json.loads(content[8 : 8 + length], object_pairs_hook=_without_twins)
    except (ValueError, RecursionError) as error:
        raise MaterialFileError(f"{path} is no safetensors file: its header is {error}") from None
    if not isinstance(header, dict):
        raise MaterialFileError(f"{path} is no safetensors file: its header is no JSON object")
    header.pop("__metadata__", None)
    data, arrays, end = content[8 + length :], {}, 0
    for name, entry in sorted(header.items(), key=_first_byte):
        match entry:
            case {"dtype": str(kind), "shape": list(shape), "data_offsets": [int(a), int(b)]} if (
                kind in SAFETENSORS_TYPES and all(type(n) is int and n >= 0 for n in shape)
            ):
                numbers = np.dtype(SAFETENSORS_TYPES[kind])
            case _:
                raise MaterialFileError(
                    f"{path}: {name} must be of 32- or 64-bit floats (F32, F64), not {entry!r:.80}"
                )
        if a != end or b - a != math.prod(shape) * numbers.itemsize or b > len(data):
            raise MaterialFileError(f"{path}: {name} does not lie where the header says")
        arrays[name] = np.frombuffer(data[a:b], numbers).reshape(shape).astype(np.float64)
        end = b
    if end != len(data):
        raise MaterialFileError(f"{path}: {len(data) - end} bytes belong to no array")
    return arrays


def _first_byte(item: tuple[str, Any]) -> int:
    """Return where an array begins; what says nothing comes first, and is refused."""
    try:
        return int(item[1]["data_offsets"][0])
    except (TypeError, KeyError, IndexError, ValueError):
        return -1


def _without_twins(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("ambiguous: a name stands twice")
    return found


def _doubles(path: Path, name: str, array: Any) -> Array:
    if array.dtype not in (np.float32, np.float64):
        raise MaterialFileError(
            f"{path}: {name} must be of 32- or 64-bit floats, it is of {array.dtype}"
        )
    return np.asarray(array, dtype=np.float64)


def _check_size(path: Path, size: int) -> None:
    if size > LARGEST:
        raise MaterialFileError(f"{path} unpacks to {size:,} bytes, more than {LARGEST:,}")


#: Suffix -> function of path and content that returns the arrays by name.
READERS: Mapping[str, Any] = {".npz": _read_npz, ".safetensors": _read_safetensors}
