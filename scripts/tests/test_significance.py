"""Rank tests, counted out by another way; their correction; drift."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from scipy import stats

from flushwalk.significance import (
    Numbers, benjamini_hochberg, chance_of_less, drift, floor_of_pairs, floor_of_runs, holm,
    rank_sum, signed_rank, wandering)


def by_all_signs(differences: Numbers) -> float:
    """p, from every sign that the differences could have had."""
    moved = differences[differences != 0]
    ranks = stats.rankdata(np.abs(moved))
    away = abs(float(ranks[moved > 0].sum()) - ranks.sum() / 2)
    signs = itertools.product((0, 1), repeat=len(moved))
    return float(np.mean([abs(float(np.dot(ranks, sign)) - ranks.sum() / 2) >= away - 1e-9
                          for sign in signs]))


@pytest.mark.parametrize("differences", [
    [1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [1.0, -2.0, 3.0, 4.0, 5.0, -6.0, 7.0, 8.5],
    [1.0, 1.0, 1.0, 1.0, 1.0, -1.0, 2.0, 2.0], [0.0, 0.0, 3.0, 3.0, -1.0, 4.0, 5.0],
    [1.0, -1.0, 1.0, -1.0]])
def test_the_chance_of_pairs_is_counted_over_all_signs_with_their_ties(
        differences: list[float]) -> None:
    values = np.array(differences)
    assert signed_rank(values).p == pytest.approx(by_all_signs(values))
    assert signed_rank(-values).p == pytest.approx(signed_rank(values).p)
    assert signed_rank(-values).effect == pytest.approx(-signed_rank(values).effect)


def test_many_pairs_are_approximated_as_closely_as_need_be() -> None:
    values = np.random.default_rng(1).normal(0.1, 1.0, 260)
    assert signed_rank(values).p == pytest.approx(
        float(stats.wilcoxon(values, mode="approx").pvalue), rel=0.01)


def test_no_difference_at_all_has_no_effect() -> None:
    assert signed_rank(np.zeros(9)) == (1.0, 0.0)


def test_an_effect_is_one_where_all_are_on_one_side() -> None:
    ours, theirs = np.arange(6.0), np.arange(6.0) + 10
    assert signed_rank(theirs - ours).effect == rank_sum(ours, theirs).effect == 1.0
    assert rank_sum(theirs, ours).effect == -1.0


def test_floors_are_what_full_agreement_has() -> None:
    ours, theirs = np.arange(6.0), np.arange(7.0) + 10
    assert signed_rank(np.arange(1.0, 8)).p == pytest.approx(floor_of_pairs(7))
    assert rank_sum(ours, theirs).p == pytest.approx(floor_of_runs(6, 7))


def test_a_bound_is_held_against_the_difference_not_against_none() -> None:
    random = np.random.default_rng(2)
    ours, theirs = random.normal(0.0, 0.01, 12), random.normal(0.2, 0.01, 12)
    assert chance_of_less(ours, theirs, 0.1) < 0.001 < 0.999 < chance_of_less(ours, theirs, 0.3)


def test_corrections_are_those_of_the_books() -> None:
    chances = [0.01, 0.04, math.nan, 0.03, 0.005]
    assert holm(chances) == pytest.approx([0.03, 0.06, math.nan, 0.06, 0.02], nan_ok=True)
    assert benjamini_hochberg(chances) == pytest.approx([0.02, 0.04, math.nan, 0.04, 0.02],
                                                        nan_ok=True)
    assert benjamini_hochberg([0.04, 0.041]) == pytest.approx([0.041, 0.041])
    assert holm([0.6, 0.7]) == pytest.approx([1.0, 1.0]) and len(holm([])) == 0


def test_drift_is_of_the_order_and_not_of_the_noise() -> None:
    random = np.random.default_rng(3)
    noise = random.normal(0.0, 0.01, 30)
    up = drift(noise + np.linspace(0, 0.1, 30))
    assert up.p < 1e-4 and up.change == pytest.approx(0.05, abs=0.015)
    assert drift(noise).p > 0.05 and drift(np.ones(8)) == (1.0, 0.0)
    assert math.isnan(drift(noise[:5]).p)


def test_a_run_wanders_if_it_goes_away_and_comes_back_and_not_for_an_outlier() -> None:
    noise = np.random.default_rng(4).normal(0.0, 0.01, 30)
    there_and_back = noise + 0.1 * np.sin(np.linspace(0, np.pi, 30))
    assert drift(there_and_back).p > 0.05
    assert wandering(there_and_back) == pytest.approx(0.1, abs=0.03)
    there_and_back[7] += 5.0
    assert wandering(there_and_back) < 0.2
    noise[3] += 5.0
    assert wandering(noise) == 0.0
