"""What is reported of a simulation, against arithmetic by hand."""

import json
import math

import numpy as np
import pytest
from numpy.testing import assert_allclose

from dlngeo._results import ensemble
from dlngeo.simulation import Comparison, beside, config, report, store

SETTINGS = config.preset("hyperbola").replaced(paths=4, steps=6)


@pytest.fixture(scope="module")
def result(tmp_path_factory):
    return store.run(SETTINGS, tmp_path_factory.mktemp("run"))


def with_ends(result, ends):
    """The same comparison, its ensemble two frames that end at these matrices."""
    ends = np.asarray(ends, dtype=float)
    W = np.stack([np.broadcast_to(result.ensemble.W[0, 0], ends.shape), ends], axis=1)
    run = result.ensemble
    ends_of = np.full(len(ends), run.t[1])
    made = ensemble.build(run.equation, run.t[:2], W, None, ends_of, run.message, run.provenance)
    return Comparison(made, result.free_energy_flow, result.gradient_flow)


def test_hyperbola_by_hand(result):
    # a = 4, 1, 1/2 on the curve, and a = -1 pushed off by (0.3, 0.4) in the diagonal
    ends = [
        [[1, 4], [0.25, 1]],
        [[1, 1], [1, 1]],
        [[1, 0.5], [2, 1]],
        [[1.3, -1], [-1, 1.4]],
    ]
    found = report.hyperbola(with_ends(result, ends))
    logs = [math.log(4), 0.0, -math.log(2), 0.0]
    mean = math.log(2) / 4
    assert found["log_abs_a"]["mean"] == pytest.approx(mean)
    variance = sum((x - mean) ** 2 for x in logs)
    assert found["log_abs_a"]["standard_deviation"] == pytest.approx(math.sqrt(variance / 4))
    assert found["log_abs_a"]["error"] == pytest.approx(math.sqrt(variance / 3 / 4))
    assert found["log_abs_a"]["quantiles"]["0.5"] == pytest.approx(0.0, abs=1e-12)
    assert found["share_with_positive_a"] == 0.75
    assert found["distance"]["mean"] == pytest.approx(0.5 / 4)
    assert found["distance"]["quantiles"]["0.05"] == pytest.approx(0.0, abs=1e-12)


def test_hyperbola_of_the_flows(result):
    found = report.hyperbola(result)["flows"]
    for name, flow in result.flows.items():
        a, W = found[name]["a"], flow.W[-1]
        nearest = np.array([[1, a], [1 / a, 1]])
        assert found[name]["distance"] == pytest.approx(np.linalg.norm(W - nearest))
        # the foot: W - nearest is normal to the curve, whose tangent is (1, -1/a²)
        assert (W - nearest)[0, 1] == pytest.approx((W - nearest)[1, 0] / a**2)


def test_summary_is_json_and_holds_the_ends(result):
    summary = report.summary(SETTINGS, result, [("dlngeo", "x")])
    again = json.loads(json.dumps(summary, allow_nan=False))
    assert again["dlngeo"] == "x"
    assert again["config"]["beta"] == SETTINGS.beta
    assert again["config"]["energy"]["table"] == [[1.0, "nan"], ["nan", 1.0]]
    sigma = result.ensemble.singular_values[:, -1]
    assert_allclose(again["ensemble"]["singular_values"]["mean"], sigma.mean(axis=0))
    assert_allclose(
        again["ensemble"]["singular_values"]["error"], sigma.std(axis=0, ddof=1) / 2, rtol=1e-12
    )
    assert again["ensemble"]["beta_energy"] == pytest.approx(
        SETTINGS.beta * result.ensemble.energy[:, -1].mean()
    )
    assert_allclose(again["free_energy_flow"]["W"], result.free_energy_flow.W[-1])
    apart = result.ensemble.W[:, -1] - result.free_energy_flow.W[-1]
    assert again["rms_distance_from_free_energy_flow"]["value"] == pytest.approx(
        math.sqrt((apart**2).sum() / 4)
    )
    assert (again["paths_ended_early"], again["notes"]) == (0, [])


