"""Ask the databases of known weaknesses about every package that constraints.txt pins (pip-audit).

    python scripts/audit.py                   # 0 clean, 1 a weakness is known, 2 no database can be reached
    python scripts/audit.py --if-reachable    # the same, but 0 where none can be reached: for continuous integration

Packages whose versions come with another one (CUDA's) are not pinned, and not asked about.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
SERVICES = ("pypi", "osv")  # whichever answers first
PROBE_S, WHOLE_S = 30, 600


def main() -> int:
    """Find a service that answers, ask it about all packages, and say what is known."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--if-reachable", action="store_true", help="0 where no database can be reached")
    excused = parser.parse_args().if_reachable
    pins = [line for line in (ROOT / "constraints.txt").read_text("utf-8").splitlines() if line.strip()]
    for service in SERVICES:
        if _asked(pins[:1], service, PROBE_S) is not None and (answer := _asked(pins, service, WHOLE_S)) is not None:
            return _told(answer, service)
    print("no database of known weaknesses can be reached from here: nothing was audited", file=sys.stderr)
    return 0 if excused else 2


def _asked(pins: list[str], service: str, limit_s: int) -> dict[str, Any] | None:
    """What a service knows of these packages; None where it does not answer."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, "pins.txt")
        path.write_text("\n".join(pins) + "\n", "utf-8")
        command = [sys.executable, "-m", "pip_audit", "--requirement", str(path), "--no-deps", "--disable-pip"]
        command += ["--vulnerability-service", service, "--format", "json", "--progress-spinner", "off"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=limit_s)
            answer: dict[str, Any] = json.loads(done.stdout)
        except (subprocess.TimeoutExpired, ValueError):  # without an answer it prints no JSON
            return None
    # A mirror of packages that knows nothing of weaknesses answers that it does not know any of them.
    return answer if any("skip_reason" not in each for each in answer["dependencies"]) else None


def _told(answer: dict[str, Any], service: str) -> int:
    weak = [(each, found) for each in answer["dependencies"] for found in each.get("vulns", ())]
    for each, found in weak:
        mended = ", ".join(found["fix_versions"]) or "none yet"
        print(f"{each['name']} {each['version']}: {found['id']}, mended in {mended}")
    skipped = [each["name"] for each in answer["dependencies"] if "skip_reason" in each]
    print(
        f"{len(answer['dependencies']) - len(skipped)} packages asked about ({service}), {len(weak)} known weaknesses"
    )
    if skipped:
        print(f"not known there: {', '.join(skipped)}")
    return int(bool(weak))


if __name__ == "__main__":
    sys.exit(main())
