"""What runs leave: against the doors one by one, definitions, and any other way to cut them."""

import numpy as np
import pytest

from dlngeo import flows, langevin, lowrank, sweeps, weights
from dlngeo._store.blocks import block_shape, blocks
from dlngeo.energies import MatrixCompletion
from dlngeo.sweeps import starts
from swept import GAPS, study, values

ENERGY = MatrixCompletion.from_nan(GAPS)


@pytest.mark.parametrize("chunk", [1, 5])
@pytest.mark.parametrize(
    "changes",
    [
        {"series": {"times": [0.5, 2.0], "observables": ["W", "singular_values"]}},
        {"dynamics": {"kind": "flow", "t_end": 5.0, "upstairs": True},
         "observables": ["W", "imbalance"]},
        {"dynamics": {"kind": "langevin", "beta": 10.0, "dt": 0.01, "steps": 8},
         "series": {"every": 4, "observables": ["W"]}},
        {"dynamics": {"kind": "langevin", "beta": 10.0, "dt": 0.01, "steps": 3, "upstairs": True},
         "start": {"law": "balanced"}},
        {"dynamics": {"kind": "descent", "step": 0.1, "steps": 20}, "start": {"law": "balanced"}},
    ],
    ids=["flow", "weights", "langevin", "langevin upstairs", "descent"],
)  # fmt: skip
def test_no_number_depends_on_the_size_of_chunks(changes, chunk, tmp_path):
    one = study(**changes, paths=3)
    whole = sweeps.run(one, tmp_path / "whole", chunk=one.runs)
    assert values(sweeps.run(one, tmp_path / "cut", chunk=chunk)) == values(whole)


def test_a_path_is_the_same_whatever_the_number_of_paths(tmp_path):
    few = sweeps.run(study(paths=3), tmp_path / "few")
    many = sweeps.run(study(paths=100), tmp_path / "many")
    assert (few.W.values == many.W[:, :, :3].values).all()


def test_a_path_at_rest_stays_in_a_series(tmp_path):
    """By gtol all are at rest before 1e3, and by then W is where it ended."""
    series = {"times": [0.1, 999.0], "observables": ["W", "energy"]}
    data = sweeps.run(study(series=series), tmp_path)
    assert (data.status == 1).all() and (data.t_end > 0.1).all() and (data.t_end < 999).all()
    assert (data.W_t.isel(time=1) == data.W).all()
    assert abs(data.energy_t.isel(time=1) - data.energy).max() < 1e-15
    assert (data.energy_t.isel(time=0) > data.energy).all()


def test_a_flow_is_that_of_its_start(tmp_path):
    series = {"times": [1.0], "observables": ["W", "energy"]}
    data = sweeps.run(study(series=series), tmp_path, chunk=13).sel(depth=2, scale=0.1)
    found = flows.ensemble(
        ENERGY, data.W_start.values, (0, 1e3), depth=2, engine="numpy", t_eval=[1.0]
    )
    for name, wanted in {
        "W": found.W_end, "t_end": found.t_end, "energy": found.energy_end,
        "status": found.status, "W_t": found.W, "energy_t": ENERGY.value(found.W),
    }.items():  # fmt: skip
        assert (data[name].values == wanted).all(), name
    assert data.W_t.dims == ("path", "time", "row", "column")
    assert data.time.values.tolist() == [1.0]


def test_langevin_is_one_ensemble_of_a_child_of_the_seed(tmp_path):
    dynamics = {"kind": "langevin", "beta": 5.0, "dt": 0.02, "steps": 10, "engine": "numpy"}
    one = study(
        dynamics=dynamics, series={"every": 5, "observables": ["energy"]}, seed=3,
        start={"law": "matrix", "matrix": [[1.0, 0.5], [0.2, 1.0]]},
    )  # fmt: skip
    data = sweeps.run(one, tmp_path, chunk=7)
    found = langevin.simulate(
        ENERGY, 0.1 * np.array([[1.0, 0.5], [0.2, 1.0]]), depth=2, beta=5.0, dt=0.02, n_steps=10,
        n_paths=10, rng=np.random.SeedSequence(3, spawn_key=(0, 3)), save_every=5, engine="numpy",
    )  # fmt: skip
    last = data.isel(depth=1, scale=1)
    assert (last.W.values == found.W[:, -1]).all()
    assert (last.energy_t.values == found.energy).all()
    assert (data.time.values == found.t).all()


