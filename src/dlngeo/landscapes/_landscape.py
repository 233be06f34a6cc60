"""What a landscape is: quantities on the points of a section, and the points that stand out."""

from __future__ import annotations

import functools
import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo.energies import Energy
from dlngeo.landscapes._points import Points, points_on
from dlngeo.landscapes._sections import Section

if TYPE_CHECKING:
    import xarray

#: What each quantity is, and the numbers that it depends on.
QUANTITIES: dict[str, tuple[str, tuple[str, ...]]] = {
    "E": ("energy", ()),
    "S": ("Boltzmann entropy", ("depth",)),
    "F": ("free energy", ("depth", "beta", "weight_decay")),
    "slope": ("length of grad F in g^N", ("depth", "beta", "weight_decay")),
    "curvature": ("least eigenvalue of Hess F in g^N", ("depth", "beta", "weight_decay")),
    "density": ("Gibbs density in the window", ("depth", "beta", "weight_decay", "kappa")),
}

SYMBOLS = {"depth": "N", "beta": "β", "weight_decay": "γ", "kappa": "κ"}


@dataclass(frozen=True, eq=False)
class Landscape:
    """Quantities on a plane or a line through matrix space, from :func:`plane`.

    Attributes
    ----------
    energy : Energy
    section : Section
        The plane or line.
    coordinates : dict of (n,) arrays
        By name, one or two: the grid.
    numbers : dict
        ``depth``, ``beta``, ``weight_decay``, ``kappa``: a float, or an array where a sequence was
        given.
    values : dict of arrays
        By quantity, over the sequences that it depends on, in the order of ``numbers``, and then
        over the coordinates. NaN where a quantity is infinite, or has no value.
    rank : int
        What every point was taken to have at most; the full one unless another was given.
    widths : tuple of ints or None
        Of all layers, where they were given and are not those of square W itself.
    """

    energy: Energy
    section: Section
    coordinates: dict[str, Array]
    numbers: dict[str, float | Array]
    values: dict[str, Array]
    rank: int
    widths: tuple[int, ...] | None = None

    @property
    def plain(self) -> bool:
        """Whether W is square, with hidden layers of its own width, as all but E, S, F needs it."""
        return self.widths is None and self.section.base.shape[0] == self.section.base.shape[1]

    def __repr__(self) -> str:
        sizes = ", ".join(f"{name}: {x.size}" for name, x in self.coordinates.items())
        several = "".join(f", {x.size} of {name}" for name, x in self.sequences.items())
        return f"Landscape({', '.join(self.values)} on {sizes}{several})"

    @property
    def sequences(self) -> dict[str, Array]:
        """Those numbers that there are several of."""
        return {name: x for name, x in self.numbers.items() if isinstance(x, np.ndarray)}

    def dimensions(self, quantity: str) -> tuple[str, ...]:
        """The names of a quantity's dimensions."""
        felt = QUANTITIES[_checks.choice(quantity, "quantity", tuple(self.values))][1]
        return (*(name for name in self.sequences if name in felt), *self.coordinates)

    def select(self, **numbers: float) -> Landscape:
        """The landscape at one of the depths, betas, weight decays or kappas that it has.

        Examples
        --------
        >>> import numpy as np
        >>> import dlngeo as dln
        >>> energy = dln.energies.Quadratic(np.eye(2))
        >>> several = dln.landscapes.plane(energy, depth=(2, 3), beta=10, extent=2, n=5)
        >>> several
        Landscape(E, S, F on W_12: 5, W_21: 5, 2 of depth)
        >>> several.select(depth=3)
        Landscape(E, S, F on W_12: 5, W_21: 5)
        """
        chosen = self
        for name, wanted in numbers.items():
            chosen = chosen._at(name, _checks.real(wanted, name))
        return chosen

    def _at(self, name: str, wanted: float) -> Landscape:
        if name not in self.sequences:
            have = ", ".join(self.sequences) or "none"
            raise ValueError(f"the landscape has one {name}; there are several of: {have}")
        (places,) = np.nonzero(self.sequences[name] == wanted)
        if not places.size:
            raise ValueError(
                f"{name} must be one of {', '.join(f'{x:g}' for x in self.sequences[name])}, "
                f"not {wanted:g}"
            )
        values = {}
        for quantity, array in self.values.items():
            names = self.dimensions(quantity)
            values[quantity] = (
                array.take(places[0], axis=names.index(name)) if name in names else array
            )
        one = Landscape(
            self.energy, self.section, self.coordinates,
            {**self.numbers, name: wanted}, values, self.rank, self.widths,
        )  # fmt: skip
        if name == "kappa" and "points" in self.__dict__:  # which do not feel it
            one.__dict__["points"] = self.points
        return one

    @functools.cached_property
    def cases(self) -> dict[str, Landscape]:
        """The landscape at each depth, β and weight decay, by what is said of it: "N = 2, γ = 0.1".

        Each has its own F and :attr:`points`. Where there is one of each, itself, as "".
        """
        felt = {name: x for name, x in self.sequences.items() if name != "kappa"}
        if not felt:
            return {"": self}
        choices = [dict(zip(felt, x, strict=True)) for x in itertools.product(*felt.values())]
        said = [named(choice) for choice in choices]
        if len(set(said)) < len(said):  # alike to six digits
            said = [
                ", ".join(f"{SYMBOLS[k]} = {float(x)!r}" for k, x in choice.items())
                for choice in choices
            ]
        return {words: self.select(**choice) for words, choice in zip(said, choices, strict=True)}

    # ------------------------------------------------------------------------- the points

    @functools.cached_property
    def points(self) -> Points:
        """Minimisers of F, and critical points of F on the section: :class:`Points`.

        Found when first asked for; of one depth, β and weight decay (:meth:`select`).
        """
        depth, beta, decay = (one_number(self, name) for name in ("depth", "beta", "weight_decay"))
        if not self.plain:
            raise ValueError(
                "points are found of square W with hidden layers of its own width: the minimisers "
                "of F and its edge along det W = 0 are known there alone"
            )
        if self.rank < len(self.section.base):
            raise ValueError(f"points are found at full rank; the landscape is of rank {self.rank}")
        axes = tuple(self.coordinates.values())
        return points_on(self.energy, self.section, axes, depth, beta, decay)

    # ----------------------------------------------------------------------------- xarray

    def __getitem__(self, quantity: str) -> xarray.DataArray:
        """One quantity as an ``xarray.DataArray`` (needs the extra ``study``)."""
        _checks.choice(quantity, "quantity", tuple(self.values))
        return self.to_xarray()[quantity]

    def to_xarray(self) -> xarray.Dataset:
        """All quantities as an ``xarray.Dataset`` (needs the extra ``study``)."""
        try:
            import xarray
        except ImportError:
            raise ImportError(
                "xarray is missing; install dlngeo[study], or take the arrays in .values"
            ) from None
        variables = {
            name: (self.dimensions(name), array, {"long_name": QUANTITIES[name][0]})
            for name, array in self.values.items()
        }
        single = {k: x for k, x in self.numbers.items() if not isinstance(x, np.ndarray)}
        attributes: dict[str, Any] = {**single, "rank": self.rank, "energy": repr(self.energy)}
        return xarray.Dataset(
            variables, coords={**self.coordinates, **self.sequences}, attrs=attributes
        )


def one_number(landscape: Landscape, name: str) -> float:
    """A number that a landscape has one of; refused where there are several."""
    number = landscape.numbers[name]
    if isinstance(number, np.ndarray):
        raise ValueError(
            f"the landscape has {number.size} of {name}; choose one: landscape.select({name}=...)"
        )
    return number


def headline(landscape: Landscape) -> str:
    """The numbers of a landscape in one line."""
    said = []
    for name, number in landscape.numbers.items():
        if name == "kappa" and "density" not in landscape.values:
            continue
        if np.ndim(number):
            said.append(f"{SYMBOLS[name]} = {', '.join(shown(x) for x in np.asarray(number))}")
        elif name != "weight_decay" or number:
            said.append(f"{SYMBOLS[name]} = {shown(float(number))}")
    return ", ".join(said)


def named(choice: dict[str, float]) -> str:
    """One of each of some numbers, as figures say it."""
    return ", ".join(f"{SYMBOLS[name]} = {shown(float(x))}" for name, x in choice.items())


def shown(number: float) -> str:
    """A number as figures show it."""
    return "∞" if math.isinf(number) else f"{number:g}"
