"""Reads the values of one NVIDIA GPU. Values that it does not report are left out,
never zero."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pynvml

MIB = 2**20
Device = Any  # pynvml's pointer to one
Values = dict[str, Any]

# nvmlReturn_t: NVIDIA, NVML API reference, "Return codes". Some devices and drivers
# answer single calls with UNKNOWN; a GPU that works always reports its identity and
# memory.
GONE = frozenset({pynvml.NVML_ERROR_GPU_IS_LOST, pynvml.NVML_ERROR_RESET_REQUIRED})
LOST = GONE | {pynvml.NVML_ERROR_UNKNOWN}
# Of a call that this driver does not have yet
TOO_NEW = frozenset(
    {pynvml.NVML_ERROR_FUNCTION_NOT_FOUND, pynvml.NVML_ERROR_ARGUMENT_VERSION_MISMATCH}
)


def measure(device: Device) -> Values:
    """Raises NVMLError of GONE or LOST."""
    values = _values(_memory, device, LOST)
    for read in READERS:
        values |= _values(read, device, GONE)
    if "memory_used" not in values:
        values |= _memory_of_processes(values.get("processes"))
    return values


def _values(
    read: Callable[[Device], Values], device: Device, fatal: frozenset[int]
) -> Values:
    try:
        return read(device)
    except pynvml.NVMLError as error:
        if error.value in fatal:
            raise
        return {}


def _memory(device: Device) -> Values:
    """Total is what processes can get, and what CUDA reports: without the part that
    the driver keeps, 480 MiB of an H100. Drivers before R510 count that as used."""
    try:
        memory = pynvml.nvmlDeviceGetMemoryInfo(device, pynvml.nvmlMemory_v2)
        total = memory.total - memory.reserved
    except pynvml.NVMLError as error:
        if error.value not in TOO_NEW:
            raise
        memory = pynvml.nvmlDeviceGetMemoryInfo(device)
        total = memory.total
    return {
        "memory_total": total // MIB,
        "memory_used": memory.used // MIB,
        "memory_free": memory.free // MIB,
    }


def _memory_of_processes(processes: dict[int, int | None] | None) -> Values:
    """For devices that share the machine's memory and report no total, such as GB10."""
    sizes = None if processes is None else list(processes.values())
    if sizes is None or None in sizes:
        return {}
    return {"memory_used": sum(mib for mib in sizes if mib)}


def _utilization(device: Device) -> Values:
    rates = pynvml.nvmlDeviceGetUtilizationRates(device)
    return {"utilization": rates.gpu, "memory_utilization": rates.memory}


def _temperature(device: Device) -> Values:
    """The older call is removed with CUDA 14; older drivers have no other."""
    sensor = pynvml.NVML_TEMPERATURE_GPU
    try:
        return {"temperature": pynvml.nvmlDeviceGetTemperatureV(device, sensor)}
    except pynvml.NVMLError as error:
        if error.value in GONE:
            raise
        return {"temperature": pynvml.nvmlDeviceGetTemperature(device, sensor)}


def _power(device: Device) -> Values:
    return {"power": pynvml.nvmlDeviceGetPowerUsage(device) / 1000}


def _power_limit(device: Device) -> Values:
    return {"power_limit": pynvml.nvmlDeviceGetEnforcedPowerLimit(device) / 1000}


def _clock_sm(device: Device) -> Values:
    clock = pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_SM)
    return {"clock_sm": clock}


def _clock_memory(device: Device) -> Values:
    clock = pynvml.nvmlDeviceGetClockInfo(device, pynvml.NVML_CLOCK_MEM)
    return {"clock_memory": clock}


def _processes(device: Device) -> Values:
    """A process may be listed several times, once for each slice of the GPU it uses."""
    used: dict[int, int | None] = {}
    for process in _compute_processes(device):
        before = used.get(process.pid, 0)
        known = process.usedGpuMemory is not None and before is not None
        used[process.pid] = before + process.usedGpuMemory // MIB if known else None
    return {"processes": used}


def _compute_processes(device: Device) -> list[Any]:
    """Drivers before R510 know the second version only."""
    try:
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses_v3(device))
    except pynvml.NVMLError_FunctionNotFound:
        return list(pynvml.nvmlDeviceGetComputeRunningProcesses_v2(device))


READERS = (
    _utilization,
    _temperature,
    _power,
    _power_limit,
    _clock_sm,
    _clock_memory,
    _processes,
)
