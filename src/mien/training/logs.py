"""Where the figures of each epoch go beside `metrics.csv`: TensorBoard's event files, an MLflow store."""

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mien.core.errors import MienError, MissingExtraError, TrainingError
from mien.core.files import make_folder, replacing
from mien.core.optional import require
from mien.training.config import TrainConfig, as_settings

Row = Mapping[str, Any]


def require_logs(config: TrainConfig) -> None:
    """Say at once, before a training begins, which package a log needs and lacks.

    Raises:
        MissingExtraError: it is not installed.
    """
    if "tensorboard" in config.log:
        require("tensorboard", extra="train")
    if "mlflow" in config.log:
        _mlflow()


@contextlib.contextmanager
def open_logs(config: TrainConfig, out: Path, *, epochs: int = 0) -> Iterator[Callable[[Row], None]]:
    """Open the logs that `config.log` names; what it yields writes an epoch's row to all of them.

    Args:
        config: the settings.
        out: the run folder.
        epochs: done so far; a resumed run goes on after them.
    """
    with contextlib.ExitStack() as stack:
        writers = [stack.enter_context(_LOGS[name](config, out, epochs)) for name in dict.fromkeys(config.log)]

        def write(row: Row) -> None:
            for writer in writers:
                writer(row)

        yield write


@contextlib.contextmanager
def _tensorboard(_: TrainConfig, out: Path, epochs: int) -> Iterator[Callable[[Row], None]]:
    """Event files in RUN/tensorboard; those of epochs that are done again are purged."""
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(out / "tensorboard"), purge_step=epochs or None) as writer:

        def write(row: Row) -> None:
            for name, value in _figures(row).items():
                writer.add_scalar(_group(name), value, int(row["epoch"]))
            writer.flush()

        yield write


@contextlib.contextmanager
def _mlflow_run(config: TrainConfig, out: Path, _: int) -> Iterator[Callable[[Row], None]]:
    """A run in the store that MLFLOW_TRACKING_URI names, else in files under RUN/mlflow."""
    folder = out / "mlflow"
    make_folder(folder)
    known = folder / "run_id"
    store = os.environ.get("MLFLOW_TRACKING_URI") or (folder / "store").resolve().as_uri()
    with _taken(), _file_store_allowed():
        client = _mlflow().MlflowClient(store)
        run = known.read_text("utf-8") if known.exists() else _new_run(client, config, out)
    with replacing(known) as partial:
        partial.write_text(run, "utf-8")

    def write(row: Row) -> None:
        with _taken():
            for name, value in _figures(row).items():
                client.log_metric(run, name, value, step=int(row["epoch"]))

    yield write
    with _taken():
        client.set_terminated(run)


@contextlib.contextmanager
def _taken() -> Iterator[None]:
    """Say in one line that the store takes nothing, whatever MLflow raises then."""
    try:
        yield
    except MienError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:160]
        raise TrainingError(
            f"expected an MLflow store that takes the figures of the run, got: {reason}: set MLFLOW_TRACKING_URI to "
            "one, then --resume"
        ) from error


def _new_run(client: Any, config: TrainConfig, out: Path) -> str:
    experiment = client.get_experiment_by_name("mien")
    number = client.create_experiment("mien") if experiment is None else experiment.experiment_id
    run: str = client.create_run(number, run_name=out.name).info.run_id
    for key, value in as_settings(config).items():
        client.log_param(run, key, str(value)[:500])
    return run


def _mlflow() -> Any:
    """The package; mlflow-skinny is enough for it.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        return require("mlflow", extra="train")
    except MissingExtraError:
        raise MissingExtraError(
            "expected the package 'mlflow' to log to, got none installed: run `pip install mlflow-skinny`"
        ) from None


@contextlib.contextmanager
def _file_store_allowed() -> Iterator[None]:
    """MLflow opens a store of files only where this variable says so; any other needs a database."""
    name = "MLFLOW_ALLOW_FILE_STORE"
    before = os.environ.get(name)
    os.environ[name] = "true"
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before


def _figures(row: Row) -> dict[str, float]:
    return {name: float(value) for name, value in row.items() if name != "epoch"}


def _group(name: str) -> str:
    """``train_loss`` and ``valid_loss`` -> one chart group: ``loss/train``, ``loss/valid``."""
    split, _, rest = name.partition("_")
    return f"{rest}/{split}" if split in ("train", "valid") and rest else name


_LOGS = {"tensorboard": _tensorboard, "mlflow": _mlflow_run}
