r"""Langevin equations on a total space with a group of isometries (Menon, sections 10.3, 12.1).

.. math:: dm = -\mathrm{grad}L(m)\,dt + \sqrt{2/\beta}\,(P_m + \sqrt\kappa P_m^\perp)\,dM

with P_m the projection on the tangent space of the orbit of m, P_m^⊥ on its orthogonal complement
in the tangent space. Downstairs x = φ(m) then moves by minus the gradient of F = E - S/β and by
noise of strength 2κ/β (12.4), S the logarithm of the orbit's volume. A space says how noise splits,
how a point moves along a vector, and what is observed. :class:`Sphere` and
:class:`HermitianMatrices` are linear spaces cut into orbits;
:class:`~dlngeo.langevin._upstairs.BalancedWeights` is the deep linear network.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike

from dlngeo import _checks
from dlngeo._checks import RNG, Array
from dlngeo._paths.run import Callback, Outcome, Run
from dlngeo._paths.stepping import all_paths


class Space(Protocol):
    """A total space with its orbits; points and vectors are stacks of arrays of one shape."""

    @property
    def noise_size(self) -> int:
        """How many independent normal numbers make one vector of standard noise."""
        ...

    def noise(self, normals: Array) -> Array:
        """Standard noise in the ambient space, from ``(..., noise_size)`` normal numbers."""
        ...

    def split(self, m: Array, v: Array) -> tuple[Array, Array]:
        """The parts P_m v along the orbit and P_m^⊥ v across it."""
        ...

    def move(self, m: Array, v: Array) -> Array:
        """The point reached from m along v, to second order if it is to stay on the space."""
        ...

    def observe(self, m: Array) -> Array:
        """φ(m), what does not change along orbits."""
        ...


class Paths(NamedTuple):
    """Sample paths: ``t (time,)``, ``m (path, time, ...)`` upstairs, ``x (path, time, ...)``.

    ``status (path,)`` is 0 where a path was followed to the end. Where it is -1 the path ended
    early, with NaN in its frames from there on, and ``message`` says when and why.
    """

    t: Array
    m: Array
    x: Array
    status: Array
    message: str

    @property
    def success(self) -> bool:
        """Whether all paths were followed to the end."""
        return not self.status.any()

    @classmethod
    def of(cls, outcome: Outcome, x: Array) -> Paths:
        """The result of a run, and what was observed on it."""
        message = outcome.message(outcome.ends())
        return cls(outcome.times, outcome.frames, x, outcome.status, message)

    def __repr__(self) -> str:
        return (
            f"Paths({len(self.m)} paths, {self.t.size} times from {self.t[0]:g} to "
            f"{self.t[-1]:g}, m {self.m.shape[2:]}: {self.message})"
        )


def submersion_sde(
    space: Space,
    start: ArrayLike,
    *,
    beta: float,
    kappa: float = 1.0,
    gradient: Callable[[Array], Array] | None = None,
    dt: float,
    n_steps: int,
    n_paths: int,
    rng: RNG = None,
    save_every: int = 1,
    callback: Callback | None = None,
) -> Paths:
    """Euler-Maruyama for the Langevin equation of a submersion with group action.

    Parameters
    ----------
    space : Space
    start : array
        One point, the start of every path.
    beta : float > 0
        Inverse temperature.
    kappa : float >= 0
        Strength of the noise across orbits relative to that along them; 0 leaves noise in the gauge
        alone, and x moves without noise as dt → 0, by minus the gradient of the free energy.
    gradient : callable or None
        m → grad L(m) of the lifted energy; None: no energy.
    dt : float > 0
    n_steps, n_paths, save_every : int >= 1
        Every ``save_every``-th state is kept, the start and the last one in any case.
    rng : anything that ``numpy.random.default_rng`` takes
        Path k draws from child k of its seed.
    callback : callable or None
        ``callback(t, x)`` at each state after the start that is kept, x (path, ...); it may raise
        StopIteration to end the run there.

    Returns
    -------
    Paths
        A path that cannot be followed ends there, with status -1; the others go on.

    Raises
    ------
    ValueError, TypeError
        For bad input.

    Notes
    -----
    Source: Menon, (10.5), (12.1)-(12.4), (12.6), with (12.2) corrected: the generator is
    (1/β)(tr_O Hess + κ tr_{O^⊥} Hess - grad L), partial traces of the total space's Hessian.

    Examples
    --------
    Brownian motion of the plane, and its radius, a Bessel process (11.10):

    >>> import dlngeo as dln
    >>> run = dln.langevin.submersion_sde(
    ...     dln.langevin.Sphere(2), [1.0, 0.0], beta=1.0, dt=0.01, n_steps=10, n_paths=3, rng=0
    ... )
    >>> run.m.shape, run.x.shape
    ((3, 11, 2), (3, 11))
    """
    methods = ("noise", "split", "move", "observe")
    if isinstance(space, type) or not all(callable(getattr(space, m, None)) for m in methods):
        raise TypeError(f"space must have the methods {methods}, not {_checks.shown(space)}")
    if gradient is not None:
        _checks.function(gradient, "gradient")
    stepper = Tangential(space, beta, kappa, gradient)
    run = Run.of(dt, n_steps, save_every, n_paths, rng, callback=callback)
    point = _checks.complex_array(start, "start")
    own = space.noise(np.zeros((1, space.noise_size))).shape[1:]
    if point.shape != own:
        raise ValueError(f"start must be a point of the space, of shape {own}, not {point.shape}")
    if gradient is not None and np.shape(gradient(point[None])) != (1, *point.shape):
        raise ValueError(
            f"gradient must keep the shape of a stack of points, (path, *{point.shape})"
        )
    outcome = all_paths(stepper, point[None], run, show=lambda frame: _observed(space, frame))
    return Paths.of(outcome, _observed(space, outcome.frames))


def _observed(space: Space, frames: Array) -> Array:
    """φ at the frames that are there; NaN at the others."""
    point = tuple(range(-len(space.noise(np.zeros((1, space.noise_size))).shape[1:]), 0))
    there = np.isfinite(frames).all(axis=point)
    if there.all():
        return space.observe(frames)
    seen = space.observe(frames[there])
    x = np.full((*there.shape, *seen.shape[1:]), np.nan, seen.dtype)
    x[there] = seen
    return x


class Tangential:
    """Euler-Maruyama along the tangent space; the space's ``move`` ends each step."""

    def __init__(
        self,
        space: Space,
        beta: float,
        kappa: float,
        gradient: Callable[[Array], Array] | None,
    ) -> None:
        self.space, self._gradient = space, gradient
        self._beta = _checks.positive(beta, "beta")
        self._kappa = _checks.non_negative(kappa, "kappa")
        self.noise_size = space.noise_size

    def prepare(self, state: Array, kept: Array | None = None) -> tuple[Array, None]:
        """Nothing is known of the drift."""
        return np.zeros(len(state)), None

    def step(self, state: Array, normals: Array, dt: float | Array, ready: None = None) -> Array:
        """One step."""
        h = np.reshape(np.asarray(dt, dtype=float), (-1,) + (1,) * (state.ndim - 1))
        along, across = self.space.split(state, self.space.noise(normals))
        v = np.sqrt(2 * h / self._beta) * (along + math.sqrt(self._kappa) * across)
        if self._gradient is not None:
            v = v - h * self._gradient(state)
        return self.space.move(state, v)


