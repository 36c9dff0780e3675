"""How many steps or minutes each level gets, and how fast films are replaced."""

from types import SimpleNamespace

import numpy as np
import pytest

from idcgan.config import RunConfig, preset
from idcgan.errors import InputError
from idcgan.schedule import Schedule, only_enlarged


def test_fifteen_epochs_of_the_papers_films_are_255_steps():
    """15 epochs of 138 films in batches of 8, the short last batch dropped: 15 x 17, over five sets."""
    assert Schedule.plan(preset("paper-normal-15"), 138).steps == (51,) * 5
    assert Schedule.plan(preset("paper-normal-15", epochs_for="level"), 138).steps == (255,) * 5
    assert sum(Schedule.plan(preset("paper-normal-20"), 138).steps) == 340
    assert Schedule.plan(preset("paper-abnormal-10"), 76).steps == (18,) * 5


def test_a_batch_size_of_its_own_changes_a_levels_steps():
    config = RunConfig(resolutions=(16, 32), epochs=4, batch_size=(4, 2))
    assert Schedule.plan(config, 12).steps == (6, 12)


def test_shares_divide_the_epochs():
    config = RunConfig(resolutions=(16, 32), epochs=10, level_shares=(1.0, 4.0), batch_size=(4,))
    assert Schedule.plan(config, 12).steps == (6, 24)
    whole = RunConfig(resolutions=(16, 32), epochs=10, level_shares=(1.0, 4.0), batch_size=(4,), epochs_for="level")
    assert Schedule.plan(whole, 12).steps == (30, 30)


@pytest.mark.parametrize("share", [0.25, 0.5, 1.0])
def test_the_replaced_share_rises_from_none_to_all_and_stays(share):
    config = RunConfig(resolutions=(16, 32), epochs=160, batch_size=(4,), transition_share=share)
    schedule = Schedule.plan(config, 12)
    steps = schedule.steps[1]
    shares = [schedule.replaced(1, schedule.progress(1, step, 0.0)) for step in range(steps + 1)]
    assert shares[0] == 0.0
    assert shares == sorted(shares)
    assert shares[round(steps * share / 2)] == pytest.approx(0.5)
    assert shares[round(steps * share)] == 1.0
    assert shares[-1] == 1.0
    assert shares[round(steps * share) - 1] < 1.0


def test_the_first_level_has_nothing_to_replace():
    schedule = Schedule.plan(preset("tiny"), 12)
    assert {schedule.replaced(0, progress) for progress in (0.0, 0.3, 1.0)} == {1.0}
    for changes in ({"transition_share": 0.0}, {"transition": "jump"}):
        assert Schedule.plan(preset("tiny", **changes), 12).replaced(1, 0.0) == 1.0


def test_a_level_that_is_gone_on_with_has_nothing_to_replace():
    """Begun at the second level, with networks that have been through the transition."""
    config = preset("tiny", resolutions=(16, 32, 64))
    assert [Schedule.plan(config, 12, 1, settled=True).replaced(level, 0.0) for level in (1, 2)] == [1.0, 0.0]
    assert Schedule.plan(config, 12, 1).replaced(1, 0.0) == 0.0, "a run that was stopped there may not have been through it"


def test_by_the_clock_levels_end_at_their_shares_of_the_minutes():
    config = preset("recommended", resolutions=(64, 128, 256, 512, 1024), minutes=10, level_shares=(0.12, 0.28, 0.3, 0.15, 0.15))
    schedule = Schedule.plan(config, 138)
    assert schedule.steps == ()
    assert schedule.until == pytest.approx([600 * share for share in (0.12, 0.40, 0.70, 0.85, 1.0)])
    assert schedule.progress(1, 5, 72.0) == 0.0
    assert schedule.progress(1, 5, 72.0 + 84.0) == pytest.approx(0.5)
    assert not schedule.finished(1, 5, 239.9)
    assert schedule.finished(1, 5, 240.1)


def test_by_the_clock_every_level_makes_a_step():
    schedule = Schedule.plan(preset("tiny", minutes=1), 12)
    assert not schedule.finished(1, 0, 1e9)
    assert schedule.finished(1, 1, 1e9)


def test_by_epochs_the_clock_says_nothing():
    schedule = Schedule.plan(preset("tiny"), 12)
    assert schedule.until == ()
    assert not schedule.finished(0, 5, 1e9)
    assert schedule.finished(0, 6, 0.0)


def test_levels_that_init_skips_leave_their_share_to_the_others():
    config = RunConfig(resolutions=(16, 32, 64), epochs=12, batch_size=(4,), level_shares=(2.0, 1.0, 1.0))
    assert Schedule.plan(config, 12, first=1).steps == (0, 18, 18)
    clock = Schedule.plan(preset("tiny", minutes=1, resolutions=(16, 32, 64)), 12, first=1)
    assert clock.until == pytest.approx((0.0, 30.0, 60.0))
    assert not clock.finished(1, 1, 29.0)
    assert clock.progress(1, 1, 15.0) == pytest.approx(0.5)


def sides(*counted: tuple[int, int]) -> SimpleNamespace:
    """What a pyramid says of its films' sides: so many films of each."""
    of_films = np.repeat([side for side, _ in counted], [count for _, count in counted])
    return SimpleNamespace(larger_than=lambda resolution: np.flatnonzero(of_films > resolution))


