"""Rounds, pooled errors, and what becomes of who cannot run."""

import math

import pytest

from benchmarks.harness import (
    OURS,
    PEER,
    Answer,
    Contender,
    Effort,
    Figure,
    Goal,
    Measured,
    Row,
    Skip,
    interleaved,
    measure,
    pooled,
)

SHORT = Effort(rounds=3, least=1e-4, most=1.0)


def counting(log, name, work=1000):
    def make():
        def call():
            log.append(name)
            return sum(range(work))

        return call

    return make


def test_contenders_take_turns_and_each_round_begins_with_another():
    log = []
    effort = Effort(rounds=3, least=0.0, most=1.0)  # one repeat a round
    interleaved([Contender(name, counting(log, name)) for name in "abc"], effort)
    assert "".join(log) == "aabbcc" + "abc" + "bca" + "cab"


def test_twice_the_work_takes_twice_the_time():
    rows = [
        Contender("one", counting([], "one", 20_000), units=1),
        Contender("two", counting([], "two", 40_000), units=1),
        Contender("two, by its units", counting([], "two", 40_000), units=2),
    ]
    one, two, each = interleaved(rows, Effort(rounds=7, least=0.01, most=1.0))
    assert 1.4 < two.seconds / one.seconds < 2.8
    assert 0.7 < each.seconds / one.seconds < 1.4
    low, high = one.quartiles
    assert low <= one.seconds <= high
    assert one.rounds == 7


def test_who_cannot_run_is_named_and_the_others_run():
    def missing():
        import a_module_that_nobody_has  # noqa: F401

    def unwilling():
        raise Skip("no compiler")

    def broken():
        raise ValueError("bad step")

    def late():
        return lambda: broken()

    makes = {"missing": missing, "unwilling": unwilling, "broken": broken, "late": late}
    makes["fine"] = counting([], "fine")
    found = {f.name: f for f in interleaved([Contender(*item) for item in makes.items()], SHORT)}
    assert found["missing"].skipped == "no module a_module_that_nobody_has"
    assert found["unwilling"].skipped == "no compiler"
    assert found["broken"].failed == found["late"].failed == "ValueError: bad step"
    assert found["fine"].seconds > 0
    assert all(found[name].seconds is None for name in makes if name != "fine")


def test_a_contender_that_fails_in_a_later_round_keeps_no_figure():
    calls = iter([1, 1])

    def make():
        return lambda: next(calls)

    failed, fine = interleaved(
        [Contender("fails", make), Contender("fine", counting([], ""))], Effort(2, 0.0, 1.0)
    )
    assert failed.failed.startswith("StopIteration")
    assert failed.seconds is None
    assert fine.rounds == 2


def test_a_long_call_counts_itself_and_is_not_repeated():
    log = []

    def make():
        def call():
            log.append(1)
            total = 0
            for k in range(300_000):
                total += k
            return total

        return call

    (figure,) = interleaved([Contender("long", make)], Effort(5, least=1e-4, most=1e-4))
    assert (len(log), figure.rounds) == (2, 1)  # the first may have compiled
    log.clear()
    (figure,) = interleaved([Contender("long", make)], Effort(5, 1e-4, 1e-4, longest=1e-4))
    assert (len(log), figure.rounds) == (1, 1)


def test_errors_of_calls_are_averaged_with_their_signs():
    answers = [Answer((0.3, 0.1), (0.1, 0.1)), Answer((-0.3, 0.3), (0.1, 0.3))]
    error, spread = pooled(answers)
    assert error == pytest.approx(0.2)  # of the second: the first cancels
    assert spread == pytest.approx(math.hypot(0.1, 0.3) / 2)
    assert pooled([Answer((-0.5,))]) == (0.5, 0.0)


def test_units_of_an_answer_replace_those_of_the_contender():
    def make():
        return lambda: Answer((0.5,), units=1000.0)

    (figure,) = interleaved([Contender("answers", make, units=1.0)], SHORT)
    assert figure.error == 0.5
    assert figure.seconds < 1e-4


def test_ratios_and_goals():
    row = Row("group", "name", "call", [], goals=[Goal("ours", "peer", 0.5)])
    figures = [Figure("ours", OURS, seconds=1.0), Figure("peer", PEER, seconds=4.0)]
    done = Measured(row, figures)
    assert done.ratio("ours", "peer") == 0.25
    assert done.ratio("ours", "") == 1.0  # in seconds
    assert done.ratio("ours", "absent") is None


def test_a_row_is_measured_by_its_clock():
    import time

    def make():
        return lambda: time.sleep(0.005)

    row = Row("group", "sleeps", "call", [Contender("sleep", make)], clock="wall")
    assert 0.005 <= measure(row, SHORT).of("sleep").seconds < 0.1
    (figure,) = interleaved(row.contenders, SHORT)
    assert figure.seconds < 0.004
