"""The estimate of memory from many attempts: contract, policies, lower bounds, input sizes."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resource_tracker.recommend import MemoryAdvice, Observation, Policy, recommend_memory
from resource_tracker.records import NoRecommendation

GIB = 2.0**30


def seen(*peaks: float, **more: object) -> list[Observation]:
    return [Observation(peak, 10.0, **more) for peak in peaks]


def size(attempts: list[Observation], *args: object, **more: object) -> float:
    advice = recommend_memory(attempts, *args, **more)
    assert isinstance(advice, MemoryAdvice)
    return advice.memory_mib


def test_no_observation_gives_no_estimate() -> None:
    """Nothing to go by: a reason, not a number."""
    assert isinstance(recommend_memory([]), NoRecommendation)
    assert isinstance(recommend_memory(seen(math.nan, 0.0)), NoRecommendation)


def test_headroom_shrinks_with_attempts_that_agree() -> None:
    """Careful with one attempt, sharp with many; and so is the risk that is stated."""
    sizes = [size(seen(*[4000] * n)) for n in (1, 2, 5, 20, 100)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[0] > 1.25 * 4000 and sizes[-1] < 1.05 * 4000
    rates = [recommend_memory(seen(*[4000] * n)).expected_failure_rate for n in (1, 5, 100)]
    assert all(0 < rate <= 0.0076 for rate in rates)


def test_attempts_that_differ_get_more_headroom() -> None:
    """The same highest peak, but the others say less about where it ends."""
    alike, spread = seen(*[1000] * 9, 1001), seen(*range(100, 1000, 100), 1001)
    assert size(spread) > size(alike) + 100


def test_out_of_memory_without_success_doubles() -> None:
    """An OOM at 1000 with 2000 asked for: that was not enough, so twice 2000."""
    advice = recommend_memory(seen(1000, outcome="oom"), requested_mib=2000)
    assert advice.memory_mib == 4000 and "lower bound" in advice.reason


def test_out_of_memory_beyond_every_success_doubles() -> None:
    """What ran out at 1500 needs more than that, whatever smaller attempts took."""
    assert size([*seen(1000, 1000), *seen(1500, outcome="oom")]) == 3000


def test_running_out_far_below_the_limit_does_not_double_the_limit() -> None:
    """One absurd allocation is no reason to ask for twice the machine, again and again."""
    advice = recommend_memory([*seen(*[300] * 20), *seen(318, outcome="oom")], requested_mib=64000)
    assert advice.memory_mib == 64000 and "wanted at once" in advice.reason
    assert 0.01 < advice.expected_failure_rate < 0.5


def test_chance_after_running_out_beyond_every_success_is_not_small() -> None:
    """Half of the attempts ran out of memory, and nobody knows how much they needed."""
    advice = recommend_memory([*seen(*[1000] * 5), *seen(*[4000] * 5, outcome="oom")], requested_mib=4096)
    assert advice.memory_mib == 8192 and advice.expected_failure_rate == 0.25


def test_peaks_that_rise_over_time_are_followed() -> None:
    """1 % more in each run: with any number of runs, the next is covered, by less than 1.1 x the highest wastes."""
    for runs in (8, 30, 100, 250):
        grown = [Observation(4000 * 1.01**k, 60.0, None, "ok", float(k)) for k in range(runs)]
        for policy in Policy:
            advised = size(grown, policy=policy)
            assert 4000 * 1.01**runs < advised
            assert runs < 30 or advised < 4000 * 1.01**runs * 1.1


def test_lean_without_retries_of_use_bears_no_outliers() -> None:
    """Where a retry gets the same memory again, the outlier is provided for."""
    peaks = seen(*[1000] * 49, 10000)
    assert size(peaks, policy=Policy.LEAN, bear_outliers=False) > 10000


def test_policy_by_its_word() -> None:
    """As the decorator and the command line have it."""
    assert recommend_memory(seen(1000), policy="lean") == recommend_memory(seen(1000), policy=Policy.LEAN)
    with pytest.raises(ValueError, match="mean"):
        recommend_memory(seen(1000), policy="mean")


def test_failed_attempt_is_a_lower_bound() -> None:
    """A failure for another reason above every success asks for a quarter more than it had reached."""
    assert size([*seen(2000, outcome="failed"), *seen(1000)]) == pytest.approx(2500)


def test_repeated_attempt_settles_the_failure() -> None:
    """Once a later attempt has succeeded with more, the earlier failure does not bind."""
    failed, repeated = Observation(2000, 9.0, None, "oom", 100.0), Observation(2100, 9.0, None, "ok", 200.0)
    assert size([*seen(*[1000] * 9), failed, repeated]) < 4000


def test_after_running_out_of_memory_lean_is_safe() -> None:
    """LEAN's next try after an OOM below the highest peak is at a size that is practically always enough."""
    sized = [Observation(peak, 10.0, 1e6 * peak) for peak in range(100, 2000, 50)]
    before = size(sized, 500e6, policy=Policy.LEAN)
    after = size([*sized, Observation(before, 10.0, 500e6, "oom")], 500e6, policy=Policy.LEAN)
    assert before < 1000 < 1950 < after


def test_out_of_memory_with_a_larger_input_does_not_concern_a_smaller_one() -> None:
    """A small input is not sized by what an input ten times as large ran out of."""
    sized = [Observation(1000.0 + k, 10.0, 1e9) for k in range(5)]
    assert size([*sized, Observation(8000, 10.0, 1e10, "oom")], 1e9) < 2000


