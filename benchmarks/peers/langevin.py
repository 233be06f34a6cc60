"""Euler-Maruyama in W in other libraries, without reflection, all paths at once where they can.

(12.12) at κ = 1 in the frames of W, for E(W) = (pull/2)|W - 1|² and weight decay, by the printed
formulas without their divisions. Each is written as a good user of its library would.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Fields = tuple[Callable[[Any], Any], Callable[[Any, Any], Any]]
Ends = Callable[[], np.ndarray]


@dataclass(frozen=True)
class Problem:
    """What is simulated: width, whole depth, β, strength of the energy, weight decay γ, dt."""

    d: int
    depth: int = 3
    beta: float = 10.0
    pull: float = 1.0
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
                inner = inner - self.pull * K * (U.mT @ (W - eye) @ Vt.mT)
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
                inner = inner - self.dt * self.pull * K * (U.mT @ (W - eye) @ Vt.mT)
            return W + U @ inner @ Vt

        return step


def plain_numpy(problem: Problem, steps: int, paths: int) -> Ends:
    """A batched loop in NumPy."""
    d, rng = problem.d, np.random.default_rng(0)
    step = problem.step(np, np.eye(d))

    def run() -> np.ndarray:
        W = np.broadcast_to(problem.start(), (paths, d, d))
        for _ in range(steps):
            W = step(W, rng.standard_normal((paths, d, d)))
        return W

    return run


def sdeint_plain(problem: Problem, steps: int) -> Ends:
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

    return _sdeint(sdeint, f, G, problem, steps)


def sdeint_face(problem: Problem, steps: int) -> Ends:
    """One path by ``sdeint.itoEuler`` on the equations of ``dlngeo.interop.sdeint``."""
    import sdeint

    from dlngeo import energies
    from dlngeo.interop.sdeint import equations

    energy = energies.Quadratic(np.eye(problem.d))
    f, G = equations(energy, problem.d, depth=problem.depth, beta=problem.beta)
    return _sdeint(sdeint, f, G, problem, steps)


def _sdeint(sdeint: Any, f: Any, G: Any, problem: Problem, steps: int) -> Ends:
    times = np.linspace(0, steps * problem.dt, steps + 1)
    rng = np.random.default_rng(0)
    start, d = problem.start().ravel(), problem.d
    return lambda: sdeint.itoEuler(f, G, start, times, generator=rng)[-1].reshape(1, d, d)


def jax_scan(problem: Problem, steps: int, paths: int) -> Ends:
    """jit of vmap of scan."""
    import jax

    d, step = problem.d, problem.step(jax.numpy, jax.numpy.eye(problem.d))

    def path(key: Any) -> Any:
        def body(W: Any, key: Any) -> Any:
            return step(W, jax.random.normal(key, (d, d))), None

        return jax.lax.scan(body, problem.start(), jax.random.split(key, steps))[0]

    many, seeds = jax.jit(jax.vmap(path)), iter(range(10**9))
    return lambda: np.asarray(many(jax.random.split(jax.random.key(next(seeds)), paths)))


def diffrax_euler(problem: Problem, steps: int, paths: int) -> Ends:
    """diffrax's Euler with a Brownian path that is drawn as it goes."""
    import diffrax
    import jax
    import lineax

    d, dt = problem.d, problem.dt
    drift, diffuse = problem.fields(jax.numpy, jax.numpy.eye(d))
    shape = jax.ShapeDtypeStruct((d, d), np.float64)

    def path(key: Any) -> Any:
        noise = diffrax.UnsafeBrownianPath(shape, key)

        def operator(t: Any, W: Any, args: Any) -> Any:
            return lineax.FunctionLinearOperator(lambda B: diffuse(W, B), shape)

        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, W, args: drift(W)), diffrax.ControlTerm(operator, noise)
        )
        solution = diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, dt * steps, dt, problem.start(), max_steps=steps + 1,
            adjoint=diffrax.DirectAdjoint(),
        )  # fmt: skip
        return solution.ys[-1]

    many, seeds = jax.jit(jax.vmap(path)), iter(range(10**9))
    return lambda: np.asarray(many(jax.random.split(jax.random.key(next(seeds)), paths)))


def torch_batched(problem: Problem, steps: int, paths: int) -> Ends:
    """A batched loop in torch."""
    import torch

    torch.set_num_threads(1)
    d = problem.d
    step = problem.step(torch, torch.eye(d, dtype=torch.float64))
    noise = torch.Generator().manual_seed(0)

    def run() -> np.ndarray:
        W = torch.tensor(problem.start()).expand(paths, d, d)
        with torch.no_grad():
            for _ in range(steps):
                B = torch.randn(paths, d, d, generator=noise, dtype=torch.float64)
                W = step(W, B)
        return W.numpy()

    return run


def squares(W: np.ndarray, depth: int) -> np.ndarray:
    """R² = Σ σ_k^{2/N} of a stack."""
    return (np.linalg.svd(W, compute_uv=False) ** (2 / depth)).sum(axis=-1)


def law_of_squares(problem: Problem, time: float) -> tuple[float, Any]:
    """R² at a time is v times a noncentral χ² of D degrees: (v, the frozen law); zero energy.

    In λ = σ^{1/N} the process is a gradient diffusion of strength s² = 2/(βN) whose density is
    homogeneous, of degree D - d, D = d + (N+1) d(d-1)/2; so R² is a squared Bessel process of
    dimension D, drawn towards 0 by the weight decay. Reflection at λ_d = 0 does not change R².
    """
    from scipy.stats import ncx2

    d, N, decay = problem.d, problem.depth, problem.decay
    D = d + (N + 1) * d * (d - 1) / 2
    strength = 2 / (problem.beta * N)
    v = strength * (-math.expm1(-2 * decay * time) / (2 * decay) if decay else time)
    start = float(squares(problem.start()[None], N)[0]) * math.exp(-2 * decay * time)
    return v, ncx2(D, start / v)
