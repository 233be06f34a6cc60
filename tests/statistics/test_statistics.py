"""Free energy along ensembles, and its balance: exact points, closed forms, simulated paths."""

import dataclasses
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import solve_ivp

from dlngeo import balanced, energies, entropy, langevin, metric
from dlngeo._equation import Equation
from dlngeo._results.ensemble import build
from dlngeo.statistics import _free_energy, dissipation, free_energy, free_energy_balance

START = np.array([[1.4, 0.3], [-0.2, 0.9]])
ZERO = energies.Quadratic(np.zeros((2, 2)))
COMPLETION = energies.MatrixCompletion(np.eye(2), np.eye(2, dtype=bool))


def ensemble_of(W, depth, energy, widths=None, kappa=0.5, weight_decay=0.0):
    equation = Equation(energy, depth, 2.0, kappa, weight_decay)
    t = np.arange(W.shape[1]) * 0.1
    return build(equation, t, W, None, 0, "", {"widths": widths})


def run_of(energy, depth, **changes):
    options = {"beta": 2.0, "kappa": 1.0, "dt": 0.01, "n_steps": 40, "n_paths": 800, "rng": 1}
    return langevin.simulate(energy, START, depth=depth, save_every=1, **(options | changes))


def worst(balance):
    """The largest residual in its standard errors."""
    value, error = balance.residual
    return (np.abs(value[1:]) / error[1:]).max()


# ---------------------------------------------------------------------------------- path by path


@pytest.mark.parametrize("depth", [1, 2, 3, 2.5, math.inf])
def test_free_energy_and_dissipation_frame_by_frame(depth, rng, monkeypatch):
    monkeypatch.setattr(_free_energy, "_BLOCK", 27 * 4)  # in pieces of four
    W, energy = rng.standard_normal((3, 5, 3, 3)), energies.Quadratic(rng.standard_normal((3, 3)))
    decay = 0.0 if depth == math.inf else 0.2
    run = ensemble_of(W, depth, energy, weight_decay=decay)
    F, D = free_energy(run, energy), dissipation(run, energy)
    for index in np.ndindex(3, 5):
        X = W[index]
        assert_allclose(F[index], entropy.free_energy(energy, X, depth, 2.0, decay), rtol=1e-12)
        G = entropy.free_energy_gradient(energy, X, depth, 2.0, decay)
        assert_allclose(D[index], metric.inner(X, G, G, depth), rtol=1e-9)


def test_dissipation_where_singular_values_meet_and_vanish():
    # d = 2, N = 2, E = ½|W|²: ∂F/∂λ_k = 2λ_k³ - λ_k/(β(λ_1² + λ_2²)), |grad F|² = ½ Σ (∂F/∂λ_k)²
    lam = np.array([[1.0, 1.0], [1.0, 1 - 1e-12], [1.3, 1e-9], [1.3, 0.0], [1e5, 1e-5]])
    W = (lam**2)[None, :, :, None] * np.eye(2)
    slopes = 2 * lam**3 - lam / (2.0 * (lam**2).sum(axis=-1, keepdims=True))
    got = dissipation(ensemble_of(W, 2, ZERO), ZERO)
    assert_allclose(got[0], 0.5 * (slopes**2).sum(axis=-1), rtol=1e-14)


# ---------------------------------------------------------------------------------- the balance


def test_balance_by_hand():
    # one width at depth 2, β = 2, κ = ½: F = ½λ⁴, |grad F|² = 2λ⁶, Δ_g F = ½ ∂²F = 3λ²
    lam = np.array([[1.0, 1.2, 0.7], [1.0, 0.5, 0.1], [1.0, 1.0, 2.0]])
    energy = energies.Quadratic([[0.0]])
    run = ensemble_of((lam**2)[..., None, None], 2, energy)
    balance = free_energy_balance(run, energy)

    def trapezoid(f):
        steps = 0.05 * (f[:, 1:] + f[:, :-1])
        return np.concatenate((np.zeros((3, 1)), np.cumsum(steps, axis=1)), axis=1)

    change, spent = 0.5 * lam**4 - 0.5, trapezoid(2 * lam**6)
    gained = 0.25 * trapezoid(3 * lam**2)
    wanted = (change, spent, gained, change + spent - gained)
    for got, want in zip(balance[1:], wanted, strict=True):
        assert_allclose(got.value, want.mean(axis=0), rtol=1e-13, atol=1e-15)
        assert_allclose(got.error, want.std(axis=0, ddof=1) / math.sqrt(3), rtol=1e-12, atol=1e-15)
    assert_allclose(balance.t, [0, 0.1, 0.2])


CASES = {
    "depth 2": (COMPLETION, 2, {}),
    "depth 3, weight decay": (COMPLETION, 3, {"weight_decay": 0.5, "kappa": 0.5}),
    "depth 2.5": (ZERO, 2.5, {}),
    "depth 1, no boundary": (COMPLETION, 1, {"weight_decay": 0.5}),
    "infinite depth": (COMPLETION, math.inf, {"dt": 0.004, "beta": 4.0}),
    "upstairs": (COMPLETION, 2, {"upstairs": True, "n_paths": 250, "dt": 0.005}),
}


