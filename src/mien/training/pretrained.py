"""Weights that a training begins with: timm's own, those in a file or folder, those of another run."""

import math
import pickle
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from timm.models import adapt_input_conv
from torch import Tensor, nn

from mien.core.errors import TrainingError
from mien.nets.backbones import Backbone
from mien.training.narrow import narrowed

IMAGENET = "imagenet"
BEST = Path("checkpoints") / "best.ckpt"  # in a run folder
SUFFIXES = (".safetensors", ".pth", ".pt", ".bin", ".ckpt")
PREFERRED = ("model.safetensors", "pytorch_model.bin", "model.pth")  # in other folders
# Where checkpoints keep a state dict, and what stands before the names in it; averaged weights first.
NESTED = ("state_dict_ema", "model_ema", "state_dict", "model")
TRUNKS = ("average.module.trunk.", "net.trunk.", "trunk.")
WRAPPERS = ("_orig_mod.", "module.")
# What nets call their classifiers, and those that only help in training.
CLASSIFIERS = ("AuxLogits", "aux", "classifier", "fc", "head", "head_dist", "heads", "last_linear", "pre_logits")
FILTERS = ("checkpoint_filter_fn", "_filter_fn", "pretrained_filter_fn", "_filter_torchvision_pretrained")
SECONDS = 5.0  # that the network has to answer

State = dict[str, Tensor]


def load_weights(trunk: nn.Module, weights: str, *, net: str) -> list[str]:
    """Give a trunk the weights that `weights` names.

    Args:
        trunk: what is to have them.
        weights: ``"imagenet"``: timm's own, from the network or its cache; or a file (safetensors, or a state dict that
            torch saved), a folder that holds one, or the folder of a run.
        net: its name, for messages.

    Returns:
        Notes on what was left out.

    Raises:
        TrainingError: there is no such file or network, it cannot be read, or does not fit the net.
    """
    path = _fetch(trunk, net) if weights == IMAGENET else _find(Path(weights))
    state = _trunk_of(_read(path))
    target: Any = trunk
    if isinstance(trunk, Backbone):
        target = trunk.model
        state = _as_timm_has_it(target, _without(state, ("model.",)), path)
    state, narrow = narrowed(target, state)
    own: State = target.state_dict()
    left = sorted({top for key in state if key not in own and (top := key.partition(".")[0]) in CLASSIFIERS})
    notes = [f"of {path.name}, {', '.join(left)} was left out: the heads are the run's own"] if left else []
    notes += narrow
    state = {key: value for key, value in state.items() if key in own or key.partition(".")[0] not in left}
    extra = [key for key in state if key not in own]
    if weights == IMAGENET and extra:  # timm, too, leaves out what its own files hold beyond the net
        notes.append(f"of {path.name}, {_first(extra)} was left out: the net has no such values")
        state, extra = {key: value for key, value in state.items() if key in own}, []
    _expect_fitting(own, state, extra, net=net, path=path)
    target.load_state_dict(state, strict=False)
    return notes


def _expect_fitting(own: State, state: State, extra: list[str], *, net: str, path: Path) -> None:
    """TrainingError that names values that are missing, or too many, or of another shape."""
    # Batch norms of before torch 0.4.1 did not count their batches.
    missing = [key for key in own if key not in state and not key.endswith("num_batches_tracked")]
    wrong = [key for key, value in state.items() if key in own and value.shape != own[key].shape]
    shapes = [f"{key} {_shape(state[key])} for {_shape(own[key])}" for key in wrong]
    problems = [
        f"{what}: {_first(keys)}"
        for what, keys in (("missing", missing), ("unknown", extra), ("of another shape", shapes))
        if keys
    ]
    if problems:
        raise TrainingError(f"expected weights of the net {net!r} in {path}, got others; {'; '.join(problems)}")


def _shape(value: Tensor) -> str:
    return "x".join(map(str, value.shape)) or "()"


def _first(names: list[str]) -> str:
    """The first three, and how many more."""
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


