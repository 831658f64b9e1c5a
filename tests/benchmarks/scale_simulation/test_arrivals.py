"""Arrivals are the same for the real service and the simulated one."""

import pytest

from benchmarks.scale_simulation.arrivals import Phase, draw_arrivals


def test_phases_follow_each_other_with_their_rates() -> None:
    arrivals = draw_arrivals([Phase(100, 50), Phase(300, 50)], seed=1)
    moments = [arrival.due_s for arrival in arrivals]
    assert moments == sorted(moments)
    assert sum(moment < 50 for moment in moments) == pytest.approx(5_000, rel=0.05)
    assert sum(moment >= 50 for moment in moments) == pytest.approx(15_000, rel=0.05)
    assert arrivals == draw_arrivals([Phase(100, 50), Phase(300, 50)], seed=1)


def test_so_many_images_come_again() -> None:
    arrivals = draw_arrivals([Phase(1000, 10)], seed=1, repeat_share=0.4)
    distinct = len({arrival.key for arrival in arrivals})
    assert distinct / len(arrivals) == pytest.approx(0.6, abs=0.02)
    assert len({a.key for a in draw_arrivals([Phase(100, 10)], seed=1)}) == len(
        draw_arrivals([Phase(100, 10)], seed=1)
    )
