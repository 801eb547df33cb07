#!/bin/sh
# Runs the tests with each newer Python that is found, on PATH or among those of pyenv, in an environment
# .venv-<version> of its own, without machine code; with the argument "newest" only with the newest of them.
set -eu

versions="3.14 3.13 3.12"

runs() {
    "$1" -c '' >/dev/null 2>&1
}

find_version() {
    for candidate in "python$1" "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$1".*/bin/python; do
        if runs "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    return 1
}

failed=
for version in $versions; do
    if python=$(find_version "$version"); then
        make PYTHON="$python" VENV=".venv-$version" EXTRAS=train,test test || failed="$failed $version"
        if [ "${1:-}" = newest ]; then break; fi
    else
        echo "Python $version is not here; not tested."
    fi
done
if [ -n "$failed" ]; then
    echo "The tests fail with Python$failed." >&2
    exit 1
fi
