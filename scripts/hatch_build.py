"""Before a wheel or sdist is built: the files of ONNX Runtime Web that go into it."""

import runpy
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class WebRuntimeHook(BuildHookInterface):
    """Fetches them where they are not there; where that cannot be, mien is built without, and a warning says so."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Called by hatchling before each build."""
        if version == "editable":  # of a checkout: `make test` fetches them, `make run` needs no npm
            return
        script = runpy.run_path(str(Path(self.root, "scripts", "fetch_web_runtime.py")))
        try:
            script["fetch"]()
        except script["FetchError"] as error:
            self.app.display_warning(f"{error} (built without: `mien export --format web` will not work)")
