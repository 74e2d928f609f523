from __future__ import annotations

import pytest

pytest.importorskip("torch", reason="needs the training extra")

from macule.errors import UsageError
from macule.training import recipe as recipes
from macule.training import schedule
from macule.training.recipe import Schedule

pytestmark = pytest.mark.training

KINDS = ("constant", "cosine", "one_cycle", "plateau")


@pytest.fixture
def planned(table):
    """Batches of 4, phases as given."""
    def plan(*phases, steps_per_epoch=10, **settings):
        table["phases"] = [{"size": 48, "learning_rate": 1e-3, **phase} for phase in phases]
        return schedule.layout(recipes.parse({**table, **settings}, where="test"), steps_per_epoch=steps_per_epoch)

    return plan


def spans(stretches):
    return [(each.number, each.first, each.last) for each in stretches]


def test_phases_follow_each_other(planned):
    assert spans(planned({"samples": 8}, {"epochs": 2.5}, {"samples": 7})) == [(0, 0, 2), (1, 2, 27), (2, 27, 28)]


@pytest.mark.parametrize(("phase", "said"), [({"samples": 3}, "3 samples"), ({"epochs": 0.01}, "0.01 epochs")])
def test_a_phase_without_a_step_is_refused(planned, phase, said):
    with pytest.raises(UsageError, match=f"recipe mini: phases.1 has {said}, which is less than one batch of 4"):
        planned({"samples": 8}, phase)


def test_every_step_has_its_stretch(planned):
    stretches = planned({"samples": 8}, {"samples": 12})
    assert [schedule.at(stretches, step).number for step in range(6)] == [0, 0, 1, 1, 1, 1], "the last for the end"


def test_cosine_by_hand():
    settings = Schedule(kind="cosine", warmup=0, floor=0.2)
    assert [schedule.rate(settings, progress) for progress in (0, 0.5, 1)] == pytest.approx([1, 0.6, 0.2])


def test_warm_up_is_linear_and_reaches_the_peak():
    settings = Schedule(kind="constant", warmup=0.5)
    assert [schedule.rate(settings, progress) for progress in (0.1, 0.2, 0.4, 0.5, 0.9)] == pytest.approx(
        [0.2, 0.4, 0.8, 1, 1], abs=0.003)
    assert schedule.rate(settings, 0) > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("warmup", [0.0, 1e-4, 0.0005, 0.05, 0.3, 0.99])
def test_the_rate_is_never_above_its_peak_nor_below_its_floor(kind, warmup):
    settings = Schedule(kind=kind, warmup=warmup, floor=0.1)
    rates = [schedule.rate(settings, step / 10_000) for step in range(10_000)]
    assert min(rates) > 0 and max(rates) <= 1
    assert min(rates[int(warmup * 10_000) + 1:]) >= 0.1
    assert max(rates) == pytest.approx(1, rel=0.002)


@pytest.mark.parametrize("kind", ["constant", "plateau"])
def test_constant_and_plateau_stay_at_the_peak(kind):
    assert {schedule.rate(Schedule(kind=kind, warmup=0), step / 50) for step in range(50)} == {1.0}


def test_the_rate_starts_anew_in_each_phase_or_spans_the_run(planned):
    stretches = planned({"samples": 8}, {"samples": 24})
    of_phase, of_run = Schedule(span="phase"), Schedule(span="run")
    assert [schedule.progress(of_phase, stretches, step) for step in (0, 1, 2, 5)] == [0, 0.5, 0, 0.5]
    assert [schedule.progress(of_run, stretches, step) for step in (0, 1, 2, 5)] == [0, 1 / 8, 2 / 8, 5 / 8]


def test_one_cycle_is_torchs():
    """The rate as torch's OneCycleLR gives it, and the momentum the other way round."""
    import torch

    steps, settings = 100, Schedule(kind="one_cycle", warmup=0.3)
    optimiser = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0, momentum=0.9)
    theirs = torch.optim.lr_scheduler.OneCycleLR(optimiser, max_lr=1.0, total_steps=steps + 1, pct_start=0.3)
    for step in range(steps):
        expected = optimiser.param_groups[0]["lr"]
        found = schedule.rate(settings, step / steps)
        assert found == pytest.approx(expected, abs=0.03)  # they count whole steps of the ways up and down
        assert schedule.momentum(found) == pytest.approx(optimiser.param_groups[0]["momentum"], abs=0.005)
        optimiser.step()
        theirs.step()
    assert schedule.rate(settings, 0.0) == pytest.approx(1 / 25)
    assert schedule.rate(settings, 0.3) == pytest.approx(1)