@pytest.mark.parametrize(("energy", "depth", "changes"), CASES.values(), ids=CASES)
def test_the_balance_closes(energy, depth, changes):
    run = run_of(energy, depth, **changes)
    balance = free_energy_balance(run, energy)
    assert worst(balance) < 5
    # the martingale's own variance, (2κ/β) ∫ |grad F|²
    known = run.provenance
    variance = 2 * known["kappa"] / known["beta"] * balance.dissipation.value[-1] / len(run.W)
    assert_allclose(balance.residual.error[-1] ** 2, variance, rtol=0.4)
    # and the account is not empty
    for term in balance[1:4]:
        assert abs(term.value[-1]) > 5 * balance.residual.error[-1] or term is balance.change


def test_the_balance_closes_on_the_boundary():
    # λ_d is reflected at zero, again and again
    run = run_of(ZERO, 2, beta=0.5, dt=0.005, n_steps=60, n_paths=700)
    det = run.singular_values[..., -1]
    assert ((det[:, :-1] > det[:, 1:]) & (det[:, 1:] < 0.01)).any(axis=1).mean() > 0.2
    balance = free_energy_balance(run, ZERO)
    assert worst(balance) < 5


class Nothing:
    """The energy zero."""

    shape = (2, 2)

    def value(self, W):
        return np.zeros(np.shape(W)[:-2])

    def gradient(self, W):
        return np.zeros_like(W)

    def hessian(self, W, Z):
        return np.zeros(np.broadcast_shapes(np.shape(W), np.shape(Z)))


@pytest.mark.parametrize("on", ["balanced", "end-to-end"])
def test_the_balance_needs_the_pull_of_the_entropy(on):
    # Brownian motion on the balanced manifold goes down with grad S/β, that on W goes without
    start = START if on == "end-to-end" else balanced.lift(START, 3)
    run = langevin.brownian_motion(
        start, on=on, depth=3 if on == "end-to-end" else None, beta=0.5, dt=0.01, n_steps=30,
        n_paths=600, rng=5, save_every=1,
    )  # fmt: skip
    balance = free_energy_balance(run, Nothing())
    assert worst(balance) < 5 if on == "balanced" else worst(balance) > 5


def test_the_balance_notices_another_equation():
    run = run_of(COMPLETION, 3)
    assert worst(free_energy_balance(run, COMPLETION)) < 5
    for wrong in ({"kappa": 0.8}, {"beta": 1.6}, {"depth": 2}, {"depth": 5}):
        other = dataclasses.replace(run, equation=dataclasses.replace(run.equation, **wrong))
        assert worst(free_energy_balance(other, COMPLETION)) > 5


def test_without_noise_it_is_the_identity_of_the_gradient_flow():
    beta, depth = 3.0, 3

    def velocity(t, y):
        W = y.reshape(2, 2)
        return -entropy.free_energy_gradient(COMPLETION, W, depth, beta).ravel()

    t = np.linspace(0, 1, 401)
    flow = solve_ivp(velocity, (0, 1), START.ravel(), t_eval=t, rtol=1e-11, atol=1e-12)
    W = np.stack([flow.y.T.reshape(-1, 2, 2)] * 2)
    run = build(Equation(COMPLETION, depth, beta), t, W, None, 0, "", {})
    balance = free_energy_balance(run, COMPLETION)
    assert balance.change.value[-1] < -0.05
    assert (balance.diffusion.value == 0).all()
    assert np.abs(balance.residual.value).max() < 1e-4  # trapezia of width 1/400
    assert (balance.residual.error == 0).all()


def test_in_equilibrium_dissipation_and_diffusion_cancel():
    # E F stands still under the Gibbs law, so (κ/β) E Δ_g F = E |grad F|²
    late = run_of(ZERO, 2, dt=0.05, n_steps=80, n_paths=300)
    keep = late.t > 2
    run = ensemble_of(late.W[:, keep], 2, ZERO, kappa=1.0)
    balance = free_energy_balance(run, ZERO)
    ends = balance.diffusion.value[-1] - balance.dissipation.value[-1]
    assert abs(ends) < 5 * (balance.residual.error[-1] + balance.change.error[-1])
    assert balance.dissipation.value[-1] > 20 * balance.dissipation.error[-1]


# ---------------------------------------------------------------------------------- bad input


def test_ensembles_that_do_not_fit_are_refused():
    W = np.ones((2, 3, 2, 2)) + np.eye(2)
    wide = ensemble_of(np.ones((2, 3, 2, 3)), 2, None)
    untold = dataclasses.replace(ensemble_of(W, 2, None), equation=None)
    layered = ensemble_of(W, 2, ZERO, widths=(2, 5, 2))
    decaying = ensemble_of(W, math.inf, ZERO, weight_decay=1.0)
    for function in (free_energy, dissipation, free_energy_balance):
        with pytest.raises(ValueError, match="square networks"):
            function(wide, ZERO)
        with pytest.raises(ValueError, match="equation must tell"):
            function(untold, ZERO)
        with pytest.raises(ValueError, match="square networks"):
            function(layered, ZERO)
        with pytest.raises(ValueError, match="no limit"):
            function(decaying, ZERO)
    same = ensemble_of(W, 2, ZERO, widths=(2, 2, 2))
    assert_allclose(free_energy(same, ZERO), free_energy(ensemble_of(W, 2, ZERO), ZERO))
    vanishing = ensemble_of(np.stack([0 * W[0], W[1]]), 3, ZERO)
    spent = dissipation(vanishing, ZERO)  # one path refuses no other
    assert np.isnan(spent[0]).all()
    assert_allclose(spent[1:], dissipation(ensemble_of(W[1:], 3, ZERO), ZERO))
    with pytest.raises(np.linalg.LinAlgError, match="1 of 2 paths"):
        free_energy_balance(vanishing, ZERO)