def test_descent_free_energy_and_low_rank_are_their_doors(tmp_path):
    data = sweeps.run(
        study(dynamics={"kind": "descent", "step": 0.1, "steps": 20}, start={"law": "balanced"},
              series={"every": 8, "observables": ["W"]}, observables=["W", "imbalance"]),
        tmp_path / "a",
    )  # fmt: skip
    assert data.time.values.tolist() == [0.0, 8 * 0.1, 16 * 0.1, 2.0]
    one = study(dynamics={"kind": "descent", "step": 0.1, "steps": 20}, start={"law": "balanced"})
    layers = [W[4] for W in starts.upstairs(one, one.cell(3), (2, 2), range(10))]
    found = flows.gradient_descent(ENERGY, layers, 0.1, 20, save_every=8)
    assert (data.isel(depth=1, scale=1, path=4).W_t.values == found.W).all()
    assert data.isel(depth=1, scale=1, path=4).imbalance == found.imbalance[-1]

    data = sweeps.run(
        study(dynamics={"kind": "free_energy_flow", "t_end": 2.0, "beta": 5.0},
              grid={"depth": [2], "scale": [0.5]}, series={"times": [1.0], "observables": ["W"]},
              paths=2), tmp_path / "b",
    )  # fmt: skip
    for path in data.isel(depth=0, scale=0).transpose("path", ...).path:
        run = data.isel(depth=0, scale=0).sel(path=path)
        found = flows.free_energy_flow(
            ENERGY, run.W_start.values, (0, 2.0), depth=2, beta=5.0, t_eval=[1.0, 2.0]
        )
        assert (found.W[0] == run.W_t.values[0]).all()
        assert (found.W[1] == run.W.values).all()

    dynamics = {"kind": "lowrank", "t_end": 3.0, "rank": 1, "depth": 3}
    for law, grid in (("frames", {"scale": [0.1]}), ("spectral", {}), ("slope", {"scale": [0.1]})):
        one = study(dynamics=dynamics, start={"law": law}, grid=grid, paths=2,
                    observables=["W", "singular_values", "singular_values_start"])  # fmt: skip
        data = sweeps.run(one, tmp_path / law).squeeze()
        begin = starts.low_rank(one, one.cell(0), ENERGY, (2, 2), 1)
        scale = 0.1 if law == "slope" else None
        found = lowrank.flow(ENERGY, begin, (0, 3.0), depth=3, rank=1, scale=scale)
        assert (data.W[1].values == found.factors().dense()).all()
        assert data.singular_values.values[1, 0] == found.singular_values[-1, 0]
        assert np.isnan(data.singular_values.values[1, 1:]).all()


def test_starts_have_the_law_the_sign_and_the_widths_that_are_asked_for():
    one = study(
        start={"law": "gaussian", "sign": -1}, paths=4000, grid={"depth": [2], "scale": [3]}
    )
    W = starts.downstairs(one, one.cell(0), (2, 2), range(4000))
    assert (np.linalg.det(W) < 0).all()
    assert np.abs(W.mean(axis=0)).max() < 4 * 3 / np.sqrt(4000)  # four standard errors
    assert np.abs(W.std(axis=0) / 3 - 1).max() < 4 / np.sqrt(2 * 4000)
    part = starts.downstairs(one, one.cell(0), (2, 2), range(70, 75))
    assert (part == W[70:75]).all()
    up = study(
        start={"law": "balanced", "sign": 1, "width": 4}, paths=70,
        dynamics={"kind": "flow", "t_end": 1.0, "upstairs": True},
        grid={"depth": [3], "scale": [1]},
    )  # fmt: skip
    layers = starts.upstairs(up, up.cell(0), (2, 2), range(70))
    assert weights.widths([W[0] for W in layers]) == (2, 4, 4, 2)
    assert all(weights.is_balanced([W[k] for W in layers]) for k in (0, 69))
    assert (np.linalg.det(weights.end_to_end(layers)) > 0).all()


