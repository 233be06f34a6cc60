"""Classification against the spectrum of the full Hessian, on critical points of every kind.

The points are random in widths, depth, rank, signature and Z; the Hessian is the loss's second
derivative, which another test file compares with dual numbers. The sign of its least eigenvalue is
compared only where it is clear, and a test says that it always is.
"""

import collections
import itertools

import numpy as np
import pytest

from dlngeo import critical_points, hessian, weights
from dlngeo.energies import Quadratic
from dlngeo.flows import gradient_flow

SIGMA = np.array([3.0, 2.0, 1.0])


def target(sigma, widths):
    matrix = np.zeros((widths[-1], widths[0]))
    np.fill_diagonal(matrix, sigma)
    return matrix


def numbers(strings):
    return tuple(np.array(W, dtype=float) for W in strings)


def leading(sigma, r):
    return tuple(sorted(np.argsort(-sigma)[:r].tolist()))


def least_eigenvalue(sigma, layers):
    energy = Quadratic(target(sigma, weights.widths(layers)))
    return np.linalg.eigvalsh(hessian.dense(energy, layers))[0]


def random_problem(rng, bottleneck):
    depth, output = int(rng.integers(2, 6)), int(rng.integers(1, 4))
    low = 1 if bottleneck else output
    hidden = rng.integers(low, 5, size=depth - 1).tolist()
    widths = (output + int(rng.integers(0, 3)), *hidden, output)
    sigma = rng.uniform(0.5, 3, size=output)
    r = int(rng.integers(0, min(widths) + 1))
    other = tuple(sorted(rng.choice(output, r, replace=False).tolist()))
    return sigma, widths, leading(sigma, r) if rng.random() < 0.7 else other


def random_points(count, seed, bottleneck=False):
    rng = np.random.default_rng(seed)
    while count:
        sigma, widths, S = random_problem(rng, bottleneck)
        tightened = [None, True, False][rng.integers(3)]
        try:
            layers = critical_points.sample(sigma, widths, S, rng=rng, tightened=tightened)
        except ValueError as error:  # there are none such
            assert "tightened" in str(error)
            continue
        count -= 1
        yield sigma, S, layers


def agree(points):
    """Compare with the Hessian's sign; how often each kind and each pattern of Z came up."""
    seen = collections.Counter()
    for sigma, S, layers in points:
        verdict = critical_points.classify(layers, sigma)
        least = least_eigenvalue(sigma, layers)
        assert not 1e-11 < -least < 1e-5  # the sign is clear
        assert verdict.signature == S
        assert verdict.value == pytest.approx(
            sum(s**2 for i, s in enumerate(sigma) if i not in S) / 2, rel=1e-14
        )
        assert (verdict.kind == "strict saddle") == (least < -1e-5), (sigma, S, layers, least)
        widths = weights.widths(layers)
        lowest = leading(sigma, min(widths)) == S
        assert (verdict.kind == "minimum") == lowest
        energy = Quadratic(target(sigma, widths))
        if verdict.kind == "strict saddle":
            V = critical_points.negative_direction(layers, sigma)
            form = hessian.form(energy, layers, V)
            assert form < -1e-6
            if leading(sigma, len(S)) != S:
                gap = (
                    min(sigma[i] for i in S) ** 2
                    - max(s for i, s in enumerate(sigma) if i not in S) ** 2
                )
                assert form == pytest.approx(gap, rel=1e-11)
        Z = critical_points.parametrise(layers, sigma).Z
        zeros = sum(np.abs(B).max(initial=0) < 1e-11 for B in Z)
        blocks = [B for B in Z if np.abs(B).max(initial=0) >= 1e-11]
        deficient = any(np.linalg.matrix_rank(B, 1e-9) < min(B.shape) for B in blocks)
        seen[verdict.kind] += 1
        seen["few zero blocks or sparse"] += zeros < 2 or deficient
        seen["two layers"] += len(layers) == 2
    return seen