def _find(path: Path) -> Path:
    """The file that a path means."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise TrainingError(f"expected a file or folder of pretrained weights, or {IMAGENET!r}, got no such: {path}")
    if (path / "config.toml").exists() and (path / BEST).exists():
        return path / BEST
    there = sorted(each for each in path.iterdir() if each.suffix in SUFFIXES)
    chosen = [path / name for name in PREFERRED if path / name in there] or there
    if not chosen or (len(there) > 1 and chosen == there):
        got = ", ".join(each.name for each in there) or "none"
        raise TrainingError(f"expected one file of weights in {path}, got {got}: name the file ({', '.join(SUFFIXES)})")
    return chosen[0]


def _read(path: Path) -> State:
    """The tensors of a file by name."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        read: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises what it likes for a file that is none of its own
        reason = "code, which is not run" if isinstance(error, pickle.UnpicklingError) else "what cannot be read"
        raise TrainingError(f"expected safetensors or a state dict of torch in {path}, got {reason}") from error
    for key in NESTED:
        if isinstance(read, Mapping) and isinstance(read.get(key), Mapping):
            read = read[key]
    found = read.items() if isinstance(read, Mapping) else ()
    state = {key: each for key, each in found if isinstance(key, str) and isinstance(each, Tensor)}
    if not state:
        raise TrainingError(f"expected a state dict in {path}, got no values by name: save net.state_dict()")
    return state


def _trunk_of(state: State) -> State:
    """The values of the trunk, if the net of mien is whole; names without what wrappers put before them."""
    state = _without(_without(state, WRAPPERS), WRAPPERS)
    for prefix in TRUNKS:
        if any(key.startswith(prefix) for key in state):
            return {key.removeprefix(prefix): value for key, value in state.items() if key.startswith(prefix)}
    return state


def _without(state: State, prefixes: tuple[str, ...]) -> State:
    """Take away a prefix that all names have."""
    for prefix in prefixes:
        if all(key.startswith(prefix) for key in state):
            state = {key.removeprefix(prefix): value for key, value in state.items()}
    return state


def _as_timm_has_it(model: nn.Module, state: State, path: Path) -> State:
    """Names and shapes of the net: older names, positions of another grid, a first convolution of three channels."""
    module = sys.modules[type(model).__module__]
    convert = next((found for name in FILTERS if (found := getattr(module, name, None))), None)
    if convert is not None:
        try:
            state = convert(state, model) if convert.__code__.co_argcount > 1 else convert(state)
        except (KeyError, RuntimeError, ValueError, AttributeError, IndexError, TypeError) as error:
            raise TrainingError(f"expected weights of {type(model).__name__} in {path}, got others: {error}") from error
    cfg: Mapping[str, Any] = getattr(model, "pretrained_cfg", {})
    first = cfg.get("first_conv") or ()
    own = model.state_dict()
    for name in (first,) if isinstance(first, str) else first:
        key = f"{name}.weight"
        if key in state and key in own and state[key].ndim == 4 and state[key].shape[1] == 3 != own[key].shape[1]:
            # Grey is the sum over the colours: a grey picture gives what it gave in colour, up to normalisation.
            state[key] = adapt_input_conv(own[key].shape[1], state[key])
    return state


def _fetch(trunk: nn.Module, net: str) -> Path:
    """The file of timm's own weights: out of the cache, else from the network, which is asked once."""
    if not isinstance(trunk, Backbone):
        raise TrainingError(f"expected a net of timm for weights={IMAGENET!r}, got {net!r}: name a file or a run")
    cfg: Mapping[str, Any] = trunk.model.pretrained_cfg
    if not cfg.get("hf_hub_id"):
        where = f"fetch {cfg['url']} and " if cfg.get("url") else ""
        raise TrainingError(f"expected a net whose weights timm can fetch, got {net!r}: {where}set weights to a file")
    repo, _, revision = str(cfg["hf_hub_id"]).partition("@")
    names = [cfg["hf_hub_filename"]] if cfg.get("hf_hub_filename") else ["model.safetensors", "pytorch_model.bin"]
    import huggingface_hub as hub  # asks for its settings when it is imported

    for name in names:
        cached = hub.try_to_load_from_cache(repo, name, revision=revision or None)
        if isinstance(cached, str):
            return Path(cached)
    reason: Exception | None = None
    for name in names:
        try:
            # hf_hub_download asks for half a minute where there is no network; this asks once.
            hub.get_hf_file_metadata(hub.hf_hub_url(repo, name, revision=revision or None), timeout=SECONDS)
            return Path(hub.hf_hub_download(repo, name, revision=revision or None, etag_timeout=math.ceil(SECONDS)))
        except hub.errors.EntryNotFoundError as error:
            reason = error
        except Exception as error:  # of an HTTP client that changes from version to version
            reason = error
            break
    raise TrainingError(
        f"expected the network or the cache to have the weights of {net!r}, got neither: where there is a network, "
        f"fetch {names[0]} of {repo} from the Hugging Face hub, and set weights to that file"
    ) from reason
