"""The door: quantities on a grid of a plane or a line, arguments checked, in blocks of points."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Callable, Mapping, Sequence, Set
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array
from dlngeo._threads import one_blas_thread
from dlngeo.energies import Energy, require_stacks
from dlngeo.equilibrium import normalisable
from dlngeo.landscapes._density import normalised, refuse_divergent
from dlngeo.landscapes._landscape import QUANTITIES, SYMBOLS, Landscape
from dlngeo.landscapes._quantities import Quantities, Sheet
from dlngeo.landscapes._rectangular import Oblong, Slab, layers_of, require_rectangular
from dlngeo.landscapes._sections import Section, edges, section_of
from dlngeo.spectral.frame import Widths

_BLOCK = 2**16  # numbers at once, d⁴ a point of the Hessian: what stays in the cache

Numbers = float | Sequence[float] | Array


@one_blas_thread
def plane(
    energy: Energy,
    *,
    depth: Numbers,
    beta: Numbers = math.inf,
    weight_decay: Numbers = 0.0,
    kappa: Numbers = 1.0,
    axes: Section | Sequence[Any] = ((0, 1), (1, 0)),
    at: ArrayLike | None = None,
    extent: float | Sequence[Any],
    n: int | tuple[int, int] = 200,
    quantities: Sequence[str] = ("E", "S", "F"),
    rank: int | None = None,
    widths: Widths = None,
) -> Landscape:
    r"""Energy, entropy, free energy and more on a plane, or a line, through matrix space.

    Parameters
    ----------
    energy : Energy
    depth : real number >= 1, or inf; or a sequence of them
    beta : float > 0, or inf, or a sequence
        Inverse temperature; at ``inf`` F is E and the weight decay.
    weight_decay : float >= 0, or a sequence
        γ; 0 at depth ``inf``.
    kappa : float > 0, or a sequence
        Of the Langevin equation, for the density alone.
    axes : Section, or a sequence of one or two axes
        One axis makes a line, two a plane. Entries (i, j) of W, counted from 0; or (m, n) matrices,
        the directions. Singular values, or three given matrices: :class:`Section`.
    at : (m, n) array or None
        The point that directions start from, or that has the other entries. None: of an energy that
        tells its fits (as that of matrix completion does) the least one, else zero.
    extent : float, pair of floats, or two pairs
        The coordinates run from -extent to extent, between the pair, or each between its own.
    n : int, or one for each axis
        Points along an axis, at least 2.
    quantities : sequence of names
        "E"; "S", :func:`dlngeo.entropy.boltzmann`; "F", E - S/β + weight decay; "slope", the length
        of grad F in g^N; "curvature", the least eigenvalue of the Hessian of F, of the Levi-Civita
        connection of g^N and relative to g^N; "density", the Gibbs density
        e^{-βF/κ} vol(g^N) of W given that it lies in the window, against dx dy in its coordinates.
    rank : int or None
        None: full rank. An integer r: each point is cut to rank r, and S, F, slope and curvature
        are those of the stratum; at depth inf of the W with the same column and row space.
    widths : sequence of ints or None
        (d_0, ..., d_N), of one depth: the layers from n to m. None: hidden layers as wide as square
        W. Rectangular W has no entropy without them; of it, and of other widths, there are "E",
        "S", "F" and "slope", at finite depth.

    Returns
    -------
    Landscape
        ``landscape.values["F"]`` an array, ``landscape["F"]`` an ``xarray.DataArray``,
        ``landscape.points`` minimisers and critical points. A number that is a sequence makes a
        dimension of its name in all that depends on it.

    Raises
    ------
    ValueError, TypeError
        For bad input; for "density" without a finite β, at depth ``inf`` or a lower rank, and where
        the Gibbs measure, or its density in the window, cannot be normalised; for what rectangular
        W does not have.

    Notes
    -----
    NaN stands where a quantity is infinite or has no limit: S and F where two singular values
    vanish (at depth inf: where one does), the curvature at det W = 0 too unless 2 < N < inf, the
    density at det W = 0. Elsewhere values are true to rounding, also where singular values meet.
    Source: Menon, (6.5), (6.6), (12.8), (12.13), section 14; the Hessian derived.

    Examples
    --------
    Problem 14.1 in the plane of its unobserved entries; on W_12 W_21 = 1 the rank is one:

    >>> import numpy as np
    >>> import dlngeo as dln
    >>> energy = dln.energies.MatrixCompletion.from_nan([[1, np.nan], [np.nan, 1]])
    >>> landscape = dln.landscapes.plane(energy, depth=3, beta=20, extent=(0, 2), n=3)
    >>> landscape.values["F"].shape, landscape.section.names
    ((3, 3), ('W_12', 'W_21'))
    >>> landscape.values["E"].tolist()
    [[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, 0.0]]
    """
    _checks.instance(energy, "energy", Energy)
    section = section_of(axes, _foot(energy, axes, at), getattr(energy, "shape", None))
    shape = section.base.shape
    taken = {*QUANTITIES, *SYMBOLS}.intersection(section.names)
    if taken:
        raise ValueError(f"axes must not have names of quantities or numbers: {min(taken)}")
    names = quantity_names(quantities)
    grid = _grid(section, extent, n)
    numbers: dict[str, float | Array] = {
        "depth": _numbers(depth, "depth", lambda x, _: _checks.depth(x)),
        "beta": _numbers(beta, "beta", _positive_or_inf),
        "weight_decay": _numbers(weight_decay, "weight_decay", _checks.non_negative),
        "kappa": _numbers(kappa, "kappa", _checks.positive),
    }
    layers = layers_of(widths, shape, numbers["depth"])
    r = _checks.rank(rank, shape, layers, float(np.max(numbers["depth"])))
    _require_together(numbers, r, min(shape))
    require_stacks(energy, section.base, "at", hessian="curvature" in names)
    points = section.points(np.stack(np.meshgrid(*grid, indexing="ij"), axis=-1))
    landscape = Landscape(
        energy, section, dict(zip(section.names, grid, strict=True)), numbers, {}, r, layers
    )
    if not landscape.plain:
        require_rectangular(landscape, names)
    if "density" in names:
        _require_density(landscape, points)
    landscape.values.update(_values(landscape, points, names))
    return landscape


# ------------------------------------------------------------------------------ the arithmetic


def _values(landscape: Landscape, points: Array, names: tuple[str, ...]) -> dict[str, Array]:
    """The quantities of all points, for all numbers."""
    d, shape = max(points.shape[-2:]), points.shape[:-2]
    flat = points.reshape(-1, *points.shape[-2:])
    each = {name: np.atleast_1d(x) for name, x in landscape.numbers.items()}
    found = {
        name: np.empty((*(each[key].size for key in QUANTITIES[name][1]), len(flat)))
        for name in names
    }
    size = max(1, _BLOCK // (d**4 if "curvature" in names else d**2))
    with np.errstate(over="ignore", invalid="ignore"):
        for start in range(0, len(flat), size):
            part = slice(start, start + size)
            _fill(found, part, quantities_at(landscape, flat[part], "curvature" in names), each)
    if "density" in names:
        det = edges(landscape.section, tuple(landscape.coordinates.values()))
        _normalise(found["density"], landscape, det, each)
    several = landscape.sequences
    return {
        name: np.where(np.isfinite(array), array, np.nan).reshape(
            *(each[key].size for key in QUANTITIES[name][1] if key in several), *shape
        )
        for name, array in found.items()
    }


def quantities_at(landscape: Landscape, W: Array, curved: bool = False) -> Callable[..., Any]:
    """What makes the quantities at W from depth, β and γ."""
    if landscape.plain:
        sheet = Sheet.of(landscape.energy, W, landscape.rank, curved)
        return functools.partial(Quantities, sheet)
    slab = Slab.of(landscape.energy, W, landscape.rank, landscape.widths)
    return functools.partial(Oblong, slab)


def _fill(
    found: dict[str, Array], part: slice, make: Callable[..., Any], each: dict[str, Array]
) -> None:
    """The quantities of some points; of the density what is to be normalised."""
    calls = {"E": "energy", "S": "entropy", "F": "free_energy"}
    keys = ("depth", "beta", "weight_decay")
    for at in np.ndindex(*(each[key].size for key in keys)):
        numbers = [float(each[key][i]) for key, i in zip(keys, at, strict=True)]
        one = make(*numbers)
        for name in found:
            if name == "density":
                for k, kappa in enumerate(each["kappa"]):
                    found[name][(*at, k, part)] = one.smooth_log_density(float(kappa))
            else:
                felt = len(QUANTITIES[name][1])
                if not any(at[felt:]):
                    found[name][(*at[:felt], part)] = getattr(one, calls.get(name, name))()


def _normalise(found: Array, landscape: Landscape, det: Array, each: dict[str, Array]) -> None:
    """Densities in the place of the logarithms of their continuous factors."""
    axes = tuple(landscape.coordinates.values())
    for at in np.ndindex(found.shape[:-1]):
        depth, beta, decay, kappa = (float(each[key][i]) for key, i in zip(each, at, strict=True))

        def at_edge(
            x: Array, depth: float = depth, beta: float = beta, decay: float = decay,
            kappa: float = kappa,
        ) -> Array:  # fmt: skip
            sheet = Sheet.of(landscape.energy, landscape.section.points(x), landscape.rank, False)
            sigma = sheet.sigma.copy()
            sigma[:, -1] = 0.0
            one = Quantities(sheet._replace(sigma=sigma), depth, beta, decay)
            return one.smooth_log_density(kappa)

        found[at] = normalised(found[at].reshape(det.shape), det, depth, axes, at_edge).ravel()


# ------------------------------------------------------------------------------- the arguments


def _foot(energy: Energy, axes: Any, at: ArrayLike | None) -> ArrayLike | None:
    """What ``at`` stands for: the least fit, where the energy tells its fits."""
    if at is not None or isinstance(axes, Section):
        return at
    shape, fits = getattr(energy, "shape", None), getattr(energy, "fits", None)
    return None if shape is None or fits is None else fits().project(np.zeros(shape))


def quantity_names(value: Sequence[str]) -> tuple[str, ...]:
    """Names of quantities, each once."""
    words = (value,) if isinstance(value, str) else _checks.sequence(value, "quantities", "names")
    names = [_checks.choice(word, "quantities", tuple(QUANTITIES)) for word in words]
    if not names:
        raise ValueError("quantities must name at least one; it is empty")
    return tuple(dict.fromkeys(names))


def _numbers(value: Any, name: str, check: Callable[[Any, str], float]) -> float | Array:
    """A number, or an array of distinct ones."""
    if np.ndim(value) == 0 and not isinstance(value, Set | Mapping):
        return check(value, name)
    items = _checks.sequence(value, name, "a number or a sequence of numbers")
    found = [check(item, f"{name}[{i}]") for i, item in enumerate(items)]
    if not found or len(set(found)) < len(found):
        raise ValueError(f"{name} must hold distinct numbers, at least one; it is {found}")
    return np.array(found)


def _positive_or_inf(value: Any, name: str) -> float:
    number = _checks.real(value, name)
    if not number > 0:
        raise ValueError(f"{name} must be > 0, inf for no entropy, not {_checks.shown(value)}")
    return number


def _require_together(numbers: dict[str, float | Array], rank: int, d: int) -> None:
    if np.isinf(numbers["depth"]).any() and (np.asarray(numbers["weight_decay"]) > 0).any():
        raise ValueError("weight_decay must be 0 at depth inf: the penalty has no limit there")
    if rank < d and (np.asarray(numbers["depth"]) == 1).any():
        raise ValueError(f"rank must be None at depth 1, where no rank is felt, not {rank}")


def _grid(section: Section, extent: Any, n: Any) -> tuple[Array, ...]:
    """The coordinates along each axis."""
    count = len(section.names)
    sizes = (
        _checks.sequence(n, "n", "an integer, or one for each axis") if np.ndim(n) else (n,) * count
    )
    if len(sizes) != count:
        raise ValueError(f"n must be an integer, or {count} of them, not {_checks.shown(n)}")
    if np.ndim(extent) == 0 and not isinstance(extent, Set | Mapping):
        half = _checks.positive(extent, "extent")
        spans = [(-half, half)] * count
    else:
        items = _checks.sequence(extent, "extent", "a number, a pair, or a pair for each axis")
        pairs = [items] * count if all(np.ndim(x) == 0 for x in items) else list(items)
        if len(pairs) != count:
            raise ValueError(
                f"extent must have {count} pairs, one for each axis; it has {len(pairs)}"
            )
        spans = [_span(pair) for pair in pairs]
    counts = [_checks.integer(size, "n", 2, 2**20) for size in sizes]
    return tuple(_line(*span, size) for span, size in zip(spans, counts, strict=True))


def _line(low: float, high: float, size: int) -> Array:
    """Equal steps."""
    with np.errstate(over="ignore", invalid="ignore"):
        x = np.linspace(low, high, size)
        if not (np.diff(x) > 0).all():  # NaN too, of a length beyond the range
            raise ValueError(
                f"extent must hold n = {size} distinct numbers; {low!r} to {high!r} does not"
            )
    return x


def _span(value: Any) -> tuple[float, float]:
    ends = _checks.sequence(value, "extent", "pairs of numbers")
    if len(ends) != 2:
        raise ValueError(f"extent must hold pairs (from, to), not {_checks.shown(value)}")
    low, high = (_checks.finite(x, "extent") for x in ends)
    if not low < high:
        raise ValueError(f"extent must increase from {low:g}, not end at {high:g}")
    return low, high


def _require_density(landscape: Landscape, points: Array) -> None:
    """Refuse what has no Gibbs density in the window."""
    d, numbers = points.shape[-1], landscape.numbers
    each = {name: np.atleast_1d(x).tolist() for name, x in numbers.items()}
    if landscape.rank < d:
        raise ValueError("the Gibbs density is one of full rank; leave rank at None")
    if math.inf in each["beta"] or math.inf in each["depth"]:
        raise ValueError(
            "the Gibbs density needs a finite beta and a finite depth; at depth inf its mass runs "
            "off to det W = 0, where no grid tells it"
        )
    for depth, beta, decay, kappa in itertools.product(*each.values()):
        answer = normalisable(
            landscape.energy, shape=(d, d), depth=depth, beta=beta, kappa=kappa, weight_decay=decay
        )
        if answer.finite is False:
            raise ValueError(f"the Gibbs density cannot be normalised: {answer.reason}")
    axes = tuple(landscape.coordinates.values())
    for depth, kappa in itertools.product(each["depth"], each["kappa"]):
        refuse_divergent(landscape.section, axes, points, depth, kappa)