def test_classification_agrees_with_the_full_hessian():
    seen = agree(random_points(500, seed=1))
    assert min(seen[kind] for kind in ("minimum", "strict saddle", "non-strict saddle")) > 50
    assert seen["few zero blocks or sparse"] > 500 / 3
    assert seen["two layers"] > 50


def test_classification_agrees_with_the_full_hessian_through_bottlenecks():
    seen = agree(random_points(150, seed=2, bottleneck=True))
    assert min(seen[kind] for kind in ("minimum", "strict saddle", "non-strict saddle")) > 10


def sparse_points(count, seed):
    """Points with Z of a few entries, kept if their gradient vanishes: no intervals are asked."""
    rng = np.random.default_rng(seed)
    while count:
        sigma, widths, S = random_problem(rng, bottleneck=False)
        shapes = [(b - len(S), a - len(S)) for a, b in itertools.pairwise(widths)]
        shapes[0] = (shapes[0][0], widths[0])
        Z = [rng.standard_normal(shape) * (rng.random(shape) < 0.3) for shape in shapes]
        P = [np.eye(d) + 0.3 * rng.standard_normal((d, d)) for d in widths[1:-1]]
        if any(np.linalg.cond(B) > 30 for B in P):
            continue
        plain = critical_points.assemble(sigma, widths, S, None, Z)
        gradient = weights.gradient(Quadratic(target(sigma, widths)), plain)
        if max(np.abs(G).max() for G in gradient) < 1e-13 and len(S) < len(sigma):
            count -= 1
            yield sigma, S, critical_points.assemble(sigma, widths, S, P, Z)


def test_classification_agrees_with_the_full_hessian_on_points_found_by_trial():
    seen = agree(sparse_points(200, seed=3))
    assert min(seen["strict saddle"], seen["non-strict saddle"]) > 50
    assert seen["few zero blocks or sparse"] > 100


def test_golden_points(golden_flow):
    kinds = {"strict": "strict saddle", "nonstrict": "non-strict saddle"}
    for case in golden_flow["critical_points"].values():
        sigma, layers = np.array(case["sigma"], dtype=float), numbers(case["W"])
        verdict = critical_points.classify(layers, sigma)
        assert verdict.kind == kinds.get(case["type"], "minimum")
        assert verdict.signature == tuple(i - 1 for i in case["S_1based"])
        assert verdict.value == pytest.approx(float(case["loss"]), abs=1e-15)
        if verdict.kind == "strict saddle":
            energy = Quadratic(target(sigma, case["d"]))
            V = critical_points.negative_direction(layers, sigma)
            assert hessian.form(energy, layers, V) < -1e-3


def test_golden_negative_direction():
    """Prop. 21 corrected with σ = (2, 1), S = {2}: -3 whatever P."""
    layers = critical_points.sample([2.0, 1.0], (3, 3, 4, 2), (1,), rng=5)
    V = critical_points.negative_direction(layers, [2.0, 1.0])
    energy = Quadratic(target([2.0, 1.0], (3, 2)))
    assert hessian.form(energy, layers, V) == pytest.approx(-3, rel=1e-13)


def test_the_basis_change_is_not_the_printed_one():
    """With P⁻¹ R P in place of P R P⁻¹ the form is another, now and then positive."""
    sigma, widths, S = np.array([1.0, 2.0]), (2, 3, 3, 2), (0,)
    energy, forms = Quadratic(target(sigma, widths)), []
    for seed in range(20):
        layers = critical_points.sample(sigma, widths, S, rng=seed)
        P = critical_points.parametrise(layers, sigma).P
        R = [np.zeros_like(W) for W in layers]
        R[0][0, 1], R[-1][1, 0] = sigma[1], 1.0
        inverse = [np.eye(2), *(np.linalg.inv(B) for B in P), np.eye(2)]
        frame = [np.eye(2), *P, np.eye(2)]
        V = [inverse[p + 1] @ R[p] @ frame[p] for p in range(3)]
        forms.append(hessian.form(energy, layers, V))
    assert max(forms) > 0.1


