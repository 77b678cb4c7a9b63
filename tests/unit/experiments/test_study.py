"""A study counts each trial once, whoever dies; another study does not take its place; nothing said is lost."""

import dataclasses
import math
import time

import pytest
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState

from mien.core.errors import OutputError, TrainingError, UsageError
from mien.experiments import outcome
from mien.experiments.space import parse_space
from mien.experiments.storage import UnreachableError
from mien.experiments.study import RETRIES, LostError, Plan, PrunedError, open_study
from mien.experiments.work import alive, claim, work
from mien.training.config import TrainConfig

from .conftest import SPACE, figure_of, objective

BASE = TrainConfig(epochs=3)


def plan(**changes):
    return Plan(**{"space": SPACE, "base": BASE, "sampler": "random", "trials": 4} | changes)


def table(study):
    return outcome.table(study.trials(), study.plan.space, BASE)


def unbroken(place, **changes):
    with open_study(plan(**changes), f"sqlite:///{place / 'unbroken.db'}", worker="a") as study:
        assert work(study, objective).finished
        return table(study)


@pytest.mark.parametrize(
    ("sampler", "pruner"),
    [("grid", "none"), ("random", "hyperband"), ("tpe", "none"), ("gp", "none"), ("hyperopt", "none")],
)
def test_a_worker_that_dies_again_and_again_leaves_the_table_of_one_that_does_not(place, url, sampler, pruner):
    asked = {"sampler": sampler, "pruner": pruner, "trials": 12}
    wanted = unbroken(place, **asked)
    deaths = iter([1, 7, 11, 100])
    dies = next(deaths)
    for _ in range(4):
        with open_study(plan(**asked), url, worker="a") as study:
            while (attempt := study.take()) is not None:
                try:
                    figure = figure_of(attempt.settings)
                    for epoch in (1, 2, 3):
                        attempt.report(epoch, figure - 0.1 * (3 - epoch))
                        if attempt.number >= dies:
                            break
                    if attempt.number >= dies:
                        dies = next(deaths)
                        break  # as a SIGKILL would, without a word to the storage
                    attempt.complete(figure)
                except PrunedError:
                    attempt.prune()
            else:
                assert table(study) == wanted
                trials = study.trials()
                assert sum(each.attempts for each in trials) == 12 + 3
                assert all(each.state in ("complete", "pruned") for each in trials)
                if pruner == "hyperband":
                    assert any(each.state == "pruned" for each in trials)
                return
    pytest.fail("expected the trials to come to an end")


def test_the_trials_of_a_dead_worker_go_to_another_after_some_silence(url):
    with open_study(plan(), url, worker="a", heartbeat_s=1, grace_s=1) as dead:
        first = dead.take()
        first.report(1, 0.5)
        with open_study(plan(), url, worker="b", heartbeat_s=1, grace_s=1) as other:
            assert other.take().number == 1  # nobody is dead yet
            ended = work(other, objective, poll_s=0.2)  # goes on with its own trial, and waits for the dead one's
            trials = other.trials()
        assert ended.finished and [each.state for each in trials] == ["complete"] * 4
        assert [each.attempts for each in trials] == [2, 1, 1, 1] and trials[0].curve[0] == 0.5
        with pytest.raises(LostError):  # it was asleep, not dead
            first.report(2, 0.6)
        with pytest.raises(LostError):
            first.complete(0.7)
        assert dead.trials() == trials


def test_a_trial_that_brings_down_its_worker_is_given_up(url):
    numbers = []
    for _ in range(RETRIES + 2):
        with open_study(plan(trials=2), url, worker="a") as study:
            numbers.append(study.take().number)
    assert numbers == [0] * (RETRIES + 1) + [1]
    with open_study(plan(trials=2), url, worker="a") as study:
        assert work(study, objective).finished
        dead, fine = study.trials()
    assert (dead.state, dead.error, dead.value) == ("failed", f"its worker died {RETRIES + 1} times", None)
    assert fine.state == "complete"


def gone(*_, **__):
    raise StorageInternalError("gone")


def once(call):
    """A call to a storage that goes away just after the first of them."""
    answers = iter([True])

    def cut(*args, **kwargs):
        found = call(*args, **kwargs)
        return gone() if next(answers, False) else found

    return cut


