"""Sections 5.1 and 5.2: aligned, decoupled and diagonal networks."""

from __future__ import annotations

import itertools

import numpy as np

from dlngeo import adjacency, exact, flows, hessian
from dlngeo import weights as networks
from menon.material import flat, gap, product, size
from survey.material import Net, change, diagonal, full_hessian, gauge, haar, place, scalar
from survey.registry import printed, row

SHAPES = [((3, 3, 2), (2.0, 1.0)), ((4, 3, 3, 2), (2.5, 1.5)), ((3, 3, 4, 3, 3), (3.0, 2.0, 0.7))]


class Frames:
    """Aligned weights W_i = U_iΛ_iU_{i-1}ᵀ; decoupled if the outer frames are identities."""

    def __init__(self, widths, sigma, seed=0, *, decoupled=False):
        generator = np.random.default_rng(seed)
        self.U = [haar(generator, d) for d in widths]
        if decoupled:
            self.U[0], self.U[-1] = np.eye(widths[0]), np.eye(widths[-1])
        self.Lambda = [
            diagonal(np.sort(generator.uniform(0.3, 1.3, min(a, b)))[::-1], b, a)
            for a, b in itertools.pairwise(widths)
        ]
        layers = tuple(
            U @ L @ V.T for V, L, U in zip(self.U, self.Lambda, self.U[1:], strict=False)
        )
        self.net = Net(tuple(widths), np.array(sigma), layers)


def aligned():
    return [Frames(*shape, seed) for seed, shape in enumerate(SHAPES)]


def decoupled():
    return [Frames(*shape, seed, decoupled=True) for seed, shape in enumerate(SHAPES)]


def end_of_flow(net, t=0.5):
    run = flows.gradient_flow(
        net.energy, net.layers, (0, t), t_eval=[t], method="DOP853", rtol=1e-12, atol=1e-14
    )
    return tuple(W[-1] for W in run.weights)


@row(
    "section 5",
    "weights.is_aligned weights.is_decoupled weights.is_diagonal weights.is_balanced",
    tol=0.0,
    test="weights.balanced_weights_are_aligned_not_decoupled",
    note="definitions",
)
def _():
    """Aligned, decoupled, block-shift diagonal, 0-balanced."""
    for frames in aligned():
        layers = frames.net.layers
        yield float(not networks.is_aligned(layers)) + float(networks.is_decoupled(layers))
        yield float(not networks.is_diagonal(frames.Lambda)) + float(networks.is_diagonal(layers))
        yield float(networks.is_balanced(layers))
        yield float(networks.is_aligned(frames.net.V))
    for frames in decoupled():
        yield float(not networks.is_decoupled(frames.net.layers))


@row(
    "Proposition 29",
    "adjacency.powers weights.is_aligned",
    test="block_svd.powers_of_aligned_networks_keep_their_frames",
)
def _():
    """Aligned: A^k = UΛ^kVᵀ."""
    for frames in aligned():
        net = frames.net
        U = place([0 * frames.U[0], *frames.U[1:]], 0, net.widths)
        V = place([*frames.U[:-1], 0 * frames.U[-1]], 0, net.widths)
        Lambda = place(frames.Lambda, 1, net.widths)
        for k, power in enumerate(adjacency.powers(net.A, net.h)):
            if k:
                yield gap(power, U @ np.linalg.matrix_power(Lambda, k) @ V.T)


@row(
    "Proposition 30",
    "weights.is_aligned adjacency.change_basis",
    tol=0.0,
    test="weights.rotating_hidden_bases_keeps_weights_decoupled",
)
def _():
    """Orthogonal changes of the hidden basis keep alignment; others need not."""
    for frames in aligned():
        net = frames.net
        turned = adjacency.change_basis(net.A, gauge(net.widths, orthogonal=True), net.widths)
        yield float(not networks.is_aligned(adjacency.to_weights(turned, net.widths)))
        skewed = adjacency.change_basis(net.A, gauge(net.widths), net.widths)
        yield float(networks.is_aligned(adjacency.to_weights(skewed, net.widths)))


@row(
    "Proposition 31",
    "flows.gradient_flow weights.is_aligned weights.is_decoupled",
    tol=0.0,
    test="adjacency.the_flow_keeps_decoupled_networks_but_not_aligned_ones",
)
def _():
    """The flow keeps decoupling and 0-balance, not alignment."""
    for frames in aligned():
        yield float(networks.is_aligned(end_of_flow(frames.net), tol=1e-4))
    for frames in decoupled():
        yield float(not networks.is_decoupled(end_of_flow(frames.net), tol=1e-9))
    for net in balanced():
        yield float(not networks.is_balanced(end_of_flow(net), tol=1e-9))


def balanced(seed=4):
    """W_i = Q_iΛQ_{i-1}ᵀ, one Λ for all layers."""
    generator = np.random.default_rng(seed)
    for widths, sigma in SHAPES:
        r = min(widths)
        lam = np.sort(generator.uniform(0.3, 1.2, r))[::-1]
        Q = [haar(generator, d)[:, :r] for d in widths]
        layers = tuple((U * lam) @ V.T for V, U in itertools.pairwise(Q))
        yield Net(tuple(widths), np.array(sigma), layers)


