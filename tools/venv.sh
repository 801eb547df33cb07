#!/bin/sh
# Makes a virtual environment, where there is none that works, and installs into it:
#
#     sh tools/venv.sh FOLDER REQUIREMENT...
set -eu

folder=$1
shift

# The programs of an environment are in bin, on Windows in Scripts.
in_venv() {
    PATH="$PWD/$folder/bin:$PWD/$folder/Scripts:$PATH" "$@"
}

works() {
    [ -f "$folder/pyvenv.cfg" ] && in_venv python -c 'import pip, sys; sys.exit(sys.prefix == sys.base_prefix)' 2>/dev/null
}

if ! works; then
    python=$(sh tools/find_python.sh)
    echo "Making $folder with $("$python" --version)." >&2
    "$python" -m venv --clear "$folder"
fi
echo "Installing into $folder: $*" >&2
in_venv python -m pip install --quiet --disable-pip-version-check "$@"