def test_request_that_sufficed_is_not_exceeded() -> None:
    """One attempt below the request is no reason to ask for more; one that came close is."""
    roomy, tight = recommend_memory(seen(1000), requested_mib=1200), recommend_memory(seen(1150), requested_mib=1200)
    assert roomy.memory_mib == 1200 and "enough" in roomy.reason
    assert tight.memory_mib > 1200
    sized = [Observation(100.0 * k, 5.0, 1e9 * k) for k in (1, 2, 3, 4)]
    assert size(sized, 4e9, 1000.0) <= 1000 < size(sized, 20e9, 1000.0)  # what suffices for these says nothing of more


def test_peaks_that_follow_the_input_are_sized_by_it() -> None:
    """LEAN goes below the highest peak for a small input; both go beyond it for one larger than any before."""
    sized = [Observation(200.0 + 100 * (k % 20), 10.0, (k % 20) * GIB) for k in range(40)]
    small, large = 2 * GIB, 30 * GIB
    assert size(sized, small, policy=Policy.LEAN) < 700 < 2100 < size(sized, small)
    for policy in Policy:
        assert size(sized, large, policy=policy) > 3200


def test_larger_input_makes_one_attempt_say_less() -> None:
    """With a single attempt, an input four times as large gets more than one of the same size."""
    once = [Observation(1000, 10.0, GIB)]
    assert size(once, GIB) < size(once) < size(once, 4 * GIB)


def test_absurd_inputs_are_not_extrapolated() -> None:
    """Inputs of some bytes are no explanation of a peak, and a huge next one is taken as ten times the largest."""
    tiny = [Observation(36.0 + k, 5.0, 500.0 + k) for k in range(3)]
    assert size(tiny, 10e9) == size(tiny, 1e12) == size(tiny)
    known = [Observation(1000.0 + 500 * k, 5.0, 1e9 * k) for k in range(1, 5)]
    huge = recommend_memory(known, 400e9)
    assert huge.memory_mib == size(known, 40e9) and "100 times the largest seen" in huge.reason
    assert huge.expected_failure_rate == 0.5
    steep = [Observation(100.0, 5.0, 10e9), Observation(400.0, 5.0, 11e9), Observation(700.0, 5.0, 12e9)]
    assert size(steep, 24e9) < 700 * 2 + 6 * 700


def test_inputs_without_influence_change_nothing_much() -> None:
    """Peaks that do not follow the input stay sized by all attempts."""
    sized = [Observation(1000 + 7 * (k * 37 % 11), 10.0, (k * 53 % 17 + 1) * GIB) for k in range(60)]
    assert size(sized, 9 * GIB, policy=Policy.LEAN) == pytest.approx(size(sized, policy=Policy.LEAN), rel=0.05)


def test_lean_leaves_a_gross_outlier_to_the_retry() -> None:
    """One attempt in fifty ten times as large is cheaper to retry than to provide for; SAFE provides for it."""
    peaks = seen(*[1000] * 49, 10000)
    lean, safe = recommend_memory(peaks, policy=Policy.LEAN), recommend_memory(peaks)
    assert lean.memory_mib < 2000 < 10000 < safe.memory_mib
    assert 0.01 < lean.expected_failure_rate < 0.05 and "retries counted" in lean.reason


observations = st.lists(
    st.builds(
        Observation,
        peak_mib=st.floats(0.1, 1e7),
        duration_s=st.floats(0, 1e6),
        input_bytes=st.one_of(st.none(), st.floats(0, 1e13)),
        outcome=st.sampled_from(["ok", "oom", "failed"]),
        finished_at=st.one_of(st.none(), st.floats(0, 2e9)),
    ),
    min_size=1,
    max_size=16,
)


@given(observations, st.one_of(st.none(), st.floats(0, 1e13)), st.one_of(st.none(), st.floats(0, 1e7)))
def test_safe_is_never_below_a_successful_peak(attempts, input_bytes, requested) -> None:
    """The contract of SAFE; a rate between 0 and 1, a finite size and a reason whatever the policy."""
    for policy in Policy:
        advice = recommend_memory(attempts, input_bytes, requested, policy)
        assert 0 <= advice.expected_failure_rate <= 1 and advice.reason
        assert math.isfinite(advice.memory_mib) and advice.memory_mib > 0
        if policy is Policy.SAFE:
            assert advice.memory_mib > max((o.peak_mib for o in attempts if o.outcome == "ok"), default=0.0)


@given(observations, st.floats(0.1, 1e7))
def test_an_attempt_that_runs_out_at_the_advice_gets_more(attempts, factor) -> None:
    """The repetition of an attempt that was too small is never as small again."""
    for policy in Policy:
        advised = size(attempts, policy=policy)
        assert size([*attempts, Observation(advised, factor, None, "oom")], policy=policy) > advised


@given(observations, st.randoms())
def test_order_does_not_matter(attempts, random) -> None:
    """Observations are a set."""
    shuffled = list(attempts)
    random.shuffle(shuffled)
    for policy in Policy:
        assert size(shuffled, 1e9, policy=policy) == pytest.approx(size(attempts, 1e9, policy=policy), rel=1e-9)


@given(observations, st.floats(), st.floats(), st.floats())
def test_estimate_never_raises(attempts, peak, duration, input_bytes) -> None:
    """Not even for nan and infinities."""
    for policy in Policy:
        recommend_memory([*attempts, Observation(peak, duration, input_bytes)], input_bytes, duration, policy)
