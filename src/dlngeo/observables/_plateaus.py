"""Plateaus of a quantity that moves in steps, such as the effective rank, and the jumps between."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import Array

CELLS = 1000  # of equal length, into which the time is cut
_MOST = 1e10  # heights of a value: above, rounding is seen as jumps


@dataclass(frozen=True)
class Plateaus:
    """Where a quantity rests, and when it goes from one level to the next.

    Attributes
    ----------
    start, end : (K,) arrays
        The stretches of time that belong to the plateaus, first to last.
    level : (K,) array
        The median over each stretch.
    noise : (K,) array
        The standard deviation about it of normal noise with the same median deviation.
    jump : (K - 1,) array
        The times of the jumps.
    height : (K - 1,) array
        By how much each goes up; negative down.
    """

    start: Array
    end: Array
    level: Array
    noise: Array
    jump: Array
    height: Array

    def __repr__(self) -> str:
        levels = ", ".join(f"{level:.4g}" for level in self.level)
        times = ", ".join(f"{time:.4g}" for time in self.jump)
        return f"Plateaus(levels {levels or 'none'}; jumps at {times or 'no time'})"


def plateaus(
    t: ArrayLike, values: ArrayLike, *, height: float = 0.5, length: float = 0.05
) -> Plateaus:
    r"""Plateaus and jumps of a quantity along a trajectory, its effective rank above all.

    The plateaus are the pieces of the piecewise constant function u that fits best,

    .. math:: \min_u\; \int (r(t) - u(t))^2 dt
       + \tfrac18\,\mathrm{height}^2\,\mathrm{length}\,(t_1 - t_0)\cdot\#\{\text{jumps of } u\},

    among those with no piece shorter than ``length`` times the whole. A piece is on its way, and no
    plateau, whose first and last third have medians more than height/3 apart (and four standard
    errors of white noise). Of plateaus in a row less than ``height`` apart the closest are joined,
    until none are left; of joined ones that are on their way the longest counts alone, if it is
    flat within height/12 and a third of the whole, else none. A jump's time is that at which r
    would go over at once to spend as long nearer to each level as it does, counted between the
    middles of the two plateaus: where r is monotone, when it is half-way.

    Parameters
    ----------
    t : (time,) array, increasing
        Any clock: ``np.log(t)`` where stages last ever longer.
    values : (time,) array
        Such as ``trajectory.effective_rank``; linear between the times.
    height : float > 0
        The least jump that counts.
    length : float in (0, 0.5]
        The least plateau that counts, as a share of t[-1] - t[0]; not below two thousandths.

    Returns
    -------
    Plateaus
        Of a quantity that never rests, with none.

    Raises
    ------
    ValueError
        For times that do not increase, or fewer than two, or that rounding does not tell apart
        once t[0] is taken off; for values that do not go with them, or so large that a jump of
        ``height`` is near their rounding.

    Notes
    -----
    Of white noise s at the samples the fit sees s over the root of how many there are in a
    thousandth of the time: s may exceed ``height`` where these are many. A steady
    change within height/3 is a plateau. ``start`` and ``end`` may lie within a jump.

    Examples
    --------
    >>> import numpy as np
    >>> import dlngeo as dln
    >>> t = np.linspace(0, 10, 500)
    >>> rank = 3 - 1 / (1 + np.exp(-9 * (t - 4))) - 1 / (1 + np.exp(-9 * (t - 7)))
    >>> noisy = rank + 0.3 * np.random.default_rng(0).standard_normal(500)
    >>> found = dln.observables.plateaus(t, noisy)
    >>> found.level.round(1).tolist(), found.jump.round(1).tolist()
    ([3.0, 2.0, 1.0], [4.0, 7.0])
    """
    t, values = _checks.real_array(t, "t"), _checks.real_array(values, "values")
    if t.ndim != 1 or t.size < 2 or not (np.isfinite(t).all() and (np.diff(t) > 0).all()):
        raise ValueError(f"t must be at least two increasing times; its shape is {t.shape}")
    if values.shape != t.shape or not np.isfinite(values).all():
        raise ValueError(
            f"values must be one finite number for each of {t.size} times; "
            f"their shape is {values.shape}"
        )
    height, length = _checks.positive(height, "height"), _checks.real(length, "length")
    if not 2 / CELLS <= length <= 0.5:
        raise ValueError(f"length must lie between {2 / CELLS} and 0.5, not {length!r}")
    if np.abs(values).max() > _MOST * height:
        raise ValueError(
            f"values must be at most {_MOST:g} times height = {height:g}; the largest is "
            f"{np.abs(values).max():.3g}"
        )
    with np.errstate(over="ignore", invalid="ignore"):
        span = t[-1] - t[0]
        x, v = (t - t[0]) / span, values / height
    if not (np.diff(x) > 0).all():
        raise ValueError(
            f"t must have times that rounding tells apart within t[-1] - t[0] = {span:g}"
        )
    edges = np.linspace(0.0, 1.0, CELLS + 1)
    cells = np.diff(_integral(x, v, edges)) / np.diff(edges)
    pieces = _fit(cells, round(length * CELLS), length * CELLS / 8)
    kept = _apart(cells, _resting(cells, pieces))
    level = np.array([np.median(cells[a:b]) for a, b in kept])
    start, end = (np.array([edges[piece[k]] for piece in kept]) for k in (0, 1))
    middle = (start + end) / 2
    jump = np.array(
        [
            _jump_time(x, v, (middle[k], middle[k + 1]), (level[k], level[k + 1]))
            for k in range(len(kept) - 1)
        ]
    )
    noise = np.array([_deviation(x, v, *part) for part in zip(start, end, level, strict=True)])
    start, end = (np.clip(t[0] + span * one, t[0], t[-1]) for one in (start, end))
    jump, step = t[0] + span * jump, height * np.diff(level)
    return Plateaus(start, end, height * level, height * noise, jump, step)


# ------------------------------------- on the clock from 0 to 1, and in heights


def _integral(t: Array, values: Array, to: Array) -> Array:
    """∫ from t[0] of the polygon through the values."""
    whole = np.append(0.0, np.cumsum(np.diff(t) * (values[1:] + values[:-1]) / 2))
    k = np.clip(np.searchsorted(t, to, side="right") - 1, 0, t.size - 2)
    step = to - t[k]
    slope = (values[k + 1] - values[k]) / (t[k + 1] - t[k])
    return np.asarray(whole[k] + step * (values[k] + slope * step / 2))


def _fit(cells: Array, least: int, penalty: float) -> list[tuple[int, int]]:
    """The best pieces (Potts), by dynamic programming over where the last one begins."""
    n = cells.size
    centred = cells - cells.mean()
    one = np.append(0.0, np.cumsum(centred))
    two = np.append(0.0, np.cumsum(centred**2))
    best, begins = np.full(n + 1, np.inf), np.zeros(n + 1, dtype=int)
    best[0] = 0.0
    for j in range(least, n + 1):
        i = np.arange(j - least + 1)
        cost = two[j] - two[i] - (one[j] - one[i]) ** 2 / (j - i) + best[i]
        begins[j] = cost.argmin()
        best[j] = cost[begins[j]] + penalty
    pieces, j = [], n
    while j > 0:
        pieces.append((int(begins[j]), j))
        j = int(begins[j])
    return pieces[::-1]


def _apart(cells: Array, pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The plateaus at least a height apart that resting pieces make."""
    while True:
        kept = [
            rest for parts in _joined(cells, pieces) if (rest := _settled(cells, parts)) is not None
        ]
        if len(kept) == len(pieces):
            return kept
        pieces = kept