@pytest.mark.parametrize("bound", [{"epochs": 300}, {"epochs": 0, "minutes": 10.0}])
def test_levels_on_crops_that_too_few_films_are_large_enough_for_are_not_trained(bound):
    config = RunConfig(resolutions=(32, 64, 128, 256), crops_from=128, crop=64, batch_size=(4,), level_shares=(1.0, 1.0, 2.0, 4.0), **bound)
    for films, enlarged in ((sides((256, 12)), []), (sides((129, 4), (100, 8)), []), (sides((129, 3), (100, 9)), [3]), (sides((128, 12)), [3]),
                            (sides((65, 3), (64, 9)), [2, 3]), (sides((40, 12)), [2, 3])):  # fmt: skip
        assert only_enlarged(config, films) == enlarged
        schedule = Schedule.plan(config, 12, only_enlarged=enlarged)
        assert [schedule.finished(level, 0, 0.0) for level in range(4)] == [level in enlarged for level in range(4)]
    thin = Schedule.plan(config, 12, only_enlarged=[2, 3])
    assert thin.steps == (450, 450, 0, 0) if thin.steps else thin.until == pytest.approx((300.0, 600.0, 600.0, 600.0))


def test_no_level_is_trained_on_top_of_one_that_is_not():
    config = RunConfig(resolutions=(64, 128, 256, 512), crops_from=128, crop=64, batch_size=(4, 4, 8, 4), epochs=300)
    assert only_enlarged(config, sides((512, 6), (100, 20))) == [2, 3]


def test_levels_of_whole_films_are_trained_however_small_the_films_are():
    """As the paper trains 2048: on films of 1024, enlarged."""
    assert only_enlarged(preset("paper-normal-15"), sides((1024, 138))) == []


def test_a_run_that_would_train_nothing_is_refused():
    config = RunConfig(resolutions=(32, 64, 128), crops_from=128, crop=64, batch_size=(4,))
    with pytest.raises(InputError, match=r"too few films are larger than 64 x 64 to teach level 128 anything; .* end at 64"):
        Schedule.plan(config, 12, 2, only_enlarged=[2])


def test_a_level_without_a_step_is_refused():
    with pytest.raises(InputError, match="level 32 without a single step; raise epochs"):
        Schedule.plan(RunConfig(resolutions=(16, 32), epochs=1, batch_size=(12,), level_shares=(9.0, 1.0)), 12)


@pytest.mark.parametrize("bound", [{"epochs": 100}, {"minutes": 1.0}])
def test_a_batch_larger_than_the_films_is_refused(bound):
    with pytest.raises(InputError, match="batch_size is 16 and there are 12 films"):
        Schedule.plan(preset("tiny", batch_size=(4, 16), **bound), 12)


def test_rates_cool_down_over_the_last_part_of_the_run():
    """Two levels of 6 and 24 steps, the last fifth of 30: from step 24 of the run, which is step 18 of the second level."""
    config = RunConfig(resolutions=(16, 32), epochs=10, level_shares=(1.0, 4.0), batch_size=(4,))
    schedule = Schedule.plan(config, 12)
    warm = [schedule.warmth(1, step, 0.0, 0.2) for step in range(25)]
    assert warm[:19] == pytest.approx([1.0] * 19)
    assert warm[21] == pytest.approx(0.5)
    assert warm[24] == 0.02
    assert schedule.warmth(0, 6, 0.0, 0.2) == 1.0
    assert {schedule.warmth(1, step, 0.0, 0.0) for step in range(25)} == {1.0}
    clock = Schedule.plan(RunConfig(resolutions=(16, 32), epochs=0, minutes=10, batch_size=(4,)), 12)
    assert [clock.warmth(1, 5, seconds, 0.5) for seconds in (0.0, 300.0, 450.0, 700.0)] == pytest.approx([1.0, 1.0, 0.5, 0.02])


@pytest.mark.parametrize("bound", [{"epochs": 300}, {"epochs": 0, "minutes": 10.0}])
def test_each_level_on_crops_has_a_fall_of_its_own_and_films_end_theirs_before(bound):
    """Four levels of a quarter each, two on films and two on crops; rates fall over the last half of each of three legs."""
    config = RunConfig(resolutions=(32, 64, 128, 256), crops_from=128, crop=64, batch_size=(4,), **bound)
    schedule = Schedule.plan(config, 12)

    def warmth(level: int, gone: float) -> float:
        return schedule.warmth(level, round(225 * gone), 150.0 * (level + gone), 0.5)

    films = [warmth(0, 0.0), warmth(0, 1.0), warmth(1, 0.5), warmth(1, 1.0)]
    assert films == pytest.approx([1.0, 1.0, 0.5, 0.02], abs=0.01)
    for level in (2, 3):
        assert [warmth(level, gone) for gone in (0.0, 0.5, 0.75, 1.0)] == pytest.approx([1.0, 1.0, 0.5, 0.02], abs=0.01)


def test_a_level_on_crops_replaces_nothing():
    """New layers alone learn there: no film of the level below is shown."""
    schedule = Schedule.plan(RunConfig(resolutions=(32, 64, 128, 256), crops_from=128, crop=64, batch_size=(4,), epochs=300), 12)
    assert [schedule.replaced(level, 0.25) for level in range(4)] == [1.0, 0.5, 1.0, 1.0]
