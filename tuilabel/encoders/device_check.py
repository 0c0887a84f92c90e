"""Whether a device is available, without importing torch, so that a wrong name is reported before the screen opens."""

from __future__ import annotations

import ctypes
import platform
import sys

from tuilabel.errors import UsageError

_DRIVERS = (("libcuda.so.1", "cuInit", "cuDeviceGetCount"), ("libamdhip64.so", "hipInit", "hipGetDeviceCount"))


def check_device_name(name: str) -> None:
    """Check the name of a device: "auto", "cpu", "cuda", "cuda:0", "mps".

    Raises
    ------
    UsageError : if `name` is not the name of a device, or the device is not available on this machine.
    """
    kind, _, number = name.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (":" in name and (kind != "cuda" or not number.isdigit())):
        raise UsageError(f"device must be auto, cpu, cuda, cuda:0 or mps, got {name!r}", parameter="device")
    available = True
    if kind == "cuda":
        available = int(number or 0) < gpu_count()
    elif kind == "mps":
        available = sys.platform == "darwin" and platform.machine() == "arm64"
    if not available:
        raise not_available(name)


def not_available(name: str) -> UsageError:
    """The error for a device that is not available on this machine."""
    return UsageError(f"there is no device {name!r} on this machine: pass `device='auto'` or `device='cpu'`")


def gpu_count() -> int:
    """Number of GPUs that the driver offers this process (CUDA_VISIBLE_DEVICES counts)."""
    for library, initialise, count_devices in _DRIVERS:
        try:
            driver = ctypes.CDLL(library)
        except OSError:
            continue
        count = ctypes.c_int(0)
        if getattr(driver, initialise)(0) == 0 and getattr(driver, count_devices)(ctypes.byref(count)) == 0:
            return count.value
    return 0
