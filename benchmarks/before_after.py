"""Our figures from an older state's source beside those of this one, taking turns, as ratios.

A checkout of the older state is a folder beside this one: git worktree add ../before COMMIT.
The benchmarks are this checkout's for both, in processor time; of each figure the best of the
rounds counts, and what only one of the two can do is left out. Other options go to
``python -m benchmarks``.

python benchmarks/before_after.py ../before [--rounds 3] [--quick] [-k PATTERN]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parents[1]


def seconds(checkout, options):
    """Every figure of ours by its name, in seconds, with that checkout's source."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "benchmarks", "--ours", "--out", folder, *options]
        there = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        run = subprocess.run(command, cwd=HERE, env=there, capture_output=True, text=True)
        report = Path(folder) / "results.json"
        if not report.exists():  # figures that failed are none; without a report all did
            sys.exit(f"{checkout}: no figures\n{run.stdout[-3000:]}{run.stderr[-1000:]}")
        return figures(json.loads(report.read_text()))


def figures(report):
    """Seconds by group, row, contender and place on the axis."""
    return {
        ", ".join(
            str(part)
            for part in (row["group"], row["row"], one["name"], one["at"])
            if part is not None
        ): one["seconds"]
        for row in report["rows"]
        for one in row["figures"]
        if one["seconds"]
    }


def best(runs):
    """The least of each figure over some runs."""
    return {
        name: min(run[name] for run in runs) for name in runs[0] if all(name in r for r in runs)
    }


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
