"""Devices with memory and kernels of their own: GPUs, and one that the CPU plays."""

from elastane.solver.device.base import Device as Device
from elastane.solver.device.base import DeviceArray as DeviceArray
from elastane.solver.device.base import DeviceError as DeviceError
