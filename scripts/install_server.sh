#!/bin/sh
# What the Dockerfile does, as one script: installs mien with its server from the folder it stands in into an environment
# of its own, and sees that it starts. Needs Python 3.11 or newer, nothing else, and no rights but to write the target.
#
#     scripts/install_server.sh /opt/mien
set -eu
target=${1:?expected the folder of the environment, got none: scripts/install_server.sh /opt/mien}
cd "$(dirname "$0")/.."

python3 -m venv "$target"
"$target/bin/python" -m pip install --quiet --disable-pip-version-check --no-cache-dir --constraint constraints.txt ".[web]"
"$target/bin/mien" --version
"$target/bin/python" -c "from mien.web.app import create_app; create_app()"
