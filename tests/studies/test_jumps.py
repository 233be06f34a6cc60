"""A small version of the study of rank jumps: times, losses of plateaus, what is left of σ_3."""

import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose

import dlngeo as dln

STUDIES = Path(__file__).parents[2] / "studies"
SIZE, SEED = 10, 2


@pytest.fixture(scope="module")
def jumps():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(STUDIES))
        import jumps

        yield jumps
    sys.modules.pop("jumps", None)


@pytest.fixture(scope="module")
def start():
    return np.random.default_rng(5).standard_normal((SIZE, SIZE))


def ladder(jumps, start, depth, scales):
    return np.array([jumps.stage(s * start, SIZE, SEED, depth) for s in scales])


def test_fits(jumps):
    scales = np.array([1e-4, 1e-5, 1e-6, 1e-7])
    assert jumps.exponent(scales, 0.7 * scales**-0.4 - 3) == pytest.approx(0.4, rel=1e-6)
    assert jumps.power(scales, -3 * scales**0.3) == pytest.approx(0.3)
    assert jumps.rate(scales, 2 - 0.7 * np.log(scales)) == pytest.approx(0.7)
    both = 2 * scales**0.1 - scales**0.3
    assert jumps.left(scales, both, 0.1, 0.3) < 1e-12 < 0.01 < jumps.left(scales, both, 0.1, 0.9)


def test_rest(jumps):
    """On rank one E' vanishes along the columns and rows of W; its least rate by differences."""
    found, energy = jumps.rest(SIZE, SEED), jumps.table(SIZE, SEED)
    zero = np.zeros((SIZE, SIZE))
    U, first, Vt = np.linalg.svd(-energy.gradient(zero))
    u, v = U[:, 0], Vt[0]
    target = -energy.gradient(zero)
    for _ in range(1000):  # alternating least squares
        u = (target @ v) / (energy.mask @ v**2)
        v = (target.T @ u) / (energy.mask.T @ u**2)
    W = np.outer(u, v)
    assert_allclose(found.W, W, atol=1e-8)
    assert_allclose(found.loss, [energy.value(zero), energy.value(W)], rtol=1e-12)
    slopes = np.linalg.svd(energy.gradient(W), compute_uv=False)
    assert_allclose(found.slopes, [first, slopes], atol=1e-8)

    size = np.sqrt(np.linalg.norm(u) * np.linalg.norm(v))
    x = np.concatenate([u / np.linalg.norm(u), v / np.linalg.norm(v)]) * size

    def slope(x):
        a, b = np.split(x, 2)
        S = energy.gradient(np.outer(a, b))
        return np.concatenate([S @ b, S.T @ a])

    steps = 1e-5 * np.eye(2 * SIZE)
    bend = np.array([(slope(x + h) - slope(x - h)) / 2e-5 for h in steps])
    assert_allclose(found.approach, np.linalg.eigvalsh(bend)[1], rtol=1e-6)


@pytest.mark.parametrize("depth", [3, 4])
def test_deeper_than_two(jumps, start, depth):
    scales = 10.0 ** -np.arange(4, 8)
    rows = ladder(jumps, start, depth, scales)
    for k in range(2):
        assert jumps.exponent(scales, rows[:, k]) == pytest.approx(1 - 2 / depth, rel=1e-3)
    assert (rows[:, 2:4] < 0).all()  # a direction on its way up
    for k in (2, 3, 4):  # in proportion to the scale
        assert jumps.power(scales[1:], rows[1:, k]) == pytest.approx(1, abs=0.05)
    losses = rows[-1, 2:4] * jumps.rest(SIZE, SEED).loss
    waits = np.diff(rows[-1, :2], prepend=0)
    leading = jumps.alone(depth, jumps.rest(SIZE, SEED).slopes[:, 0], waits)
    assert ((-losses > 0.8 * leading) & (-losses < 2 * leading)).all()


def test_two_layers(jumps, start):
    scales = 10.0 ** -np.arange(20, 31, 2)
    rows, law = ladder(jumps, start, 2, scales), jumps.depth_two(SIZE, SEED)
    assert jumps.rate(scales, rows[:, 0]) == pytest.approx(law["t1"], rel=1e-5)
    assert jumps.rate(scales, rows[:, 1] - rows[:, 0]) == pytest.approx(law["wait"], rel=0.01)
    assert jumps.power(scales, rows[:, 4]) == pytest.approx(law["third"], rel=0.01)
    assert jumps.left(scales, rows[:, 3], law["coming"], law["going"]) < 0.05