def test_a_gauge_direction_lies_in_the_kernel():
    """Prop. 20 corrected: P V P⁻¹ with V from ±A_1 = [D, A], in the Hessian's null space."""
    for sigma, S, layers in random_points(30, seed=4):
        D = [0.0, *np.random.default_rng(1).standard_normal(len(layers) - 1), 0.0]
        V = [(D[p + 1] - D[p]) * W for p, W in enumerate(layers)]
        image = hessian.apply(Quadratic(target(sigma, weights.widths(layers))), layers, V)
        size = np.prod([max(1, np.linalg.norm(W, 2)) for W in layers]) ** 2
        assert max(np.abs(H).max() for H in image) < 1e-13 * size, S


# ------------------------------------------------------------------------------ what is regular


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 3, 5, 3), (3, 2, 4, 3)])
@pytest.mark.parametrize("scale", [1e-8, 1e-3, 1.0, 1e3])
def test_other_points_are_regular_at_every_scale(widths, scale):
    """Small weights have small gradients; they are no critical points for that."""
    layers = weights.random(widths, scale, rng=1)
    verdict = critical_points.classify(layers, SIGMA)
    assert verdict.kind == "regular"
    assert verdict.signature is None
    want = Quadratic(target(SIGMA, widths)).value(weights.end_to_end(layers))
    assert verdict.value == pytest.approx(want, rel=1e-14)


def test_points_of_a_fibre_that_are_not_critical_are_regular(rng):
    for zero in range(3):
        Z = [rng.standard_normal(s) for s in ((3, 4), (2, 3), (2, 2))]
        Z[zero] *= 0
        layers = critical_points.assemble(SIGMA, (4, 4, 3, 3), (0,), None, Z)
        assert critical_points.classify(layers, SIGMA).kind == "regular"


@pytest.mark.parametrize("error", [1e-13, 1e-11])
def test_noise_below_the_tolerance_changes_nothing(error, rng):
    for sigma, _, layers in random_points(100, seed=6):
        noisy = tuple(
            W + error * np.linalg.norm(W, 2) * rng.standard_normal(W.shape) for W in layers
        )
        want = critical_points.classify(layers, sigma)
        assert critical_points.classify(noisy, sigma, tol=1e-7) == want


def test_noise_above_the_tolerance_makes_points_regular(rng):
    layers = critical_points.sample(SIGMA, (4, 4, 4, 3), (0, 1), rng=1)
    noisy = tuple(W + 1e-5 * rng.standard_normal(W.shape) for W in layers)
    assert critical_points.classify(noisy, SIGMA).kind == "regular"
    assert critical_points.classify(noisy, SIGMA, tol=1e-3).signature == (0, 1)


# ---------------------------------------------------------------------- difficult, not exotic


@pytest.mark.parametrize("widths", [(2, 2, 2), (5, 4, 2), (2, 3, 3, 2), (2, 4, 3, 5, 2)])
def test_the_origin(widths):
    """Strict for two layers, not for more; at (2, 2, 2) isolated, with a regular Hessian."""
    layers = tuple(np.zeros((b, a)) for a, b in itertools.pairwise(widths))
    kind = critical_points.classify(layers, [2.0, 1.0]).kind
    assert kind == ("strict saddle" if len(layers) == 2 else "non-strict saddle")
    null = hessian.nullity(Quadratic(target([2.0, 1.0], widths)), layers)
    assert (null == 0) == (widths == (2, 2, 2))


@pytest.mark.parametrize("depth", [5, 10, 20, 40])
def test_the_decision_does_not_wear_off_with_depth(depth):
    """Products of all layers grow and shrink by orders of magnitude; ranks stay what they are."""
    widths = (4, *(4,) * (depth - 1), 3)
    for tightened, kind in [(True, "non-strict saddle"), (False, "strict saddle")]:
        for seed in range(5):
            layers = critical_points.sample(SIGMA, widths, (0,), rng=seed, tightened=tightened)
            assert critical_points.classify(layers, SIGMA).kind == kind


