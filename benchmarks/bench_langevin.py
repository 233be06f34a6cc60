"""Steps of the Langevin equation a second, a thousand paths at once, beside other libraries.

Depth 3, β = 10, a quadratic energy, dt = 1e-3. Ours is :func:`dlngeo.langevin.simulate` from end to
end, with noise, cutting and reflection; ``svd`` the bare decomposition of such a stack; the peers
run Euler-Maruyama in W, each written as a good user of it would, and without reflection. Every
figure is the best of some rounds, in which all take turns, in processor time (of all threads, if
a library starts some); a library that is absent is left out.

OPENBLAS_NUM_THREADS=1 python -m pytest benchmarks/bench_langevin.py
"""

import math
import time

import numpy as np
import pytest

from dlngeo import energies, langevin

PATHS, DEPTH, BETA, DT, ROUNDS = 1000, 3, 10.0, 1e-3, 3
STEPS = {2: 600, 5: 240, 10: 120, 20: 48}


def start(d):
    return np.eye(d) + 0.1 * np.random.default_rng(0).standard_normal((d, d))


def ours(method):
    def prepare(d):
        n = max(1, STEPS[d] // (4 if method == "weak2" else 1))
        energy = energies.Quadratic(np.eye(d))
        options = {"depth": DEPTH, "beta": BETA, "dt": DT, "save_every": n, "method": method}

        def run():
            langevin.simulate(energy, start(d), n_steps=n, n_paths=PATHS, rng=0, **options)

        return run, n * PATHS

    return prepare


def bare_svd(d):
    W = start(d) + 0.05 * np.random.default_rng(1).standard_normal((PATHS, d, d))
    return lambda: np.linalg.svd(W), PATHS


def sdeint_with(equations):
    def prepare(d):
        sdeint = pytest.importorskip("sdeint")
        f, G = equations(d)
        n = STEPS[d]
        t = np.linspace(0, n * DT, n + 1)
        rng = np.random.default_rng(0)
        return lambda: sdeint.itoEuler(f, G, start(d).ravel(), t, generator=rng), n

    return prepare


def our_equations(d):
    from dlngeo.interop.sdeint import equations

    return equations(energies.Quadratic(np.eye(d)), d, depth=DEPTH, beta=BETA)


def in_frames(np, U, s, Vt):
    """Eigenvalues of the metric and the radial drift, printed formulas without their division."""
    a = s ** (2 / DEPTH)
    a, b = a[:, None], a[None, :]
    K = a * a + a * b + b * b
    pull = (2 * a + b) * a / K  # of l on k, times s_k / a_k
    pull = pull.sum(axis=1) - 1  # φ = 1 on the diagonal
    return K, s ** (1 - 2 / DEPTH) * (pull + DEPTH - 1) / BETA


def plain_equations(d):
    target = np.eye(d)

    def f(y, t):
        U, s, Vt = np.linalg.svd(y.reshape(d, d))
        K, radial = in_frames(np, U, s, Vt)
        slope = U.T @ (y.reshape(d, d) - target) @ Vt.T
        return (U @ (np.diag(radial) - K * slope) @ Vt).ravel()

    def G(y, t):  # noise in the frames: the same law
        U, s, Vt = np.linalg.svd(y.reshape(d, d))
        K, _ = in_frames(np, U, s, Vt)
        return np.kron(U, Vt.T) * np.sqrt(2 / BETA * K).ravel()

    return f, G


def jax_fields(d):
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy

    def drift(W):
        U, s, Vt = jnp.linalg.svd(W)
        K, radial = in_frames(jnp, U, s, Vt)
        return U @ (jnp.diag(radial) - K * (U.T @ (W - jnp.eye(d)) @ Vt.T)) @ Vt

    def diffuse(W, B):
        U, s, Vt = jnp.linalg.svd(W)
        root = jnp.sqrt(2 / BETA * in_frames(jnp, U, s, Vt)[0])
        return U @ (root * (U.T @ B @ Vt.T)) @ Vt

    return jax, drift, diffuse


def jax_scan(d):
    jax, drift, diffuse = jax_fields(d)

    def path(key):
        def step(W, key):
            B = math.sqrt(DT) * jax.random.normal(key, (d, d))
            return W + DT * drift(W) + diffuse(W, B), None

        return jax.lax.scan(step, start(d), jax.random.split(key, STEPS[d]))[0]

    many, keys = jax.jit(jax.vmap(path)), jax.random.split(jax.random.key(0), PATHS)
    return lambda: many(keys).block_until_ready(), STEPS[d] * PATHS


def diffrax_euler(d):
    diffrax, lineax = pytest.importorskip("diffrax"), pytest.importorskip("lineax")
    jax, drift, diffuse = jax_fields(d)
    shape = jax.ShapeDtypeStruct((d, d), np.float64)

    def path(key):
        noise = diffrax.UnsafeBrownianPath(shape, key)

        def operator(t, W, args):
            return lineax.FunctionLinearOperator(lambda B: diffuse(W, B), shape)

        terms = diffrax.MultiTerm(
            diffrax.ODETerm(lambda t, W, args: drift(W)), diffrax.ControlTerm(operator, noise)
        )
        solution = diffrax.diffeqsolve(
            terms, diffrax.Euler(), 0.0, DT * STEPS[d], DT, start(d), max_steps=STEPS[d] + 1,
            adjoint=diffrax.DirectAdjoint(),
        )  # fmt: skip
        return solution.ys[-1]

    many, keys = jax.jit(jax.vmap(path)), jax.random.split(jax.random.key(0), PATHS)
    return lambda: many(keys).block_until_ready(), STEPS[d] * PATHS


CASES = {
    "root": ours("root"),
    "euler": ours("euler"),
    "weak2": ours("weak2"),
    "svd": bare_svd,
    "sdeint, plain": sdeint_with(plain_equations),
    "sdeint, interop": sdeint_with(our_equations),
    "JAX scan": jax_scan,
    "diffrax": diffrax_euler,
}


@pytest.mark.parametrize("d", STEPS)
def test_path_steps_a_second(d, capsys):
    runs, best = {}, {}
    for name, prepare in CASES.items():
        try:
            runs[name] = prepare(d)
        except pytest.skip.Exception:
            continue
        runs[name][0]()  # compiles, and warms up
    for _ in range(ROUNDS):
        for name, (run, steps) in runs.items():
            began = time.process_time()
            run()
            rate = steps / (time.process_time() - began)
            best[name] = max(rate, best.get(name, 0.0))
    with capsys.disabled():
        print(f"\nd = {d}")
        for name, rate in best.items():
            beside = rate / best.get("sdeint, plain", math.nan)
            print(
                f"  {name:16}{rate:12,.0f} a second {1e6 / rate:9.2f} µs"
                f"{rate / best['svd']:8.2f} x svd {beside:8.1f} x sdeint"
            )
