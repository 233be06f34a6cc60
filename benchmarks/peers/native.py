"""A plain scalar C++ loop, built where g++ is: what the machine can do."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.harness import Answer, Skip

SOURCE = Path(__file__).with_name("ensembles.cpp")
FLAGS = ("-O3", "-march=native", "-std=c++17")


@cache
def room() -> tempfile.TemporaryDirectory[str]:
    """Where programs are built; removed at the end."""
    return tempfile.TemporaryDirectory()


def _array(name: str, values: Any) -> str:
    """A constant array; numbers in hexadecimal, without a loss."""
    rows = np.atleast_2d(values)
    text = [", ".join(float(x).hex() for x in row) for row in rows]
    shape = "".join(f"[{n}]" for n in np.shape(values))
    body = ", ".join(f"{{{row}}}" for row in text) if np.ndim(values) == 2 else text[0]
    return f"constexpr double {name}{shape} = {{{body}}};\n"


@cache
def program(depth: int) -> Path:
    """The loop for weights of that depth, or for W at depth inf (0)."""
    if shutil.which("g++") is None:
        raise Skip("no g++")
    from scipy.integrate import DOP853

    folder = Path(room().name)
    pair = {
        "A": DOP853.A[:12, :12], "B": DOP853.B[:12], "E3": DOP853.E3[:12], "E5": DOP853.E5[:12],
    }  # fmt: skip
    (folder / "tableau.h").write_text("".join(_array(*item) for item in pair.items()))
    built = folder / f"ensembles-{depth}"
    command = ["g++", *FLAGS, f"-DDEPTH={depth}", f"-I{folder}", str(SOURCE), "-o", str(built)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr[:500])
    return built


def loop(starts: np.ndarray, depth: int, rtol: float, stop: float) -> Callable[[], Answer]:
    """Flat starts (path, size), each to E <= stop; timed inside, by the processor."""
    built = program(depth)
    file = Path(room().name) / f"starts-{depth}"
    np.ascontiguousarray(starts, dtype=float).tofile(file)

    def run() -> Answer:
        said = subprocess.run(
            [str(built), str(file), repr(rtol), repr(stop)],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        return Answer(seconds=float(said.stdout.split()[0]) * len(starts))

    return run