@pytest.mark.parametrize("size", [1e-20, 1e-4, 1e4, 1e20])
def test_layers_of_any_size(size):
    """Gauges that scale one layer up and the next down change nothing."""
    for sigma, _, layers in random_points(60, seed=8):
        scaled = list(layers)
        scaled[0], scaled[1] = size * scaled[0], scaled[1] / size
        want = critical_points.classify(layers, sigma)
        assert critical_points.classify(scaled, sigma) == want


def test_graded_and_nearly_equal_sigma():
    for sigma in ([1.0, 1e-3, 1e-6], [1.0, 1.0 + 1e-9, 1.0 - 1e-9], [1e5, 1e3, 1e4]):
        sigma = np.array(sigma)
        for r in range(4):
            S = leading(sigma, r)
            want = "minimum" if r == 3 else "non-strict saddle"
            layers = critical_points.sample(sigma, (4, 4, 5, 3), S, rng=1, tightened=True)
            verdict = critical_points.classify(layers, sigma)
            assert (verdict.kind, verdict.signature) == (want, S)
        other = leading(-sigma, 2)
        layers = critical_points.sample(sigma, (4, 4, 5, 3), other, rng=1)
        assert critical_points.classify(layers, sigma)[:2] == ("strict saddle", other)


@pytest.mark.parametrize("small", [1e-6, 1e-10])
@pytest.mark.parametrize("depth", [2, 3, 8])
def test_balanced_points_of_graded_sigma(depth, small, rng):
    """Z = 0 in rotated bases, with singular values of every layer far apart."""
    sigma = np.array([1.0, small, small / 10])
    D = np.diag([1.0, small ** (1 / depth), 0.0, 0.0])
    hidden = [np.linalg.qr(rng.standard_normal((4, 4)))[0] for _ in range(depth - 1)]
    Q = [np.eye(4), *hidden, np.eye(3, 4)]
    layers = tuple(Q[p + 1] @ D @ Q[p].T for p in range(depth))
    verdict = critical_points.classify(layers, sigma)
    assert verdict.signature == (0, 1)
    assert verdict.kind == ("strict saddle" if depth == 2 else "non-strict saddle")


def test_a_stack_equals_a_loop():
    """Of different signatures, kinds and regular points in one stack."""
    widths = (4, 4, 4, 3)
    layers = [weights.random(widths, 1.0, rng=1)]
    for k, S in enumerate([(), (0,), (0, 1), (0, 1, 2), (1,), (0, 2)]):
        wanted = (None, True, False) if len(S) < 3 else (None, None, None)
        layers += [
            critical_points.sample(SIGMA, widths, S, rng=k, tightened=tightened)
            for tightened in wanted
        ]
    stack = tuple(np.stack(Ws) for Ws in zip(*layers, strict=True))
    verdict = critical_points.classify(stack, SIGMA)
    assert verdict.kind.shape == verdict.signature.shape == verdict.value.shape == (19,)
    assert set(verdict.kind) == {"regular", "minimum", "strict saddle", "non-strict saddle"}
    for k, one in enumerate(layers):
        alone = critical_points.classify(one, SIGMA)
        assert (verdict.kind[k], verdict.signature[k]) == alone[:2]
        assert verdict.value[k] == pytest.approx(alone.value, rel=1e-14)
    empty = critical_points.classify(tuple(W[:0] for W in stack), SIGMA)
    assert empty.kind.shape == (0,)


# ------------------------------------------------------------------------- the absolute scale

UNIT = np.finfo(float).eps


