#!/bin/sh
# Prints the Python that environments are made with: the variable PYTHON, or the first of $candidates that will do.
set -eu

candidates="python3 python3.14 python3.13 python3.12 python3.11 python py"

# Debian keeps the half of venv that brings pip in a package of its own, so ask for that half too.
will_do() {
    "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

if [ -n "${PYTHON:-}" ]; then
    if will_do "$PYTHON"; then
        echo "$PYTHON"
        exit
    fi
    echo "PYTHON must be Python 3.11 or newer with its venv module, but $PYTHON is not; name another one." >&2
    exit 1
fi
for candidate in $candidates; do
    if will_do "$candidate"; then
        echo "$candidate"
        exit
    fi
done
echo "sevenloops needs Python 3.11 or newer with its venv module, but none of $candidates is that;" \
    "install one (on Debian and Ubuntu: python3-venv), or name one: make PYTHON=/path/to/python3." >&2
exit 1