def in_frames(frames):
    """PᵀAP with P = blk_0(1, U_1, …, U_{h-1}, 1)."""
    return change(frames.net.layers, [U.T for U in frames.U[1:-1]])


@row(
    "(53)",
    "adjacency.change_basis",
    test="adjacency.velocity_of_aligned_layers_and_the_misprint_of_54",
)
def _():
    """PᵀAP = blk_1(Λ_1V_1ᵀ, Λ_2, …, Λ_{h-1}, U_hΛ_h)."""
    for frames in aligned():
        net = frames.net
        ours = adjacency.change_basis(net.A, [U.T for U in frames.U[1:-1]], net.widths)
        expected = list(frames.Lambda)
        expected[0] = expected[0] @ frames.U[0].T
        expected[-1] = frames.U[-1] @ expected[-1]
        yield gap(ours, place(expected, 1, net.widths))


def velocities_54(frames, *, ends):
    """Λ_{i+1:h}ᵀ(U_hᵀΣV_1 - Λ_{1:h})Λ_{1:i-1}ᵀ, with the frames at both ends or without."""
    net, L = frames.net, frames.Lambda
    middle = frames.U[-1].T @ net.Sigma @ frames.U[0] - product(L)
    result = []
    for i in range(1, net.h + 1):
        V = middle
        V = product(L[i:]).T @ V if i < net.h else V
        V = V @ product(L[: i - 1]).T if i > 1 else V
        V = V @ frames.U[0].T if i == 1 and ends else V
        result.append(frames.U[-1] @ V if i == net.h and ends else V)
    return result


@row(
    "(54)",
    "weights.gradient",
    test="adjacency.velocity_of_aligned_layers_and_the_misprint_of_54",
    note="for 2 ≤ i ≤ h - 1; i = 1 has V_1ᵀ on the right, i = h U_h on the left",
)
def _():
    """Ẇ_i = Λ_{i+1:h}ᵀ(U_hᵀΣV_1 - Λ_{1:h})Λ_{1:i-1}ᵀ in those bases."""
    for frames in aligned():
        ours = networks.gradient(frames.net.energy, in_frames(frames))
        for G, V in zip(ours, velocities_54(frames, ends=True), strict=True):
            yield gap(-G, V)


@printed("(54)", "the same for i = 1 and i = h")
def _():
    for frames in aligned():
        ours = networks.gradient(frames.net.energy, in_frames(frames))
        plain = velocities_54(frames, ends=False)
        for i in (0, -1):
            yield gap(-ours[i], plain[i])


@row(
    "Proposition 32",
    "weights.random_decoupled adjacency.change_basis",
    tol=1e-11,
    test="block_svd.decoupled_networks_are_diagonal_in_orthogonal_bases",
)
def _():
    """Decoupled: A = PΛPᵀ with P = blk_0(1, V_2, …, V_h, 1), and the flow is that of Λ."""
    for frames in decoupled():
        net = frames.net
        ours = adjacency.change_basis(net.A, [U.T for U in frames.U[1:-1]], net.widths)
        yield gap(ours, place(frames.Lambda, 1, net.widths))
        end = end_of_flow(net)
        plain = end_of_flow(net.at(frames.Lambda))
        yield gap(end, change(plain, frames.U[1:-1]))


@printed("Proposition 32", "P = blk_0(1, V_2, …, V_{h-1}, 1), a block short")
def _():
    for frames in decoupled()[1:]:
        P = [U.T for U in frames.U[1:-2]]
        short = change(frames.net.layers, [*P, np.eye(frames.net.widths[-2])])
        yield gap(short, frames.Lambda)


# ------------------------------------------------------------------------ diagonal networks


def paths(depths=(2, 3, 5)):
    """ξ of shape (h, d_y), σ."""
    generator = np.random.default_rng(6)
    for h in depths:
        yield generator.uniform(-1.3, 1.3, (h, 3)), np.array([3.0, 2.0, 0.7])


def field(xi, sigma):
    """(55) by products without one factor, of real or complex numbers."""
    rows = [np.prod(np.delete(xi, i, axis=0), axis=0) for i in range(len(xi))]
    return np.array(rows) * (sigma - np.prod(xi, axis=0))


def stacked(xi, sigma):
    """The same as square diagonal layers."""
    return Net((3,) * (len(xi) + 1), sigma, tuple(np.diag(x) for x in xi))


@row(
    "(55)",
    "exact.decoupled_velocity",
    test="exact.decoupled_velocity_is_the_flow_of_diagonal_weights",
)
def _():
    """ξ̇_i = ξ̄_i ∘ (σ - ξ̂), with its (h - 1)d_y laws."""
    for xi, sigma in paths():
        ours = exact.decoupled_velocity(xi, sigma)
        yield gap(ours, field(xi, sigma))
        yield gap(ours, [np.diag(V) for V in stacked(xi, sigma).velocity])
        yield size(np.diff(2 * xi * ours, axis=0)) / size(ours)