@pytest.mark.parametrize("widths", [(3, 3, 3), (4, 5, 4, 3), (3, *(3,) * 9, 3)])
def test_sigma_must_exceed_the_rounding_of_the_network(widths):
    """A σ of N d_max ε σ_max is zero; beyond it the minimum must keep it."""
    unit = (len(widths) - 1) * max(widths) * UNIT
    for scale in (1e-100, 1.0, 1e100):
        small = scale * np.array([1.0, 0.5, 0.9 * unit])
        for call in (
            lambda s: critical_points.sample(s, widths, (0, 1)),
            lambda s: critical_points.assemble(s, widths, (0, 1)),
            lambda s: critical_points.graph(s, widths),
            lambda s: critical_points.arc_weights(s, (0,), (1,), 0.5, widths),
        ):
            with pytest.raises(ValueError, match="sigma must be positive"):
                call(small)
        large = scale * np.array([1.0, 0.5, 50 * unit])
        points = {S: critical_points.assemble(large, widths, S) for S in ((0, 1), (0, 1, 2))}
        assert critical_points.classify(points[0, 1, 2], large).kind == "minimum"
        without = critical_points.classify(points[0, 1], large)
        assert (without.signature, without.value) == ((0, 1), pytest.approx(large[2] ** 2 / 2))
        with pytest.raises(ValueError, match="sigma must be positive"):
            critical_points.classify(points[0, 1], small)


@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 4, 3, 2)])
def test_sigma_that_agree_to_three_digits_of_rounding_are_refused(widths, rng):
    unit = (len(widths) - 1) * max(widths) * UNIT
    for gap in (0.0, 1e-15, 1e-13, 0.9e3 * unit):
        with pytest.raises(ValueError, match="distinct"):
            critical_points.sample([1.0, 1.0 - gap], widths, (1,))
        with pytest.raises(ValueError, match="distinct"):
            critical_points.classify(weights.random(widths, 1.0, rng=1), [1.0 - gap, 1.0])
    sigma = np.array([1.0, 1.0 - 1.2e3 * unit])
    layers = critical_points.sample(sigma, widths, (1,), rng=1)
    assert critical_points.classify(layers, sigma)[:2] == ("strict saddle", (1,))
    V = critical_points.negative_direction(layers, sigma)
    form = hessian.form(Quadratic(target(sigma, widths)), layers, V)
    assert form == pytest.approx(-2 * 1.2e3 * unit, rel=0.05)
    with pytest.raises(ValueError, match="distinct"):
        critical_points.critical_value([1.0, 1.0 - 1e-13], (0,))


@pytest.mark.parametrize("junk", [1e-300, 1e-27, 1e-12])
@pytest.mark.parametrize("widths", [(2, 2, 2), (3, 2, 4, 2), (2, 2, 3, 2, 2)])
def test_negligible_layers_are_zero(widths, junk):
    """The origin with layers of rounding size is the origin, on every scale of the target."""
    for scale in (1e-12, 1.0, 1e12):
        sigma = scale * np.array([2.0, 1.0])
        root = sigma[0] ** (1 / (len(widths) - 1))
        tiny = weights.random(widths, junk * root, rng=1)
        verdict = critical_points.classify(tiny, sigma)
        kind = "strict saddle" if len(widths) == 3 else "non-strict saddle"
        assert verdict[:2] == (kind, ())
        assert verdict.value == pytest.approx((sigma**2).sum() / 2)
        larger = weights.random(widths, 1e-8 * root, rng=1)
        assert critical_points.classify(larger, sigma).kind == "regular"
        assert critical_points.classify(larger, sigma, tol=1e-6)[:2] == (kind, ())


