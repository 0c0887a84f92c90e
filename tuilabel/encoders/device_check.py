"""Whether a device is there, found out without torch: before the screen, a wrong --device is one clear line."""

from __future__ import annotations

import ctypes
import platform
import sys

from tuilabel.errors import UsageError

_DRIVERS = (("libcuda.so.1", "cuInit", "cuDeviceGetCount"), ("libamdhip64.so", "hipInit", "hipGetDeviceCount"))


def check_device_name(name: str) -> None:
    """Check a device's name: "auto", "cpu", "cuda", "cuda:0", "mps".

    Raises
    ------
    UsageError : where `name` is no device name, or the device is not on this machine.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (":" in name and (kind != "cuda" or not number.isdigit())):
        raise UsageError(f"unknown device {name!r}: give --device auto, cpu, cuda, cuda:0 or mps")
    here = True
    if kind == "cuda":
        here = int(number or 0) < gpu_count()
    elif kind == "mps":
        here = sys.platform == "darwin" and platform.machine() == "arm64"
    if not here:
        raise UsageError(f"there is no device {name!r} on this machine: give --device auto or cpu")


def gpu_count() -> int:
    """GPUs that the driver shows to this process (CUDA_VISIBLE_DEVICES counts)."""
    for library, initialise, count_devices in _DRIVERS:
        try:
            driver = ctypes.CDLL(library)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if getattr(driver, initialise)(0) == 0 and getattr(driver, count_devices)(ctypes.byref(count)) == 0:
            return count.value
    return 0