def test_other_energies_have_no_hyperbola(tmp_path):
    settings = config.preset("repulsion").replaced(paths=2, steps=3, depth=2.5)
    summary = report.summary(settings, store.run(settings, tmp_path))
    assert "hyperbola" not in summary


def test_one_path_has_no_standard_error(tmp_path):
    settings = SETTINGS.replaced(paths=1)
    result = store.run(settings, tmp_path)
    assert all("±" not in row[1] for row in report.rows(result))
    json.dumps(report.summary(settings, result), allow_nan=False)


def test_rows_are_the_ends(result):
    rows = {row[0]: row[1:] for row in report.rows(result)}
    assert list(rows) == ["σ_1", "σ_2", "energy", "effective rank"]
    ours, free, plain = rows["σ_1"]
    assert float(ours.split(" ± ")[0]) == pytest.approx(
        result.ensemble.singular_values[:, -1, 0].mean(), rel=1e-3
    )
    assert float(free) == pytest.approx(result.free_energy_flow.singular_values[-1, 0], rel=1e-3)
    assert float(plain) == pytest.approx(np.linalg.norm(result.gradient_flow.W[-1], 2), rel=1e-3)


def test_headline_names_what_was_run():
    assert report.headline("mine", SETTINGS) == (
        "mine: depth 3, β = 60, κ = 1, γ = 0.05; 4 paths of 6 steps to t = 0.3, seed 0"
    )
    up = SETTINGS.replaced(upstairs=True, weight_decay=0.0)
    assert report.headline("x", up).startswith("x: upstairs, depth 3, β = 60, κ = 1; 4 paths")


@pytest.mark.parametrize("kappa", [0.0, 1.0])
def test_verdict_is_one_line_with_the_numbers(tmp_path, kappa):
    settings = SETTINGS.replaced(kappa=kappa)
    result = store.run(settings, tmp_path)
    said = report.verdict(settings, result)
    assert "\n" not in said
    expected = result.departure()[-1] if kappa == 0 else result.band("effective_rank").value[-1]
    assert f"{expected:.2g}" in said or f"{expected:.4g}" in said
    assert f"{result.gradient_flow.effective_rank[-1]:.4g}" in said


@pytest.fixture
def cut(result):
    """The same, its second path followed to the third frame only, its third to the fifth."""
    run, energy = result.ensemble, SETTINGS.build_energy()
    W, ends = run.W.copy(), run.ends.copy()
    for path, frame in ((1, 2), (2, 4)):
        W[path, frame + 1 :], ends[path] = np.nan, run.t[frame]
    return beside(
        energy, ensemble.build(run.equation, run.t, W, None, ends, "lost", run.provenance)
    )


def test_paths_that_end_early_cut_the_report_and_are_counted(result, cut):
    summary = json.loads(json.dumps(report.summary(SETTINGS, cut), allow_nan=False))
    assert (summary["paths_ended_early"], summary["frames"]) == (2, 3)
    assert summary["t"] == result.ensemble.t[2]
    assert summary["notes"] == ["the ensemble: lost"]
    assert_allclose(
        summary["ensemble"]["singular_values"]["mean"],
        result.ensemble.singular_values[:, 2].mean(axis=0),
    )
    assert summary["ensemble"]["beta_energy"] == pytest.approx(
        SETTINGS.beta * result.ensemble.energy[:, 2].mean()
    )
    assert summary["free_energy_flow"]["t"] == summary["gradient_flow"]["t"] == summary["t"]
    rows = {row[0]: row[1:] for row in report.rows(cut)}
    middle = float(rows["energy"][0].split(" ± ")[0])
    assert middle == pytest.approx(result.ensemble.energy[:, 2].mean(), rel=1e-3)
    assert report.columns(cut)[0] == f"at t = {result.ensemble.t[2]:g}"
    assert report.columns(result)[0] == "at the end"
    said = report.verdict(SETTINGS, cut)
    assert (
        said.startswith(f"At t = {result.ensemble.t[2]:g} ") and "Cut short: the ensemble" in said
    )