def bracket(x, s, other):
    """[f(·, s), f(·, s′)] of one channel, by complex steps."""

    def along(sigma, v):
        return np.imag(field((x + 1e-40j * v)[:, None], sigma)[:, 0]) / 1e-40

    f, g = field(x[:, None], s)[:, 0], field(x[:, None], other)[:, 0]
    return along(other, f) - along(s, g)


@row(
    "section 5.2.1",
    "exact.decoupled_velocity",
    note="[f(·, s), f(·, s′)] = (s′ - s)abs(∇ξ̂)²∇ξ̂ in each channel, which is in the span",
)
def _():
    """The fields of all σ span an involutive distribution."""
    for xi, _sigma in paths():
        for x in xi.T:
            slope = field(x[:, None], 1.0 + np.prod(x))[:, 0]
            expected = (0.5 - 2.0) * (slope @ slope) * slope
            yield gap(bracket(x, 2.0, 0.5), expected)
            ours = exact.decoupled_velocity(x[:, None], np.array([2.0]))[:, 0]
            yield gap(ours, slope * (2.0 - np.prod(x)))


@printed("section 5.2.1", "[f(ξ, σ), f(ξ, σ′)] = 0")
def _():
    for xi, _sigma in paths((2, 3)):
        for x in xi.T:
            yield size(bracket(x, 2.0, 0.5))


@row("Proposition 33", "exact.decoupled_velocity")
def _():
    """At rest each channel has ξ̂_j = σ_j, or two zeros."""
    for xi, sigma in paths():
        xi[0, 0] *= sigma[0] / np.prod(xi[:, 0])
        xi[0, 1] = xi[-1, 1] = 0.0
        for zeros, rests in ((2, True), (1, False)):
            xi[:, 2] = 0.8
            xi[:zeros, 2] = 0.0
            speed = size(exact.decoupled_velocity(xi, sigma)[:, 2])
            yield speed if rests else float(speed < 0.1)
        yield size(exact.decoupled_velocity(xi, sigma)[:, :2])


@row("(56)", "exact.decoupled_velocity")
def _():
    """L̇_j = -2(Σ_i ξ̄_ij²)L_j."""
    for xi, sigma in paths():
        residual = sigma - np.prod(xi, axis=0)
        bars = np.array([np.prod(np.delete(xi, i, axis=0), axis=0) for i in range(len(xi))])
        velocity = exact.decoupled_velocity(xi, sigma)
        ours = -residual * (bars * velocity).sum(axis=0)
        yield gap(ours, -2 * (bars**2).sum(axis=0) * residual**2 / 2)


def channel_hessian(x, sigma):
    """ξ̄ξ̄ᵀ + (ξ̂ - σ)∇²ξ̂, written out."""
    h = len(x)
    bar = np.array([np.prod(np.delete(x, i)) for i in range(h)])
    twice = [[0.0 if k == m else np.prod(np.delete(x, [k, m])) for m in range(h)] for k in range(h)]
    return np.outer(bar, bar) + (np.prod(x) - sigma) * np.array(twice)


@row("(57)", "hessian.dense", test="hessian.golden_spectra")
def _():
    """∇²L_j = ξ̄ξ̄ᵀ + (ξ̂_j - σ_j)∇²ξ̂_j; with two zeros ±(ξ̂_j - σ_j)Πξ."""
    for xi, sigma in paths():
        for x, s in zip(xi.T, sigma, strict=True):
            net = scalar(*x, sigma=s)
            yield gap(hessian.dense(net.energy, net.layers), channel_hessian(x, s))
            yield gap(full_hessian(net), channel_hessian(x, s))
            rest = scalar(0.0, 0.0, *x[2:], sigma=s)
            ends = hessian.extreme_eigenvalues(rest.energy, rest.layers)
            yield gap([-ends.least, ends.greatest], [s * abs(np.prod(x[2:]))] * 2)


@printed("(57)", "the block is ξ*ξ*ᵀ where ξ̂ = σ; it is ξ̄ξ̄ᵀ")
def _():
    for xi, sigma in paths((3, 5)):
        for x, s in zip(xi.T, sigma, strict=True):
            x[0] *= s / np.prod(x)
            yield gap(np.outer(x, x), full_hessian(scalar(*x, sigma=s)))


@row("section 5.2.2", "hessian.form adjacency.change_basis", tol=1e-12)
def _():
    """𝔥(A_diag, V_diag) = 𝔥(PA_diagPᵀ, PV_diagPᵀ)."""
    for frames in decoupled():
        net = frames.net
        V = [diagonal(np.diag(W), *W.shape) for W in net.V]
        turned = change(V, frames.U[1:-1])
        plain = net.at(frames.Lambda)
        expected = flat(V) @ full_hessian(plain) @ flat(V)
        yield gap(hessian.form(net.energy, net.layers, turned), expected)
