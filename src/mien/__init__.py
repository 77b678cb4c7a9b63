"""mien recognises facial expressions: pictures in, emotions out; data set in, trustworthy model out.

>>> import mien
>>> recognizer = mien.Recognizer()
>>> faces = recognizer.predict(mien.sample("astronaut"))
>>> faces.top
['happiness']
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # the same names as below, for type checkers and editors, which run no code
    from mien.core.errors import MienError as MienError
    from mien.core.labels import LabelSet as LabelSet
    from mien.core.types import Attribution as Attribution
    from mien.core.types import Faces as Faces
    from mien.core.types import Predictions as Predictions
    from mien.pipeline.recognizer import Recognizer as Recognizer
    from mien.runtime.classifier import Classifier as Classifier
    from mien.verbs.ablate import ablate as ablate
    from mien.verbs.audit import audit as audit
    from mien.verbs.bench import bench as bench
    from mien.verbs.check import check as check
    from mien.verbs.compare import compare as compare
    from mien.verbs.demo import demo as demo
    from mien.verbs.demo import sample as sample
    from mien.verbs.evaluate import evaluate as evaluate
    from mien.verbs.explain import explain as explain
    from mien.verbs.explore import explore as explore
    from mien.verbs.export import export as export
    from mien.verbs.join import join as join
    from mien.verbs.live import live as live
    from mien.verbs.merge import merge as merge
    from mien.verbs.models import models as models
    from mien.verbs.noise import noise as noise
    from mien.verbs.predict import predict as predict
    from mien.verbs.prepare import prepare as prepare
    from mien.verbs.report import report as report
    from mien.verbs.search import search as search
    from mien.verbs.subset import subset as subset
    from mien.verbs.summarise import summarise as summarise
    from mien.verbs.train import train as train
    from mien.web.serve import serve as serve
    from mien.zoo.store import load_classifier as load_classifier

__version__ = "0.1.0"

# Public name -> the module that holds it, loaded at first use (PEP 562): `import mien` costs nothing.
_HOMES = {
    "Attribution": "mien.core.types",
    "Classifier": "mien.runtime.classifier",
    "Faces": "mien.core.types",
    "LabelSet": "mien.core.labels",
    "MienError": "mien.core.errors",
    "Predictions": "mien.core.types",
    "Recognizer": "mien.pipeline.recognizer",
    "ablate": "mien.verbs.ablate",
    "audit": "mien.verbs.audit",
    "bench": "mien.verbs.bench",
    "check": "mien.verbs.check",
    "compare": "mien.verbs.compare",
    "demo": "mien.verbs.demo",
    "evaluate": "mien.verbs.evaluate",
    "explain": "mien.verbs.explain",
    "explore": "mien.verbs.explore",
    "export": "mien.verbs.export",
    "join": "mien.verbs.join",
    "live": "mien.verbs.live",
    "load_classifier": "mien.zoo.store",
    "merge": "mien.verbs.merge",
    "models": "mien.verbs.models",
    "noise": "mien.verbs.noise",
    "predict": "mien.verbs.predict",
    "prepare": "mien.verbs.prepare",
    "report": "mien.verbs.report",
    "sample": "mien.verbs.demo",
    "search": "mien.verbs.search",
    "serve": "mien.web.serve",
    "subset": "mien.verbs.subset",
    "summarise": "mien.verbs.summarise",
    "train": "mien.verbs.train",
}

__all__ = ["__version__", *sorted(_HOMES)]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'mien' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return list(__all__)