class Sphere:
    """R^d without the origin, cut into spheres by O_d; the observable is the radius (11.10)."""

    def __init__(self, d: int) -> None:
        self.noise_size = _checks.integer(d, "d", 2)

    def noise(self, normals: Array) -> Array:
        """The numbers themselves."""
        return normals

    def split(self, m: Array, v: Array) -> tuple[Array, Array]:
        """The parts along the sphere and along the radius."""
        unit = m / np.linalg.norm(m, axis=-1, keepdims=True)
        across = unit * (unit * v).sum(axis=-1, keepdims=True)
        return v - across, across

    def move(self, m: Array, v: Array) -> Array:
        """A straight line: R^d is flat."""
        return m + v

    def observe(self, m: Array) -> Array:
        """The radius |m|."""
        return np.asarray(np.linalg.norm(m, axis=-1))


class HermitianMatrices:
    """Her_d with Tr M*M, cut into isospectral sets by U_d; what is observed are eigenvalues."""

    def __init__(self, d: int) -> None:
        self._d = _checks.integer(d, "d", 1)
        self.noise_size = self._d**2

    def noise(self, normals: Array) -> Array:
        """Hermitian noise: N(0, 1) on the diagonal, E|H_kl|² = 1 beside it."""
        A = normals.reshape(*normals.shape[:-1], self._d, self._d)
        lower, upper = np.tril(A, -1), np.triu(A, 1)
        H = (lower + 1j * np.swapaxes(upper, -1, -2)) / math.sqrt(2)
        diagonal = A * np.eye(self._d)
        return np.asarray(H + np.conj(np.swapaxes(H, -1, -2)) + diagonal)

    def split(self, m: Array, v: Array) -> tuple[Array, Array]:
        """What turns the eigenvectors, and what moves the eigenvalues."""
        _, U = np.linalg.eigh(m)
        diagonal = np.einsum("...ik,...ij,...jk->...k", U.conj(), v, U).real
        across = (U * diagonal[..., None, :]) @ np.conj(np.swapaxes(U, -1, -2))
        return v - across, across

    def move(self, m: Array, v: Array) -> Array:
        """A straight line: Her_d is flat."""
        return m + v

    def observe(self, m: Array) -> Array:
        """The eigenvalues, increasing."""
        return np.linalg.eigvalsh(m)
