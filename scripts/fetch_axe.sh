#!/usr/bin/env bash
# Fetches axe-core, which the browser tests check the page's accessibility with, into runs/axe: a pinned version, whose
# sha512 must be the one below. It is not part of mien (MPL-2.0), and only the tests read it.
set -euo pipefail
cd "$(dirname "$0")/.."

VERSION=4.10.3
SHA512=5e6edba515e70d25f6604d9815f064d859c5d1ea7ab661bbc4f87c88779ef0c21cae0abbeb636471ef39e9d62d2582e4b88a1866f19f4ecfcf6d986275e4dc12
TARGET=runs/axe/axe-$VERSION.min.js

[ -f "$TARGET" ] && exit 0
mkdir -p runs/axe
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
npm pack "axe-core@$VERSION" --silent --pack-destination "$work" > /dev/null
archive="$work/axe-core-$VERSION.tgz"
echo "$SHA512  $archive" | sha512sum --check --quiet
tar -xzf "$archive" -C "$work" package/axe.min.js
mv "$work/package/axe.min.js" "$TARGET"
