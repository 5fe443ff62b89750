"""Phases of training: when one ends, and what the next begins with."""

from __future__ import annotations

from beekit.models.phases import Phase, Phases


def phases_of(*lengths, stops_early=True):
    begun = []
    phases = Phases(tuple(Phase(str(n), n, stops_early) for n in lengths), begun.append)
    return phases, begun


def test_a_phase_ends_with_its_epochs():
    phases, begun = phases_of(3, 2)
    assert phases.epochs == 5
    assert [phases.is_over(epoch, 0, 0) for epoch in (1, 2, 3)] == [False, False, True]
    assert phases.go_on(3)
    assert begun == [1]
    assert [phases.is_over(epoch, 0, 0) for epoch in (4, 5)] == [False, True]
    assert not phases.go_on(5)
    assert begun == [1]


def test_patience_counts_from_the_best_epoch_and_from_the_start_of_the_phase():
    phases, _ = phases_of(50, 50)
    assert not phases.is_over(6, 4, patience=3)
    assert phases.is_over(7, 4, patience=3)
    phases.go_on(7)
    assert [phases.is_over(epoch, 4, patience=3) for epoch in (8, 9, 10)] == [False, False, True]
    assert not phases.is_over(10, 9, patience=3)


def test_a_phase_may_be_deaf_to_patience():
    phases, _ = phases_of(50, stops_early=False)
    assert not phases.is_over(40, 1, patience=3)
    assert phases.is_over(50, 1, patience=3)


def test_phases_go_on_where_they_were():
    first, begun = phases_of(3, 2, 1)
    first.go_on(2)
    second, begun = phases_of(3, 2, 1)
    second.load_state_dict(first.state_dict())
    assert (second.name, second.began, begun) == ("2", 2, [])
