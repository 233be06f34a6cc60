"""Processes that compute with another kernel of BLAS, or other instructions, than this one."""

import json
import os
import subprocess
import sys

import pytest
import threadpoolctl


def elsewhere(**variables):
    """The environment of a fresh process with these variables, imported without anything else."""
    code = "import json; from dlngeo._environment import numerics; print(json.dumps(numerics()))"
    told = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return json.loads(told.stdout)


def other_kernel():
    """A kernel of OpenBLAS that is not the one in use; skips where there is no choice."""
    ours = {b["internal_api"]: b.get("architecture") for b in threadpoolctl.threadpool_info()}
    if "openblas" not in ours:
        pytest.skip("BLAS is not OpenBLAS, whose kernel a variable chooses")
    name = "Prescott" if ours["openblas"] == "Haswell" else "Haswell"
    if elsewhere(OPENBLAS_CORETYPE=name)["kernel"] != name:
        pytest.skip(f"this OpenBLAS has no kernel {name} to choose")
    return name
