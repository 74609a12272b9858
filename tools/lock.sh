#!/bin/sh
# Resolve the dependencies of pyproject.toml and package.json again and write the lock files: hashes, no addresses,
# one version for every Python from 3.11 on. Needs uv and npm. `tools/lock.sh --upgrade` takes newer versions.
set -eu
cd "$(dirname "$0")/.."

lock() {
    target=$1
    shift
    uv pip compile --quiet --universal --python-version 3.11 --fork-strategy fewest --generate-hashes \
        --no-emit-index-url --no-emit-find-links --no-header --no-annotate --output-file "$target" "$@"
}

product="pyproject.toml --extra studio --extra demo --group build"
# shellcheck disable=SC2086  # the words of $product are arguments
lock requirements.lock $product "$@"
# shellcheck disable=SC2086
lock requirements-dev.lock $product --group dev --constraint requirements.lock "$@"
lock requirements-node.lock --group frontend "$@"
lock requirements-uv.lock --group installer "$@"
npm install --package-lock-only --omit-lockfile-registry-resolved --ignore-scripts --no-audit --no-fund