@pytest.mark.parametrize("stop", [None, KeyboardInterrupt()])
def test_a_storage_that_goes_away_is_no_death_of_who_has_to_stop(place, url, monkeypatch, stop):
    for _ in range(RETRIES + 2):
        with open_study(plan(trials=1), url, worker="a", left=place / "left", waits_s=()) as study:

            def cut(attempt):
                attempt.report(1, 0.5)
                for name in ("set_trial_intermediate_value", "set_trial_state_values"):
                    monkeypatch.setattr(study.storage.database, name, gone)
                if stop is not None:
                    raise stop
                attempt.report(2, 0.5)

            with pytest.raises(UnreachableError if stop is None else KeyboardInterrupt):
                work(study, cut)
            assert [each.state for each in study.trials()] == ["running"]
    with open_study(plan(trials=1), url, worker="a", left=place / "left") as study:
        assert work(study, objective).finished
        (only,) = study.trials()
    assert (only.state, only.attempts, only.curve[0]) == ("complete", 1, 0.5) and not (place / "left").exists()


def test_a_storage_that_goes_away_while_a_trial_is_asked_for_is_no_death(url, monkeypatch):
    with open_study(plan(trials=1), url, worker="a", waits_s=(0.01,)) as study:
        monkeypatch.setattr(study._study, "ask", once(study._study.ask))
        assert study.take().number == 0
        assert [(each.state, each.attempts) for each in study.trials()] == [("running", 1)]


def test_after_an_outage_nobody_is_dead_until_the_storage_has_answered_for_some_time(url, monkeypatch):
    life = {"heartbeat_s": 1, "grace_s": 1, "waits_s": (0.01,)}
    with (
        open_study(plan(trials=1), url, worker="a", **life) as silent,
        open_study(plan(), url, worker="b", **life) as two,
    ):
        silent.take()
        time.sleep(2.1)  # silent, but so was the storage
        monkeypatch.setattr(two._study, "get_trials", once(two._study.get_trials))
        two.trials()
        assert two.take().number == 1 and two.trials()[0].attempts == 1
        time.sleep(1.1)
        two.take()
        assert two.trials()[0].attempts == 2


def test_a_trial_that_fails_is_recorded_and_the_study_goes_on(url):
    said = []

    def sometimes(attempt):
        if attempt.number == 1:
            raise TrainingError("expected a finite loss, got nan")
        return math.nan if attempt.number == 2 else objective(attempt)

    with open_study(plan(), url, worker="a") as study:
        assert work(study, sometimes, note=said.append).finished
        states = [(each.state, each.error) for each in study.trials()]
    assert states == [
        ("complete", ""),
        ("failed", "expected a finite loss, got nan"),
        ("failed", "expected a finite figure of the trial, got nan"),
        ("complete", ""),
    ]
    assert said[0] == "trial 1 failed: expected a finite loss, got nan"


@pytest.mark.parametrize(
    "stop", [KeyboardInterrupt(), OutputError("expected to write, got: disk full"), ImportError("no such name"), None]
)
def test_what_stops_a_worker_leaves_its_trial_for_later(place, url, stop):
    def stopped(attempt):
        if attempt.number == 1:
            if stop is None:
                return None  # the time is up
            raise stop
        return objective(attempt)

    with open_study(plan(), url, worker="a") as study:
        if stop is None:
            assert not work(study, stopped).finished
        else:
            with pytest.raises(type(stop)):
                work(study, stopped)
        assert [each.state for each in study.trials()] == ["complete", "waiting"]
    with open_study(plan(), url, worker="b") as study:
        assert work(study, objective).finished
        assert table(study) == unbroken(place) and all(each.attempts == 1 for each in study.trials())


def test_more_trials_may_be_asked_for_later(place, url):
    for trials in (2, 4):
        with open_study(plan(sampler="tpe", trials=trials), url, worker="a") as study:
            assert work(study, objective).ran == 2
            assert len(study.trials()) == trials
            if trials == 4:
                assert table(study) == unbroken(place, sampler="tpe")


def test_a_grid_has_as_many_trials_as_points(url):
    space = parse_space({"optimizer": {"type": "categorical", "choices": ["sgd", "adam"]}})
    with open_study(plan(space=space, sampler="grid", trials=30), url, worker="a") as study:
        assert study.wanted == 2
        assert work(study, lambda attempt: float(attempt.settings["optimizer"] == "sgd")).finished
        assert {each.settings["optimizer"] for each in study.trials()} == {"sgd", "adam"}
        assert outcome.best(study.trials()).settings["optimizer"] == "sgd"


def test_another_study_of_the_name_is_refused(url):
    other = parse_space({"dropout": {"type": "float", "low": 0.1, "high": 0.4}})
    with open_study(plan(), url, worker="a"):
        pass
    for changes, what in (
        ({"space": other}, "space (learning_rate, batch, optimizer, momentum, net_options, dropout)"),
        ({"sampler": "tpe", "seed": 3}, "sampler, seed"),
        ({"about": {"data": "others"}}, "data"),
    ):
        with pytest.raises(UsageError) as caught, open_study(plan(**changes), url, worker="a"):
            pass
        assert f"expected the study 'search' in {url} to be this search, got one with another {what}: " in str(
            caught.value
        )
        assert "--study" in str(caught.value)
    with open_study(plan(space=other, name="second"), url, worker="a") as study:
        assert study.trials() == ()


