"""TensorBoard's files hold what the rows hold, also after a resume; MLflow is told the same; what lacks is said."""

import sys
from types import SimpleNamespace
from typing import ClassVar

import pytest

from mien.core.errors import MissingExtraError, TrainingError, UsageError
from mien.training.config import TrainConfig
from mien.training.logs import open_logs, require_logs

ROWS = [
    {"epoch": 0, "train_loss": 2.0, "valid_loss": 1.9, "selection": 0.3, "seconds": 1.5},
    {"epoch": 1, "train_loss": 1.0, "valid_loss": 1.2, "selection": 0.5, "seconds": 1.4},
    {"epoch": 2, "train_loss": 0.5, "valid_loss": 1.1, "selection": 0.6, "seconds": 1.4},
]


def write(config, out, rows, *, epochs=0):
    with open_logs(config, out, epochs=epochs) as log:
        for row in rows:
            log(row)


def test_without_logs_nothing_is_written(tmp_path):
    write(TrainConfig(), tmp_path, ROWS)
    assert not list(tmp_path.iterdir())


def test_only_known_logs_are_taken():
    with pytest.raises(
        UsageError, match="expected log out of tensorboard, mlflow in the training settings, got .'wandb',."
    ):
        TrainConfig(log=("wandb",))


def test_tensorboard_reads_what_was_written_also_after_a_resume(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    config = TrainConfig(log=("tensorboard",))
    write(config, tmp_path, ROWS[:2])
    killed = {**ROWS[1], "train_loss": 1.0}  # its epoch came after the last checkpoint, and is done again
    write(config, tmp_path, [killed, ROWS[2]], epochs=1)
    read = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert set(read.Tags()["scalars"]) == {"loss/train", "loss/valid", "selection", "seconds"}
    found = [(each.step, each.value) for each in read.Scalars("loss/train")]
    assert found == [(0, 2.0), (1, 1.0), (2, 0.5)]


class Client:
    """What MLflow's client is asked to do, in order; the store outlives it, as files do."""

    stores: ClassVar[dict] = {}

    def __init__(self, uri):
        self.asked = Client.stores.setdefault(uri, [])

    def get_experiment_by_name(self, name):
        return SimpleNamespace(experiment_id="7") if ("experiment", name) in self.asked else None

    def create_experiment(self, name):
        self.asked.append(("experiment", name))
        return "7"

    def create_run(self, experiment, *, run_name):
        self.asked.append(("run", experiment, run_name))
        return SimpleNamespace(info=SimpleNamespace(run_id="r1"))

    def log_param(self, run, key, value):
        self.asked.append(("param", run, key, value))

    def log_metric(self, run, key, value, *, step):
        self.asked.append(("metric", run, key, value, step))

    def set_terminated(self, run):
        self.asked.append(("end", run))


def test_mlflow_has_one_run_that_a_resume_goes_on_with(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Client))
    monkeypatch.setattr(Client, "stores", {})
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    out = tmp_path / "run a"
    out.mkdir()
    config = TrainConfig(log=("mlflow",), seed=3)
    require_logs(config)
    write(config, out, ROWS[:1])
    write(config, out, ROWS[1:], epochs=1)
    ((uri, asked),) = Client.stores.items()
    assert uri == (out / "mlflow" / "store").as_uri()
    assert [each for each in asked if each[0] == "run"] == [("run", "7", "run a")]
    assert ("param", "r1", "seed", "3") in asked
    assert [each[3:] for each in asked if each[:3] == ("metric", "r1", "train_loss")] == [(2.0, 0), (1.0, 1), (0.5, 2)]
    assert asked[-1] == ("end", "r1")


def test_a_server_is_taken_where_one_is_named(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Client))
    monkeypatch.setattr(Client, "stores", {})
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://localhost:5000")
    write(TrainConfig(log=("mlflow",)), tmp_path, ROWS[:1])
    assert list(Client.stores) == ["http://localhost:5000"]


@pytest.mark.parametrize("asked", ["get_experiment_by_name", "log_metric", "set_terminated"])
def test_a_store_that_does_not_answer_is_told_in_one_line(asked, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise RuntimeError("API request failed\n  connection refused")

    monkeypatch.setitem(sys.modules, "mlflow", SimpleNamespace(MlflowClient=Client))
    monkeypatch.setattr(Client, "stores", {})
    monkeypatch.setattr(Client, asked, refuse)
    with pytest.raises(
        TrainingError, match="expected an MLflow store that takes .*, got: API request failed conn"
    ) as e:
        write(TrainConfig(log=("mlflow",)), tmp_path, ROWS[:1])
    assert "\n" not in str(e.value)


@pytest.mark.parametrize(
    ("name", "command"), [("mlflow", "pip install mlflow-skinny"), ("tensorboard", "pip install 'mien[train]'")]
)
def test_a_package_that_is_missing_is_named_with_its_command(name, command, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtraError, match=f"expected the package '{name}'.*, got none") as error:
        require_logs(TrainConfig(log=(name,)))
    assert command in str(error.value)