def _joined(cells: Array, pieces: list[tuple[int, int]]) -> list[list[tuple[int, int]]]:
    """Pieces with neighbours a height apart, as their parts: the closest are joined first."""
    groups = [[piece] for piece in pieces]
    while len(groups) > 1:
        level = np.array([np.median(cells[slice(*_whole(parts))]) for parts in groups])
        k = int(np.abs(np.diff(level)).argmin())
        if abs(level[k + 1] - level[k]) >= 1:
            break
        groups[k : k + 2] = [groups[k] + groups[k + 1]]
    return groups


def _whole(parts: list[tuple[int, int]]) -> tuple[int, int]:
    return parts[0][0], parts[-1][1]


def _settled(cells: Array, parts: list[tuple[int, int]]) -> tuple[int, int] | None:
    """What rests of parts: all, or the longest if it is flat and a third of all, else nothing."""
    a, b = _whole(parts)
    if len(parts) == 1 or _rests(cells[a:b]):
        return a, b
    first, last = max(parts, key=lambda part: part[1] - part[0])
    flat = _rests(cells[first:last], 1 / 12)
    return (first, last) if flat and 3 * (last - first) >= b - a else None


def _resting(cells: Array, pieces: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The pieces that are not on their way."""
    return [(a, b) for a, b in pieces if _rests(cells[a:b])]


def _rests(cells: Array, within: float = 1 / 3) -> bool:
    third = -(-cells.size // 3)
    apart = abs(np.median(cells[:third]) - np.median(cells[-third:]))
    noise = 1.4826 * np.median(np.abs(np.diff(cells))) / np.sqrt(2)
    error = 1.2533 * noise * np.sqrt(2 / third)  # of the difference of two medians
    return bool(apart <= within + 4 * error)


def _jump_time(
    t: Array, values: Array, span: tuple[float, float], level: tuple[float, float]
) -> float:
    """As long after the span's beginning as the polygon is nearer to the first level within it."""
    times = np.concatenate([span[:1], t[(t > span[0]) & (t < span[1])], span[1:]])
    ahead = np.interp(times, t, values) - (level[0] + level[1]) / 2
    ahead = ahead if level[0] > level[1] else -ahead
    first, last = ahead[:-1], ahead[1:]
    with np.errstate(divide="ignore", invalid="ignore"):
        part = first / (first - last)  # of an interval, before the middle is crossed
    share = np.where(first > 0, 1.0, 0.0)
    share = np.where((first > 0) & (last <= 0), part, share)
    share = np.where((first <= 0) & (last > 0), 1 - part, share)
    return float(span[0] + (share * np.diff(times)).sum())


def _deviation(t: Array, values: Array, start: float, end: float, level: float) -> float:
    """1.4826 times the median deviation of the samples within; 0 where there are none."""
    inside = values[(t >= start) & (t <= end)]
    return 1.4826 * float(np.median(np.abs(inside - level))) if inside.size else 0.0