def test_one_worker_alone_claims_what_one_has_to_do(url):
    with open_study(plan(), url, worker="a") as one, open_study(plan(), url, worker="b") as two:
        assert [each.claim("trains 3").worker for each in (one, two, one)] == ["a", "a", "a"]
        assert two.claim("trains 4").worker == "b"
        one.settle("trains 3")
        found = claim(two, "trains 3")
        assert (found.worker, found.done) == ("a", True)
        assert not one.claim("trains 3").done  # who asks for it again does it again


def test_a_claim_is_a_living_workers(url):
    said, life = [], {"heartbeat_s": 1, "grace_s": 3}
    with open_study(plan(), url, worker="a", **life) as one, open_study(plan(), url, worker="b", **life) as two:
        one.claim("trains 3")
        with alive(one.storage, lambda: one.claim("trains 3")):
            assert claim(two, "trains 3", ends=time.monotonic() + 5, poll_s=0.5).worker == "a"
        assert claim(two, "trains 3", poll_s=0.5, note=said.append).worker == "b"
        assert one.claim("trains 3").worker == "b"
    assert said == ["waiting for the worker a, which trains 3"]


def test_a_storage_that_cannot_be_reached_is_tried_again_and_named_without_its_password():
    said = []
    url = "postgresql://me:secret@127.0.0.1:1/studies"
    with (
        pytest.raises(TrainingError) as caught,
        open_study(plan(), url, worker="a", waits_s=(0.01, 0.02), note=said.append),
    ):
        pass
    assert "expected to reach the storage postgresql+pg8000://me:***@127.0.0.1:1/studies, got in 3 tries: " in str(
        caught.value
    )
    assert "what was trained is kept" in str(caught.value)
    assert (
        len(said) == 2 and said[0].startswith("no answer of the storage ") and said[1].endswith("another try in 0.02 s")
    )
    assert "secret" not in str(caught.value) + "".join(said)


@pytest.mark.parametrize("url", ["mysql://a/b", "studies.db", "postgresql://host", "sqlite://", "sqlite:///:memory:"])
def test_what_is_no_storage(url):
    with (
        pytest.raises(UsageError, match="expected sqlite:///FILE or postgresql://USER@HOST/DATABASE as --storage, got"),
        open_study(plan(), url, worker="a"),
    ):
        pass


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"sampler": "bayes"}, "expected a sampler out of"),
        ({"pruner": "asha"}, "expected a pruner out of none, median, hyperband, got 'asha'"),
        ({"trials": 0}, "expected --trials of 1 or more, got 0"),
        ({"seed": -1}, "expected --seed in 0..4294967295, got -1"),
    ],
)
def test_what_is_no_plan(changes, said):
    with pytest.raises(UsageError, match=said.replace(".", r"\.")):
        plan(**changes)


def test_what_mattered_and_what_was_best(url, monkeypatch):
    with open_study(plan(sampler="random", trials=25), url, worker="a", waits_s=(0.01,)) as study:
        assert outcome.importance(study) == {}  # of no trials nothing can be said
        work(study, lambda attempt: -abs(math.log10(attempt.settings["learning_rate"]) + 2))
        monkeypatch.setattr(study._study, "get_trials", once(study._study.get_trials))  # it is asked again
        shares, trials = outcome.importance(study), study.trials()
    assert next(iter(shares)) == "learning_rate" and shares["learning_rate"] > 0.8
    assert math.isclose(sum(shares.values()), 1.0)
    best = outcome.best(trials)
    assert best.value == max(each.value for each in trials)
    same = [dataclasses.replace(each, value=1.0) for each in trials]
    assert outcome.best(same).number == 0
    header, *rows = outcome.table(trials, SPACE, BASE)
    assert header[:4] == ["trial", "state", "value", "epochs"] and len(rows) == 25
    idle = [row for row in rows if row[header.index("optimizer")] == "adam"]
    assert idle and {row[header.index("momentum")] for row in idle} == {""}


def test_a_dead_trial_is_not_through_before_another_attempt_at_it_is(url):
    """Between a death that is noticed and the next attempt, others must not take the study for finished."""
    with open_study(plan(trials=1), url, worker="a") as dead, open_study(plan(trials=1), url, worker="b") as other:
        attempt = dead.take()
        dead.storage.database.set_trial_state_values(attempt.trial_id, TrialState.FAIL)
        assert [each.state for each in other.trials()] == ["waiting"]
        assert work(other, objective).finished
        assert [(each.state, each.attempts) for each in other.trials()] == [("complete", 2)]
