"""The benchmarks of an older checkout beside those of this one, taking turns, as ratios of times.

A checkout of the older state is a folder beside this one: git worktree add ../before COMMIT.
Each runs its own benchmarks with its own source, in processor time, which other programs disturb
least; of each figure the best of the rounds counts, and what only one of the two has is left out.
Other options go to pytest.

OPENBLAS_NUM_THREADS=1 python benchmarks/before_after.py ../before [--rounds 3] [-k "not BDF"]
"""

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def seconds(checkout, options):
    """Every figure of the checkout's benchmarks by its name, in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "benchmarks"]
        command += [f"--benchmark-json={report}", "--benchmark-timer=time.process_time", *options]
        there = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        run = subprocess.run(command, cwd=checkout, env=there, capture_output=True, text=True)
        if run.returncode:
            sys.exit(f"{checkout}: the benchmarks failed\n{run.stdout[-3000:]}{run.stderr[-1000:]}")
        text = report.read_text() if report.exists() else ""
    timed = json.loads(text)["benchmarks"] if text else []
    return {one["fullname"]: one["stats"]["min"] for one in timed} | langevin(run.stdout)


def langevin(said):
    """The figures that bench_langevin.py prints: microseconds a step."""
    found, d = {}, ""
    for line in said.splitlines():
        if line.startswith("d = "):
            d = line
        elif (figure := re.match(r"  (\S[^\d]*?\d?) +[\d,]+ a second +([\d.]+) µs", line)) and d:
            found[f"bench_langevin {d}, {figure[1]}"] = 1e-6 * float(figure[2])
    return found


def best(runs):
    """The least of each figure over some runs."""
    return {name: min(run[name] for run in runs) for name in runs[0]}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("before", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    asked, options = parser.parse_known_args()
    runs = [
        [seconds(checkout, options) for checkout in (asked.before.resolve(), HERE)]
        for _ in range(asked.rounds)
    ]
    before, after = (best(turns) for turns in zip(*runs, strict=True))
    common = sorted(before.keys() & after.keys())
    print(f"{'before':>12}{'after':>12}{'ratio':>8}")
    for name in common:
        print(f"{before[name]:12.3g}{after[name]:12.3g}{after[name] / before[name]:8.2f}  {name}")
    ratios = [after[name] / before[name] for name in common]
    worst = max(ratios)
    print(f"{len(ratios)} figures: median ratio {statistics.median(ratios):.2f}, worst {worst:.2f}")


if __name__ == "__main__":
    main()
