"""Devices with memory and kernels of their own: GPUs, and one that the CPU plays."""

import os
from collections.abc import Callable, Mapping

from elastane.solver.backends import device_number
from elastane.solver.device.base import Device as Device
from elastane.solver.device.base import DeviceArray as DeviceArray
from elastane.solver.device.base import DeviceError as DeviceError
from elastane.solver.device.cupy_device import CupyDevice
from elastane.solver.device.simulated import SimulatedDevice

#: How the device of each kind is opened, from the number of the rank on its compute node and that
#: of the device, where the environment tells it.
DEVICES: Mapping[str, Callable[[int, int | None], Device]] = {
    "cuda": lambda local_rank, number: CupyDevice("cuda", local_rank, number),
    "hip": lambda local_rank, number: CupyDevice("hip", local_rank, number),
    "simulated": lambda local_rank, number: SimulatedDevice(number=number or 0),
}


def open_device(name: str, local_rank: int) -> Device:
    """Return the device of a rank: the ranks of a compute node take its devices in turn.

    Args:
        name: Key of DEVICES.
        local_rank: Number of the rank among those of its compute node, from 0.

    Raises:
        DeviceError: If it cannot be used; the message says what to do.
    """
    return DEVICES[name](local_rank, device_number(local_rank, os.environ))
