"""``dlngeo simulate``: a configuration is run, or gone on with, and written beside its flows."""

from __future__ import annotations

import time
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, ClassVar

from dlngeo._engine import ENGINES
from dlngeo._store.files import held, require_folder, together, write_json
from dlngeo._store.signals import Stopped
from dlngeo._study import Argument, Option, Progress, Report
from dlngeo.langevin import SCHEMES
from dlngeo.simulation import report, store
from dlngeo.simulation._beside import Comparison
from dlngeo.simulation.config import PRESETS, Config, preset, read


@dataclass(frozen=True)
class Simulate:
    """Simulate the Riemannian Langevin equation beside the flows from the same start.

    Options replace what CONFIG or the preset says. Finished paths are kept in groups: the same
    command, given again after an interruption, goes on from them.

    Exit codes: 0; 1 where a path or a flow ended before its time (what there is is written); 2 for
    arguments and files that cannot be used; 130 and 143 when interrupted or terminated.
    """

    FOLDER: ClassVar[str] = "Folder for the results; by default dlngeo- and the name of the run."
    FILES: ClassVar[tuple[str, ...]] = (
        "simulation.png", "paths.npz", "summary.json", "config.toml",
    )  # fmt: skip

    config: Annotated[
        Path | None,
        Argument(
            "A TOML file: energy, start, depth, beta, dt, steps and the like. Without it, --preset."
        ),
    ] = None
    preset: Annotated[
        str | None, Option(f"One of {', '.join(PRESETS)}; hyperbola where neither is given.")
    ] = None
    paths: Annotated[int | None, Option("Number of paths.")] = None
    steps: Annotated[int | None, Option("Number of steps.")] = None
    dt: Annotated[float | None, Option("Length of a step.")] = None
    beta: Annotated[float | None, Option("Inverse temperature.")] = None
    kappa: Annotated[float | None, Option("Noise in W relative to noise in the gauge.")] = None
    depth: Annotated[float | None, Option("Number of layers.")] = None
    weight_decay: Annotated[float | None, Option("Strength of weight decay.")] = None
    seed: Annotated[int | None, Option("Seed of all paths.")] = None
    upstairs: Annotated[
        bool | None, Option("Simulate the weights, or W.", "--upstairs/--downstairs")
    ] = None
    method: Annotated[str | None, Option(f"The scheme: auto, {', '.join(SCHEMES)}.")] = None
    engine: Annotated[str | None, Option(f"What computes: {', '.join(ENGINES)}.")] = None
    mix_environments: Annotated[
        bool,
        Option(
            "Go on from paths made with other versions or on another kind of processor; the whole "
            "is then not, bit for bit, one run.",
            "--mix-environments",
        ),
    ] = False

    @property
    def name(self) -> str:
        """Of the run: its file's or its preset's."""
        return self.config.stem if self.config is not None else self.preset or "hyperbola"

    @property
    def folder(self) -> Path:
        """One for each name."""
        return Path(f"dlngeo-{self.name}")

    def run(self, out: Path, progress: Progress) -> Report:
        """Run the paths that are not in ``out`` yet; write them, a summary and a figure."""
        config = self._configuration()
        require_folder(out)
        begun, done = time.perf_counter(), 0

        def kept(paths: int) -> None:
            nonlocal done
            done = paths
            progress("paths", done / config.paths)

        try:
            with held(out):
                mix = self.mix_environments
                result = store.run(config, out, progress=kept, mix_environments=mix)
                self._write(config, result, out, begun)
        except Stopped as stop:
            there = f"{out} holds {done} of {config.paths} paths, and the same command"
            raise Stopped(stop.number, f"{there} goes on from there") from None
        return Report(
            above=[report.headline(self.name, config)],
            columns=report.columns(result),
            rows=report.rows(result),
            below=[report.verdict(config, result)],
            files=self.FILES,
            code=1 if result.notes else 0,
        )

    def _configuration(self) -> Config:
        """What CONFIG or the preset says, where no option replaces it."""
        if self.config is not None and self.preset is not None:
            raise ValueError("give CONFIG or --preset, not both")
        config = read(self.config) if self.config is not None else preset(self.name)
        common = {field.name for field in fields(Config)} & vars(self).keys()
        return config.replaced(**{name: getattr(self, name) for name in common})

    def _write(self, config: Config, result: Comparison, out: Path, begun: float) -> None:
        from dlngeo._figures import save
        from dlngeo.simulation.figures import comparison_figure  # and Matplotlib

        made = result.ensemble.provenance["versions"]
        summary = report.summary(config, result, [*made.items(), ("run", self.name)])
        summary["simulation_seconds"] = store.seconds(config, out)
        figure = comparison_figure(config, result, report.headline(self.name, config))
        with together(out, last="summary.json") as draft:
            store.save(config, result, draft, beside=out)
            save(figure, draft / "simulation.png")
            summary["total_seconds"] = time.perf_counter() - begun
            write_json(draft / "summary.json", summary)
