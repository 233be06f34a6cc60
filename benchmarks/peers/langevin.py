"""Euler-Maruyama in W in other libraries, without reflection, all paths at once where they can.

(12.12) at κ = 1 in the frames of W, by the printed formulas without their divisions. Each is
written as a good user of its library would.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.peers import jax_on_one_thread

Fields = tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]
Ends = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """What is simulated: E(W) = (pull/2)|W - centre·1|², weight decay γ, steps of dt."""

    d: int
    depth: int = 3
    beta: float = 10.0
    pull: float = 1.0
    centre: float = 1.0
    decay: float = 0.0
    dt: float = 1e-3

    def start(self) -> np.ndarray:
        """Near the identity, singular values apart."""
        d = self.d
        return np.eye(d) + 0.1 * np.random.default_rng(0).standard_normal((d, d))

    def spectrum(self, s: Any) -> tuple[Any, Any]:
        """K of the metric, and the radial drift but for the energy's, of singular values."""
        N, a = self.depth, s ** (2 / self.depth)
        x, y = a[..., :, None], a[..., None, :]
        K, slope = 0.0, 0.0
        for j in range(N):
            term = x ** (N - 1 - j) * y**j
            K, slope = K + term, slope + (N - 1 - j) * term
        push = (slope / K).sum(-1) + (N - 1) / 2
        return K, s ** (1 - 2 / N) * push / self.beta - N * self.decay * s

    def fields(self, xp: Any, eye: Any) -> Fields:
        """Drift and noise in an array library with NumPy's names."""

        def drift(W: Any) -> Any:
            U, s, Vt = xp.linalg.svd(W)
            K, radial = self.spectrum(s)
            inner = radial[..., None] * eye
            if self.pull:
                inner = inner - self.pull * K * (U.mT @ (W - self.centre * eye) @ Vt.mT)
            return U @ inner @ Vt

        def diffuse(W: Any, B: Any) -> Any:
            U, s, Vt = xp.linalg.svd(W)
            root = (2 / self.beta * self.spectrum(s)[0]) ** 0.5
            return U @ (root * (U.mT @ B @ Vt.mT)) @ Vt

        return drift, diffuse

    def step(self, xp: Any, eye: Any) -> Callable[[Any, Any], Any]:
        """One step from W with standard normals B, with one decomposition."""

        def step(W: Any, B: Any) -> Any:
            U, s, Vt = xp.linalg.svd(W)
            K, radial = self.spectrum(s)
            inner = (2 / self.beta * self.dt * K) ** 0.5 * (U.mT @ B @ Vt.mT)
            inner = inner + self.dt * radial[..., None] * eye
            if self.pull:
                inner = inner - self.dt * self.pull * K * (U.mT @ (W - self.centre * eye) @ Vt.mT)
            return W + U @ inner @ Vt

        return step


def plain_numpy(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """A batched loop in NumPy."""
    rng, step = np.random.default_rng(0), problem.step(np, np.eye(problem.d))

    def run() -> np.ndarray:
        W = starts
        for _ in range(steps):
            W = step(W, rng.standard_normal(W.shape))
        return W

    return run


def sdeint_plain(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """One path by ``sdeint.itoEuler``, which knows no stacks."""
    import sdeint

    d = problem.d
    drift, _ = problem.fields(np, np.eye(d))

    def f(y: np.ndarray, t: float) -> np.ndarray:
        return drift(y.reshape(d, d)).ravel()

    def G(y: np.ndarray, t: float) -> np.ndarray:  # noise in the frames: the same law
        U, s, Vt = np.linalg.svd(y.reshape(d, d))
        K, _ = problem.spectrum(s)
        return np.kron(U, Vt.T) * np.sqrt(2 / problem.beta * K).ravel()

    return _sdeint(sdeint, f, G, problem, steps, starts)


def sdeint_face(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """One path by ``sdeint.itoEuler`` on the equations of ``dlngeo.interop.sdeint``."""
    import sdeint

    from dlngeo import energies
    from dlngeo.interop.sdeint import equations

    energy = energies.Quadratic(np.eye(problem.d))
    f, G = equations(energy, problem.d, depth=problem.depth, beta=problem.beta)
    return _sdeint(sdeint, f, G, problem, steps, starts)


def _sdeint(sdeint: Any, f: Any, G: Any, problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    times = np.linspace(0, steps * problem.dt, steps + 1)
    rng = np.random.default_rng(0)

    def run() -> np.ndarray:
        ends = [
            sdeint.itoEuler(f, G, y, times, generator=rng)[-1]
            for y in starts.reshape(len(starts), -1)
        ]
        return np.reshape(ends, starts.shape)

    return run


def jax_scan(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """``jit(vmap(scan))``."""
    jax = jax_on_one_thread()
    d, step = problem.d, problem.step(jax.numpy, jax.numpy.eye(problem.d))

    def path(key: Any, start: Any) -> Any:
        def body(W: Any, key: Any) -> Any:
            return step(W, jax.random.normal(key, (d, d))), None

        return jax.lax.scan(body, start, jax.random.split(key, steps))[0]

    return _vectorised(jax, path, starts)


def _vectorised(jax: Any, path: Any, starts: np.ndarray) -> Ends:
    """``jit(vmap(path))``, other noise at each call."""
    many, seeds = jax.jit(jax.vmap(path)), iter(range(10**9))

    def run() -> np.ndarray:
        keys = jax.random.split(jax.random.key(next(seeds)), len(starts))
        return np.asarray(many(keys, starts))

    return run


def diffrax_euler(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """The Euler of diffrax with a Brownian path that is drawn as it goes."""
    jax = jax_on_one_thread()
    import diffrax
    import lineax

    d, dt = problem.d, problem.dt
    drift, diffuse = problem.fields(jax.numpy, jax.numpy.eye(d))
    shape = jax.ShapeDtypeStruct((d, d), np.float64)

    def path(key: Any, start: Any) -> Any:
        noise = diffrax.UnsafeBrownianPath(shape, key)

        def operator(t: Any, W: Any, args: Any) -> Any:
            return lineax.FunctionLinearOperator(lambda B: diffuse(W, B), shape)

        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, W, args: drift(W)), diffrax.ControlTerm(operator, noise)
        )
        solution = diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, dt * steps, dt, start, max_steps=steps + 1,
            adjoint=diffrax.DirectAdjoint(),
        )  # fmt: skip
        return solution.ys[-1]

    return _vectorised(jax, path, starts)


def torch_batched(problem: Problem, steps: int, starts: np.ndarray) -> Ends:
    """A batched loop in torch."""
    import torch

    torch.set_num_threads(1)
    step = problem.step(torch, torch.eye(problem.d, dtype=torch.float64))
    noise = torch.Generator().manual_seed(0)

    def run() -> np.ndarray:
        W = torch.tensor(starts)
        with torch.no_grad():
            for _ in range(steps):
                B = torch.randn(W.shape, generator=noise, dtype=torch.float64)
                W = step(W, B)
        return W.numpy()

    return run
