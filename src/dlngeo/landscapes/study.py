"""``dlngeo landscape``: a landscape is computed, and written as arrays and a figure."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np

from dlngeo._environment import numerics
from dlngeo._plain import jsonable
from dlngeo._store.files import held, require_folder, together, write_json
from dlngeo._study import Argument, Option, Progress, Report
from dlngeo.landscapes._landscape import QUANTITIES, SYMBOLS, Landscape, headline
from dlngeo.landscapes._points import Points
from dlngeo.landscapes._sections import reach
from dlngeo.landscapes.config import PRESETS, Config, preset, read, to_toml

_SHOWN = 12  # points in the table
_ROWS = 12  # of a figure


@dataclass(frozen=True)
class Landscapes:
    """Draw energy, entropy and free energy on a plane or a line through matrix space.

    Options replace what CONFIG or the preset says. Exit codes: 0; 2 for arguments and files that
    cannot be used.
    """

    FOLDER: ClassVar[str] = "Folder for the results; by default dlngeo- and the name of the run."
    FILES: ClassVar[tuple[str, ...]] = (
        "landscape.png", "landscape.npz", "summary.json", "config.toml",
    )  # fmt: skip

    config: Annotated[
        Path | None,
        Argument("A TOML file: energy, depth, extent and the like. Without it, --preset."),
    ] = None
    preset: Annotated[
        str | None, Option(f"One of {', '.join(PRESETS)}; hyperbola where neither is given.")
    ] = None
    depth: Annotated[list[float] | None, Option("Number of layers; may be given again.")] = None
    beta: Annotated[list[float] | None, Option("Inverse temperature; may be given again.")] = None
    weight_decay: Annotated[
        list[float] | None, Option("Strength of weight decay; may be given again.")
    ] = None
    kappa: Annotated[
        list[float] | None, Option("Noise in W relative to noise in the gauge; of the density.")
    ] = None
    n: Annotated[int | None, Option("Points along an axis.")] = None
    quantities: Annotated[
        list[str] | None, Option(f"One of {', '.join(QUANTITIES)}; may be given again.")
    ] = None

    @property
    def name(self) -> str:
        """Of the run: its file's or its preset's."""
        return self.config.stem if self.config is not None else self.preset or "hyperbola"

    @property
    def folder(self) -> Path:
        """One for each name."""
        return Path(f"dlngeo-{self.name}-landscape")

    def run(self, out: Path, progress: Progress) -> Report:
        """Compute the landscape, and write it, a summary and a figure."""
        config = self._configuration()
        _require_rows(config)
        require_folder(out)
        begun = time.perf_counter()
        landscape = config.landscape()
        progress("landscape", 0.5)
        points = _points(landscape) if config.points else {}
        progress("landscape", 0.8)
        title = f"{self.name}: {headline(landscape)}"
        with held(out):
            self._write(config, landscape, points, title, out, begun)
        progress("landscape", 1.0)
        columns, rows = _table(landscape, points)
        return Report(
            above=[title],
            columns=columns if rows else (),
            rows=rows,
            below=_verdicts(config, landscape, points),
            files=self.FILES,
        )

    def _configuration(self) -> Config:
        """What CONFIG or the preset says, where no option replaces it."""
        if self.config is not None and self.preset is not None:
            raise ValueError("give CONFIG or --preset, not both")
        config = read(self.config) if self.config is not None else preset(self.name)
        several: dict[str, Any] = {
            name: getattr(self, name) or None
            for name in ("depth", "beta", "weight_decay", "kappa", "quantities")
        }
        config = config.replaced(n=self.n, **several)
        numbers = {name: getattr(config, name) for name in SYMBOLS}
        return config.replaced(
            **{k: x[0] for k, x in numbers.items() if isinstance(x, list) and len(x) == 1}
        )

    def _write(
        self,
        config: Config,
        landscape: Landscape,
        points: dict[str, Points],
        title: str,
        out: Path,
        begun: float,
    ) -> None:
        from dlngeo._figures import save
        from dlngeo.landscapes.figures import landscape_figure  # and Matplotlib

        flow = config.flow_lines
        figure = landscape_figure(landscape, title, flow=flow, points=bool(points))
        with together(out, last="summary.json") as draft:
            save(figure, draft / "landscape.png")
            arrays = {**landscape.coordinates, **landscape.sequences, **landscape.values}
            np.savez(draft / "landscape.npz", **arrays)  # type: ignore[arg-type]
            (draft / "config.toml").write_text(to_toml(config), encoding="utf-8")
            write_json(
                draft / "summary.json", _summary(self.name, config, landscape, points, begun)
            )


def _points(landscape: Landscape) -> dict[str, Points]:
    """The points of each case; none of too many cases, nor of rectangular W."""
    cases = landscape.cases if landscape.plain and len(landscape.cases) <= _ROWS else {}
    return {said: one.points for said, one in cases.items()}


def _summary(
    name: str, config: Config, landscape: Landscape, points: dict[str, Points], begun: float
) -> dict[str, object]:
    """What is reported, ready for JSON; NaN and infinity become strings."""
    ranges = {
        quantity: {
            "least": float(np.nanmin(values)) if np.isfinite(values).any() else "nan",
            "largest": float(np.nanmax(values)) if np.isfinite(values).any() else "nan",
            "nan": int(np.isnan(values).sum()),
            "dimensions": list(landscape.dimensions(quantity)),
        }
        for quantity, values in landscape.values.items()
    }
    report: dict[str, object] = {**numerics(), "run": name, "config": dataclasses.asdict(config)}
    report["quantities"] = ranges
    if "" in points:
        report |= _found(points[""])
    elif points:
        numbers = [
            {name: one.numbers[name] for name in landscape.sequences if name != "kappa"}
            for one in landscape.cases.values()
        ]
        report["cases"] = [
            at | _found(each) for at, each in zip(numbers, points.values(), strict=True)
        ]
    report["total_seconds"] = time.perf_counter() - begun
    return {key: jsonable(value) for key, value in report.items()}


def _found(points: Points) -> dict[str, object]:
    """The points of one case."""
    return {
        "minimisers": points.message,
        "points": [
            {
                "kind": kind, "rank": int(points.rank[i]), "W": points.W[i],
                "coordinates": points.coordinates[i], "F": points.value[i],
                "distance": points.distance[i], "stationary": bool(points.stationary[i]),
                "index": int(points.index[i]), "zeros": int(points.zeros[i]),
                "across": int(points.across[i]),
            }
            for i, kind in enumerate(points.kind)
        ],
    }  # fmt: skip


def _require_rows(config: Config) -> None:
    """Refuse, before all is computed, a plane at more numbers than a figure has rows."""
    few = config.replaced(n=2, quantities=["E"]).landscape()
    felt = {
        k: x for k, x in few.sequences.items() if k != "kappa" or "density" in config.quantities
    }
    count = math.prod(x.size for x in felt.values())
    if len(few.coordinates) == 2 and count > _ROWS:
        names = ", ".join(felt)
        raise ValueError(f"{names} must make {_ROWS} rows of a plane's figure at most, not {count}")


def _table(
    landscape: Landscape, points: dict[str, Points]
) -> tuple[tuple[str, ...], list[list[str]]]:
    """The table of all points and its columns; a row with what is said of it heads each case."""
    columns = ("point", "rank", *landscape.section.names, "F", "distance", "index")
    axes, rows = tuple(landscape.coordinates.values()), []
    sizes, size = np.array([np.abs(x).max() for x in axes]), reach(landscape.section, axes)
    for said, found in points.items():
        if said and found.kind:
            rows.append([said] + [""] * (len(columns) - 1))
        places = np.where(np.abs(found.coordinates) <= 1e-13 * sizes, 0.0, found.coordinates)
        apart = np.where(found.distance <= 1e-13 * size, 0.0, found.distance)
        for i, kind in enumerate(found.kind[:_SHOWN]):
            numbers = [*(f"{x:.6g}" for x in places[i]), f"{found.value[i]:.8g}"]
            rows.append([kind, str(found.rank[i]), *numbers, f"{apart[i]:.2g}", _type(found, i)])
    return columns, rows


def _type(points: Points, i: int) -> str:
    """The index of a point, in brackets how many zeros there are; and how F leaves det W = 0."""
    index, zeros = int(points.index[i]), int(points.zeros[i])
    said = "-" if index < 0 else f"{index} ({zeros})" if zeros else f"{index}"
    return said + {0: "", 1: " rises", -1: " falls"}[int(points.across[i])]


def _verdicts(config: Config, landscape: Landscape, points: dict[str, Points]) -> list[str]:
    if not points:
        many = f" at more than {_ROWS} depths, β and γ" if config.points else ""
        why = many if landscape.plain else " of W that is not square, or other hidden widths"
        return [f"No points were looked for{why}."]
    said = []
    for case, found in points.items():
        more = len(found.kind) - _SHOWN
        tail = f"; {more} more points in summary.json" if more > 0 else ""
        said.append((f"{case}: " if case else "") + found.message + tail)
    return said
