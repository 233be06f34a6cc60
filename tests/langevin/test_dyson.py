"""Dyson Brownian motion, its lift and the sphere: exact moments, laws against each other."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp
from scipy.stats import ks_2samp

from dlngeo import dyson
from dlngeo._random import Streams
from dlngeo.langevin import HermitianMatrices, Sphere, submersion_sde

START = np.array([-1.0, 0.2, 1.5])


def standard_errors(sample, exact):
    """By how many standard errors the mean of a sample misses."""
    return (sample.mean(axis=0) - exact) / (sample.std(axis=0, ddof=1) / np.sqrt(len(sample)))


@pytest.mark.parametrize("beta", [1, 2, 4])
def test_second_moment_and_centre_of_mass(beta):
    # d Σx² = (d(d-1) + 2d/β) dt + martingale; the centre is Brownian of variance 2t/(βd)
    run = dyson.simulate(
        START, beta=beta, dt=2e-3, n_steps=100, n_paths=3000, rng=0, save_every=100
    )
    x, t, d = run.x[:, -1], run.t[-1], 3
    exact = (START**2).sum() + (d * (d - 1) + 2 * d / beta) * t
    # drift-implicit Euler overshoots the mean by terms of order dt: some 0.1 % here
    assert abs(standard_errors((x**2).sum(axis=1), exact)) < 5
    centre = x.mean(axis=1)
    assert abs(standard_errors(centre, START.mean())) < 5
    assert abs(centre.var(ddof=1) / (2 * t / (beta * d)) - 1) < 5 * np.sqrt(2 / 3000)


def test_implicit_step_solves_its_equation(rng):
    x = np.sort(rng.standard_normal((50, 5)), axis=1)
    noise = 3 * rng.standard_normal((50, 5))  # would carry the particles across each other
    z = dyson._implicit(x, noise, 0.1)
    gap = z[:, :, None] - z[:, None, :] + np.where(np.eye(5), np.inf, 0.0)
    assert (np.diff(z, axis=1) > 0).all()
    assert_allclose(z - 0.1 * (1 / gap).sum(axis=2), x + noise, atol=1e-9)


def test_without_noise_it_is_the_coulomb_flow():
    run = dyson.simulate(START, beta=np.inf, dt=1e-4, n_steps=2000, rng=0, save_every=2000)

    def velocity(t, x):
        gap = x[:, None] - x[None] + np.where(np.eye(3), np.inf, 0.0)
        return (1 / gap).sum(axis=1)

    exact = solve_ivp(velocity, (0, 0.2), START, rtol=1e-10, atol=1e-12).y[:, -1]
    assert_allclose(run.x[0, -1], exact, atol=2e-4)


@pytest.mark.parametrize("beta", [1.0, 2.0, np.inf])
def test_eigenvalues_of_the_lift_have_the_law_of_dyson(beta):
    # Theorem 15
    options = {"dt": 1e-3, "n_steps": 200, "n_paths": 2000, "save_every": 200}
    down = dyson.simulate(START, beta=beta, rng=1, **options).x[:, -1]
    up = dyson.simulate_lift(np.diag(START), beta=beta, rng=2, **options).x[:, -1]
    if np.isinf(beta):  # deterministic as dt → 0 (Theorem 15b); noise of order √dt is left
        assert up.std(axis=0).max() < 0.05
        assert_allclose(up.mean(axis=0), down[0], atol=5e-3)
        return
    spread = np.sqrt(up.var(axis=0, ddof=1) / len(up) + down.var(axis=0, ddof=1) / len(down))
    assert (np.abs(up.mean(axis=0) - down.mean(axis=0)) < 5 * spread).all()
    for k in range(3):
        assert ks_2samp(up[:, k], down[:, k]).pvalue > 1e-5
    # without the turning of the eigenvectors they would not be driven apart
    assert (down.mean(axis=0)[2] - START[2]) > 10 * spread[2]


def test_noise_at_infinite_beta_shrinks_with_the_step():
    spread = []
    for steps in (20, 80, 320):
        run = dyson.simulate_lift(
            np.diag(START),
            beta=np.inf,
            dt=0.1 / steps,
            n_steps=steps,
            n_paths=400,
            rng=3,
            save_every=steps,
        )
        spread.append(run.x[:, -1].std(axis=0).max())
    order = np.polyfit(np.log([20, 80, 320]), np.log(spread), 1)[0]
    assert abs(order + 0.5) < 0.15


def test_hermitian_noise_and_its_projections(rng):
    space = HermitianMatrices(4)
    H = space.noise(rng.standard_normal((20000, 16)))
    assert_allclose(H, H.conj().swapaxes(-1, -2))
    second = (np.abs(H) ** 2).mean(axis=0)
    assert np.abs(second - 1).max() < 5 * np.sqrt(2 / 20000)
    M = H[0] + 2 * np.diag(np.arange(4))
    along, across = space.split(M, H[1])
    assert abs(np.vdot(along, across)) < 1e-12
    assert_allclose(across @ M, M @ across, atol=1e-12)  # commutes: moves eigenvalues alone
    _, U = np.linalg.eigh(M)
    assert_allclose(np.diag(U.conj().T @ along @ U), 0, atol=1e-12)


@pytest.mark.parametrize("d", [2, 5])
def test_sphere_grows_by_minus_half_its_mean_curvature(d):
    # (11.10)-(11.11): β = 2 and κ = 0 make dm = P dW; r² = r_0² + (d - 1) t
    start = np.zeros(d)
    start[0] = 1.0
    run = submersion_sde(
        Sphere(d), start, beta=2, kappa=0, dt=1e-3, n_steps=500, n_paths=400, rng=0, save_every=500
    )
    exact = 1 + (d - 1) * 0.5
    assert abs(standard_errors(run.x[:, -1] ** 2, exact)) < 5
    assert run.x[:, -1].std() < 0.06  # of order √dt: the radius is deterministic in the limit


def test_energy_and_isotropic_noise_on_the_sphere_are_the_langevin_equation():
    # κ = 1, L = |m|²/2: Ornstein-Uhlenbeck in R^3, E|m|² → 3/β
    run = submersion_sde(
        Sphere(3),
        [1.0, 0.0, 0.0],
        beta=4,
        kappa=1,
        gradient=lambda m: m,
        dt=0.02,
        n_steps=300,
        n_paths=3000,
        rng=1,
        save_every=300,
    )
    exact = 3 / 4 / (1 - 0.01)  # Euler's stationary variance: 2 dt/β / (1 - (1 - dt)²)
    assert abs(standard_errors(run.x[:, -1] ** 2, exact)) < 5


def test_a_path_is_the_same_in_any_company():
    options = {"beta": 2.0, "dt": 1e-2, "n_steps": 130}
    many = dyson.simulate(START, n_paths=7, rng=5, **options)
    few = dyson.simulate(START, n_paths=3, rng=5, **options)
    assert np.array_equal(many.x[:3], few.x)
    one, two = Streams(9, range(4)), Streams(9, range(2, 4))
    whole = one.normals(10, 3)
    parts = np.concatenate((two.normals(4, 3), two.normals(6, 3)))
    assert np.array_equal(whole[:, 2:], parts)


def test_entropy_of_the_orbit():
    # (11.5): vol(O_x) of U_2 orbits is π (x_2 - x_1)²·2... up to a constant the square of the gap
    assert_allclose(
        dyson.log_orbit_volume([0.0, 3.0]) - dyson.log_orbit_volume([0.0, 1.0]), 2 * np.log(3)
    )
    h, x = 1e-6, START
    drift = [
        (dyson.log_orbit_volume(x + h * e) - dyson.log_orbit_volume(x - h * e)) / (4 * h)
        for e in np.eye(3)
    ]
    gap = x[:, None] - x[None] + np.where(np.eye(3), np.inf, 0.0)
    assert_allclose(drift, (1 / gap).sum(axis=1), rtol=1e-8)  # (11.6)


def test_a_run_that_leaves_floating_point_is_told():
    run = dyson.simulate([0.0, 1e-10], beta=1, dt=1e300, n_steps=2, n_paths=2, rng=0)
    assert not run.success and (run.status == -1).all()
    assert "2 of 2 paths ended early: path 0 at t = " in run.message
    assert np.isfinite(run.x[:, 0]).all() and np.isnan(run.x[:, -1]).all()


def test_bad_input():
    with pytest.raises(ValueError, match="strictly increasing"):
        dyson.simulate([1.0, 0.0], beta=2, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="beta must be >= 1"):
        dyson.simulate(START, beta=0.5, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="Hermitian"):
        dyson.simulate_lift([[0.0, 1.0], [0.0, 0.0]], beta=2, dt=0.1, n_steps=1)
    with pytest.raises(ValueError, match="dt must be"):
        dyson.simulate(START, beta=2, dt=0.0, n_steps=1)


def test_a_path_of_any_space_ends_alone():
    """An inward push keeps the points within the unit disc; far outside they fly off."""

    def slope(m):
        return np.where(np.abs(m) > 3, -(np.abs(m) ** 30) * m, m)

    run = submersion_sde(
        Sphere(2), [1.0, 0.0], beta=0.45, gradient=slope, dt=0.1, n_steps=30, n_paths=60, rng=0
    )
    lost = run.status == -1
    assert 0 < lost.sum() < 60 and not run.success
    assert np.isfinite(run.x[~lost]).all() and np.isnan(run.x[lost, -1]).all()
    assert (np.isnan(run.m).any(axis=2) == np.isnan(run.x)).all()
    assert f"{lost.sum()} of 60 paths ended early" in run.message