def test_observables_are_what_they_are_called(tmp_path):
    names = ["W", "det", "det_start", "W_start", "singular_values", "effective_rank", "invariant",
             "invariant_start", "W_0_1", "energy_start"]  # fmt: skip
    one = study(observables=names, grid={"depth": [2, 3, float("inf")], "scale": [1.0]},
                dynamics={"kind": "flow", "t_end": 1e3, "rtol": 1e-11})  # fmt: skip
    data = sweeps.run(one, tmp_path)
    W, sigma = data.W.values, data.singular_values.values
    for when in ("", "_start"):
        det = np.linalg.det(data[f"W{when}"].values)
        assert np.abs(data[f"det{when}"].values - det).max() < 1e-13
    assert np.abs(sigma - np.linalg.svd(W, compute_uv=False)).max() < 1e-13
    assert (data.W_0_1.values == W[..., 0, 1]).all()
    assert (data.energy_start.values == ENERGY.value(data.W_start.values)).all()
    p = sigma / sigma.sum(axis=-1, keepdims=True)
    entropy = np.exp(-(p * np.log(p)).sum(axis=-1))
    assert np.abs(data.effective_rank.values - entropy).max() < 1e-12
    for k, power in enumerate((1 / 2, 1 / 3, None)):
        for when in ("", "_start"):
            M = data[f"W{when}"].values[k, 0]
            wanted = _power(M @ M.swapaxes(1, 2), power) - _power(M.swapaxes(1, 2) @ M, power)
            got = data[f"invariant{when}"].values[k, 0]
            assert np.abs(got - np.diagonal(wanted, axis1=1, axis2=2)).max() < 1e-9
    drift = np.abs(data.invariant - data.invariant_start).max("path")  # conserved, (14.1)
    assert float(drift.max()) < 1e-7


def _power(S, power):
    """A function of symmetric matrices by their eigenvalues; the logarithm for None."""
    values, vectors = np.linalg.eigh(S)
    size = np.log(values) if power is None else values**power
    return (vectors * size[:, None, :]) @ vectors.swapaxes(1, 2)


def test_smaller_matrices_are_filled_up_and_words_label_their_axis(tmp_path, monkeypatch):
    (tmp_path / "made_up.py").write_text(
        "import numpy as np\n"
        "from dlngeo import energies\n"
        "def make(size, kind_of):\n"
        "    return energies.Quadratic(np.eye(size) * (2 if kind_of == 'large' else 1))\n"
        "def corner(runs):\n"
        "    assert runs.cell['size'] == runs.W.shape[-1] and runs.start.shape == runs.W.shape\n"
        "    return runs.W[:, :1, 0] * [1.0, runs.depth]\n"
    )
    one = study(
        energy={"call": "made_up:make"}, folder=str(tmp_path), paths=3,
        grid={"energy.size": [2, 3], "energy.kind_of": ["small", "large"], "scale": [0.3]},
        dynamics={"kind": "flow", "t_end": 50.0, "depth": 2}, start={"law": "balanced"},
        observables=["W", "singular_values", "made_up:corner"],
    )  # fmt: skip
    data = sweeps.run(one, tmp_path / "store", chunk=4)
    assert dict(data.sizes) == {
        "size": 2, "kind_of": 2, "scale": 1, "path": 3, "row": 3, "column": 3, "index": 3,
        "corner_0": 2,
    }  # fmt: skip
    two = data.sel(size=2, kind_of="large").squeeze()
    assert np.isnan(two.W.values[:, 2]).all()
    assert np.isfinite(two.W.values[:, :2, :2]).all()
    large = data.sel(kind_of="large", size=3).squeeze()
    assert np.abs(large.singular_values - 2).max() < 0.2
    assert (large.corner[:, 1] == 2 * large.W[:, 0, 0]).all()