def test_two_layers_are_linear_near_zero(jumps, start):
    """W_2 + W_1ᵀ turned by E'(0)'s frames grows as e^{s_k t}, W_2 - W_1ᵀ falls."""
    energy, scale, t = jumps.table(SIZE, SEED), 1e-20, 1.0
    G = -energy.gradient(np.zeros((SIZE, SIZE)))
    U, s, Vt = np.linalg.svd(G)
    first, second = dln.balanced.lift(scale * start, 2)
    a, b = U.T @ second, Vt @ first.T
    up, down = (a + b) / 2 * np.exp(s * t)[:, None], (a - b) / 2 * np.exp(-s * t)[:, None]
    W = U @ (up + down) @ (up - down).T @ Vt
    path = dln.flows.gradient_flow(energy, (first, second), (0, t), gtol=0, rtol=1e-10)
    assert_allclose(path.W[-1], W, rtol=1e-6, atol=1e-8 * np.abs(W).max())


def test_plateaus_find_the_jumps(jumps):
    """Half-way from one critical value to the next, by ``observables.plateaus`` at N = 3."""
    path = jumps.course(SIZE, SEED, 3, 1e-6)
    loss = jumps.rest(SIZE, SEED).loss
    t, value = np.append(path.t, 1.5 * path.t[-1]), np.append(path.energy, path.energy[-1])
    found = dln.observables.plateaus(t, value, height=0.25 * loss[1], length=0.01)
    assert_allclose(found.level, [*loss, 0], atol=0.02 * loss[1])
    middle = [-loss.sum() / 2, -loss[1] / 2]
    assert_allclose(found.jump, np.interp(middle, -value, t), rtol=0.02)


@pytest.mark.parametrize(("depth", "few"), [(2, (20, 22, 24, 26, 28, 30)), (3, (4, 5, 6, 7))])
def test_the_study(jumps, depth, few, tmp_path, monkeypatch, capsys):
    """From the file through the store to figure and report."""
    pytest.importorskip("zarr")
    pytest.importorskip("xarray")
    monkeypatch.setattr(jumps, "ladder", lambda _: 10.0 ** -np.array(few))
    study = dln.sweeps.read(STUDIES / ("jumps_depth2.toml" if depth == 2 else "jumps.toml"))
    grid = {"depth": [depth], "energy.size": [SIZE], "energy.seed": [SEED, 5]}
    small = dln.sweeps.Study(
        energy=study.energy, start=study.start, dynamics=study.dynamics, grid=grid, paths=1,
        observables=study.observables, folder=study.folder,
    )  # fmt: skip
    ds = dln.sweeps.run(small, tmp_path / "runs", chunk=2)
    assert ds["stages"].shape == (1, 1, 2, 1, len(few), len(jumps.QUANTITIES))
    found = jumps.tables_of(ds, depth, SIZE)
    assert_allclose(found["t1 over law" if depth == 2 else "t1"], 1 if depth == 2 else 1 / 3, 1e-3)
    assert_allclose(found["third over law" if depth == 2 else "third"], 1, rtol=0.02)
    jumps.report(ds)
    assert f"N = {depth}, d = {SIZE}" in capsys.readouterr().out
    monkeypatch.setattr(jumps, "STYLES", {depth: jumps.STYLES[depth]})
    draw = jumps.draw_depth_two if depth == 2 else jumps.draw
    assert len(draw(ds).axes) == 3


def test_stages_take_each_start_at_size_one(jumps, start, monkeypatch):
    monkeypatch.setattr(jumps, "ladder", lambda _: np.array([1e-20]))
    cell = SimpleNamespace(cell={"size": SIZE, "seed": SEED}, depth=2, start=7 * start[None])
    unit = start / np.sqrt((start**2).mean())
    assert_allclose(jumps.stages(cell)[0, 0], jumps.stage(1e-20 * unit, SIZE, SEED, 2), rtol=1e-6)