def test_one_negligible_layer_among_others():
    """(W_1, W_2, W_3) with W_3 W_2 = 0 is critical where W_1 = 0; strict as W_2 W_1 tells then."""
    sigma, rng = np.array([2.0, 1.0]), np.random.default_rng(1)
    last, first = np.array([[1.0, 0.0], [0.0, 0.0]]), rng.standard_normal((2, 2))
    middle = np.array([[0.0, 0.0], [1.0, 0.5]])
    exact = critical_points.classify((0 * first, middle, last), sigma)
    assert exact[:2] == ("strict saddle", ())
    assert least_eigenvalue(sigma, (0 * first, middle, last)) < -0.1
    near = critical_points.classify((1e-27 * first, middle, last), sigma)
    assert near == exact
    assert critical_points.classify((1e-7 * first, middle, last), sigma).kind == "regular"
    # A gauge that pays for the small layer with the next one: nothing is negligible.
    moved = (1e-27 * first, 1e27 * middle, last)
    assert critical_points.classify(moved, sigma).kind == "regular"


def test_the_end_of_a_flow_onto_a_stable_manifold():
    """W_2 = -W_1ᵀ is kept and runs into the origin: rounding is all that is left of it."""
    sigma, W = np.array([2.0, 1.0]), np.array([[1.0, 0.3], [0.2, 0.5]])
    energy = Quadratic(np.diag(sigma))
    run = gradient_flow(energy, (W, -W.T), (0.0, 70.0), method="DOP853", atol=1e-30)
    end = tuple(layer[-1] for layer in run.weights)
    assert 0 < np.abs(end[0]).max() < 1e-27
    assert critical_points.classify(end, sigma)[:2] == ("strict saddle", ())
    V = critical_points.negative_direction(end, sigma)
    assert hessian.form(energy, end, V) < -0.1
    early = gradient_flow(energy, (W, -W.T), (0.0, 10.0))
    middle = tuple(layer[-1] for layer in early.weights)
    assert critical_points.classify(middle, sigma).kind == "regular"
    assert critical_points.classify(middle, sigma, tol=1e-3)[:2] == ("strict saddle", ())


def test_layers_whose_product_rounding_hides_are_refused():
    """Bases of condition 1e17: W = SΣ to the last digit, or not, nobody knows."""
    sigma = [2.0, 1.0]
    shear = np.array([[1.0, 1e17], [0.0, 1.0]])
    inverse = np.array([[1.0, -1e17], [0.0, 1.0]])
    with pytest.raises(ValueError, match="weights must determine"):
        critical_points.classify((shear @ np.diag(sigma), inverse), sigma)
    with pytest.raises(ValueError, match="weights must determine"):
        critical_points.parametrise((shear @ np.diag(sigma), inverse), sigma)
    far = (1e10 * np.eye(2), 1e10 * np.eye(2))
    assert critical_points.classify(far, sigma).kind == "regular"
    corner = np.array([[0.0, 1e200], [0.0, 0.0]])
    with pytest.raises(ValueError, match="overflows"):
        critical_points.classify((corner, corner), sigma)


def test_bad_input_is_refused():
    layers = critical_points.sample([2.0, 1.0], (3, 3, 3, 2), (0,), rng=1, tightened=True)
    with pytest.raises(ValueError, match="'non-strict saddle'"):
        critical_points.negative_direction(layers, [2.0, 1.0])
    with pytest.raises(ValueError, match="distinct"):
        critical_points.classify(layers, [1.0, 1.0])
    with pytest.raises(ValueError, match="must end at 3"):
        critical_points.classify(layers, SIGMA)
    with pytest.raises(ValueError, match="two layers"):
        critical_points.classify((np.eye(2),), [2.0, 1.0])
    with pytest.raises(ValueError, match="tol must be"):
        critical_points.classify(layers, [2.0, 1.0], tol=0)
    with pytest.raises(ValueError, match="overflows"):
        critical_points.classify((1e200 * np.eye(2), 1e200 * np.eye(2)), [2.0, 1.0])
    with pytest.raises(ValueError, match="must be finite"):
        critical_points.classify((np.full((2, 2), np.nan), np.eye(2)), [2.0, 1.0])


def test_the_names_of_the_module():
    for name in ("arc", "arc_minimum", "arc_weights", "critical_value", "graph", "signatures"):
        assert callable(getattr(critical_points, name))