def test_what_a_function_of_yours_does_wrong_names_cell_and_function(tmp_path):
    (tmp_path / "wrongly.py").write_text(
        "def few(runs):\n    return runs.W[:1, 0, 0]\ndef fails(runs):\n    return {}[runs.depth]\n"
    )
    for name, words in (("few", "wrongly:few must return"), ("fails", "KeyError: 2")):
        one = study(observables=[f"wrongly:{name}"], folder=str(tmp_path),
                    grid={"depth": [2], "scale": [1.0]})  # fmt: skip
        with pytest.raises(RuntimeError, match=words) as caught:
            sweeps.run(one, tmp_path / name, chunk=10)
        assert "depth = 2, scale = 1.0, paths 0 to 9" in str(caught.value)


def test_blocks_are_boxes_of_consecutive_runs():
    for grid in ((3, 4, 10), (5,), (1, 1, 1), (7, 6)):
        size = int(np.prod(grid))
        numbers = np.arange(size).reshape(grid)
        for runs in range(1, size + 2):
            shape = block_shape(grid, runs)
            found = list(blocks(grid, shape))
            assert np.prod(shape) <= max(runs, 1)
            for block in found:
                inside = numbers[block.box].ravel().tolist()
                assert inside == list(block.runs)
            assert sum(len(block.runs) for block in found) == size


def test_what_failed_has_its_status_and_the_others_go_on(tmp_path):
    one = study(dynamics={"kind": "flow", "t_end": 1e3, "max_steps": 3})
    data = sweeps.run(one, tmp_path)
    assert (data.status == -1).any()
    assert np.isfinite(data.W.values).all()


DEEP = {"start": {"law": "balanced", "scale": 1.0}, "grid": {"depth": [12, 2]}}


@pytest.mark.parametrize(
    "changes",
    [
        {"dynamics": {"kind": "flow", "t_end": 0.01, "engine": "numpy"},
         "series": {"times": [0.0, 0.01], "observables": ["W", "energy"]}},
        {"dynamics": {"kind": "langevin", "beta": 9.0, "dt": 1e-9, "steps": 2, "engine": "numpy"},
         "series": {"every": 1, "observables": ["det"]}},
        {"dynamics": {"kind": "free_energy_flow", "beta": 9.0, "t_end": 1e-9}},
    ],
    ids=["flow", "langevin", "free energy"],
)  # fmt: skip
def test_a_start_of_lower_rank_fails_alone(changes, tmp_path):
    one = study(**DEEP | changes, paths=16)
    data = sweeps.run(one, tmp_path / "whole", chunk=one.runs).load()
    sigma = np.linalg.svd(data.W_start.values, compute_uv=False)
    lost = sigma[..., 1] <= 2 * np.finfo(float).eps * sigma[..., 0]
    assert 0 < lost.sum() < 16
    assert ((data.status.values == -1) == lost).all()
    assert (np.isnan(data.W.values).all(axis=(2, 3)) == lost).all()
    assert " must have full rank 2; its numerical rank is 1" in data.attrs["refused"]
    assert values(sweeps.run(one, tmp_path / "cut", chunk=5)) == values(data)


def test_a_start_that_is_one_for_all_is_refused_as_a_mistake(tmp_path):
    start = {"law": "matrix", "matrix": [[1.0, 1.0], [1.0, 1.0]]}
    one = study(start=start, grid={"depth": [3]},
                dynamics={"kind": "flow", "t_end": 1.0, "upstairs": True})  # fmt: skip
    with pytest.raises(RuntimeError, match="W must have full rank 2"):
        sweeps.run(one, tmp_path, chunk=10)
