"""On what "bit for bit" depends: the versions and the processor that the numbers were made with.

The same seed gives the same numbers on one kind of processor with one set of versions. BLAS has a
kernel for each kind of processor, NumPy loops for each set of vector instructions, and they round
differently. So whatever is kept records :func:`numerics`, and whoever goes on from it compares.
"""

from __future__ import annotations

import functools
import platform
from collections.abc import Iterable
from typing import Any

import numpy as np
import scipy
import scipy.linalg  # loads SciPy's BLAS, so that it is seen
import threadpoolctl

from dlngeo import __version__


def numerics() -> dict[str, str]:
    """What the last bits of a result depend on.

    Returns
    -------
    dict of str
        ``dlngeo``, ``numpy``, ``scipy``, ``python``: versions. ``blas``: NumPy's and SciPy's
        library. ``kernel``: the processor that BLAS really computes for. ``simd``: the vector
        instructions that NumPy uses. ``machine``: processor, system and C library.
    """
    return dict(_numerics())


def differences(then: dict[str, str], now: dict[str, str]) -> str:
    """Where two environments differ, as "kernel SkylakeX, now Haswell"; empty where they do not."""
    return "; ".join(
        f"{name} {then.get(name, 'unknown')}, now {now.get(name, 'unknown')}"
        for name in {**now, **then}
        if then.get(name) != now.get(name)
    )


@functools.cache
def _numerics() -> dict[str, str]:
    built: Any = np.show_config(mode="dicts")
    named = built["Build Dependencies"]["blas"]
    libraries = _blas_libraries()
    system = " ".join(platform.libc_ver()).strip() or platform.release()
    return {
        "dlngeo": __version__,
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
        "blas": _listed(f"{b['internal_api']} {b['version']}" for b in libraries)
        or f"{named.get('name', 'unknown')} {named.get('version', '')}".strip(),
        "kernel": _listed(b.get("architecture") or "unknown" for b in libraries) or "unknown",
        "simd": " ".join(built.get("SIMD Extensions", {}).get("found", [])) or "none",
        "machine": f"{platform.machine()} {platform.system()} {system}",
    }


def _blas_libraries() -> list[dict[str, Any]]:
    """What NumPy and SciPy bring along; where they bring none, whatever BLAS is loaded."""
    loaded = [lib for lib in threadpoolctl.threadpool_info() if lib["user_api"] == "blas"]
    homes = ("numpy.libs", "scipy.libs", ".dylibs")
    own = [lib for lib in loaded if any(home in lib["filepath"] for home in homes)]
    return own or loaded


def _listed(names: Iterable[str]) -> str:
    """Each name once, in an order that does not depend on which library was loaded first."""
    return " and ".join(sorted(set(names)))
