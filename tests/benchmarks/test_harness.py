"""Rounds, pooled errors, and what becomes of who cannot run."""

import math
import time

import pytest

from benchmarks import harness
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


class Clock:
    """Time that passes only where a call says so."""

    def __init__(self):
        self.processor = self.wall = 0.0

    def spend(self, seconds, waiting=0.0):
        self.processor += seconds
        self.wall += seconds + waiting

    def calls(self, seconds, waiting=0.0, answer=None):
        """A contender's ``make``: each call takes so long."""

        def call():
            self.spend(seconds, waiting)
            return answer

        return lambda: call


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(harness, "processor_and_wall", lambda: (clock.processor, clock.wall))
    return clock


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


def test_twice_the_work_takes_twice_the_time(clock):
    rows = [
        Contender("one", clock.calls(0.002), units=1),
        Contender("two", clock.calls(0.004), units=1),
        Contender("two, by its units", clock.calls(0.004), units=2),
    ]
    one, two, each = interleaved(rows, Effort(rounds=7, least=0.01, most=1.0))
    assert [f.seconds for f in (one, two, each)] == pytest.approx([0.002, 0.004, 0.002])
    assert one.quartiles == pytest.approx((0.002, 0.002))
    assert one.rounds == 7


def test_the_median_and_the_quartiles_are_those_of_the_rounds(clock):
    times = iter([9.0, 0.1, 0.1, 0.5, 0.2, 0.4, 0.3])  # the first two choose the repeats

    def make():
        return lambda: clock.spend(next(times))

    (figure,) = interleaved([Contender("varies", make)], Effort(5, least=0.1, most=10.0))
    assert figure.first == pytest.approx(9.0)
    assert figure.seconds == pytest.approx(0.3)
    assert figure.quartiles == pytest.approx((0.2, 0.4))


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


def test_a_long_call_counts_itself_and_is_not_repeated(clock):
    log = []

    def make():
        return lambda: (log.append(1), clock.spend(2.0))[1]

    (figure,) = interleaved([Contender("long", make)], Effort(5, least=0.1, most=1.0))
    assert (len(log), figure.rounds) == (2, 1)  # the first may have compiled
    log.clear()
    (figure,) = interleaved([Contender("long", make)], Effort(5, 0.1, 1.0, longest=1.0))
    assert (len(log), figure.rounds) == (1, 1)


def test_errors_of_calls_are_averaged_with_their_signs():
    answers = [Answer((0.3, 0.1), (0.1, 0.1)), Answer((-0.3, 0.3), (0.1, 0.3))]
    error, spread = pooled(answers)
    assert error == pytest.approx(0.2)  # of the second: the first cancels
    assert spread == pytest.approx(math.hypot(0.1, 0.3) / 2)
    assert pooled([Answer((-0.5,))]) == (0.5, 0.0)


def test_units_of_an_answer_replace_those_of_the_contender(clock):
    make = clock.calls(0.5, answer=Answer((0.5,), units=1000.0))
    (figure,) = interleaved([Contender("answers", make, units=1.0)], SHORT)
    assert figure.error == 0.5
    assert figure.seconds == pytest.approx(0.5e-3)


def test_ratios_and_goals():
    row = Row("group", "name", "call", [], goals=[Goal("ours", "peer", 0.5)])
    figures = [Figure("ours", OURS, seconds=1.0), Figure("peer", PEER, seconds=4.0)]
    done = Measured(row, figures)
    assert done.ratio("ours", "peer") == 0.25
    assert done.ratio("ours", "") == 1.0  # in seconds
    assert done.ratio("ours", "absent") is None


def test_a_row_is_measured_by_its_clock(clock):
    contender = Contender("waits", clock.calls(0.001, waiting=0.004))
    row = Row("group", "waits", "call", [contender], clock="wall")
    assert measure(row, SHORT).of("waits").seconds == pytest.approx(0.005)
    (figure,) = interleaved(row.contenders, SHORT)
    assert figure.seconds == pytest.approx(0.001)


def test_the_real_clock_counts_processor_time_and_the_rest():
    before = harness.processor_and_wall()
    time.sleep(0.01)
    sum(range(200_000))
    after = harness.processor_and_wall()
    assert after[0] > before[0] and after[1] - before[1] >= 0.01
