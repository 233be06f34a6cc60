"""On what it was measured: processor, lanes, threads, versions, the state of the source."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import threadpoolctl

PACKAGES = (
    "dlngeo", "numpy", "scipy", "numba", "sdeint", "jax", "diffrax", "torch", "pymanopt",
)  # fmt: skip
LANES = (("avx512f", 8), ("avx2", 4), ("asimd", 2), ("sse2", 2))  # of float64


def machine() -> dict[str, Any]:
    """What a figure depends on, as plain data."""
    words = _processor()
    return {
        "processor": words.get("model name", platform.processor() or platform.machine()),
        "processors": os.cpu_count(),
        "lanes": _lanes(words.get("flags", words.get("Features", ""))),
        "threads": "one BLAS and OpenMP thread",
        "load": round(os.getloadavg()[0], 1),
        "BLAS": _blas(),
        "python": platform.python_version(),
        "compiler": _compiler(),
        "versions": {name: _version(name) for name in PACKAGES},
        "commit": _commit(),
    }


def _processor() -> dict[str, str]:
    """The first processor of /proc/cpuinfo; empty where there is none."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return {}
    block = file.read_text().split("\n\n")[0]
    pairs = (line.split(":", 1) for line in block.splitlines() if ":" in line)
    return {key.strip(): value.strip() for key, value in pairs}


def _lanes(flags: str) -> str:
    for flag, lanes in LANES:
        if flag in flags.split():
            return f"{lanes} of float64 ({flag})"
    return "unknown"


def _blas() -> list[str]:
    import numpy  # noqa: F401 - loads its BLAS

    found = [pool for pool in threadpoolctl.threadpool_info() if pool["user_api"] == "blas"]
    return sorted(
        {f"{p['internal_api']} {p['version']} {p.get('architecture', '')}".strip() for p in found}
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        if name != "dlngeo":
            return None
        import dlngeo  # from a checkout, not installed

        return dlngeo.__version__


def _said(*command: str) -> str | None:
    """The first line that a command writes; None where it fails."""
    if shutil.which(command[0]) is None:
        return None
    done = subprocess.run(command, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return (lines or [""])[0] if done.returncode == 0 else None


def _compiler() -> str | None:
    return _said("g++", "--version")


def _commit() -> str | None:
    here = str(Path(__file__).parent)
    commit = _said("git", "-C", here, "rev-parse", "--short=10", "HEAD")
    changed = _said("git", "-C", here, "status", "--porcelain", "-uno")
    return f"{commit}, changed" if commit and changed else commit
