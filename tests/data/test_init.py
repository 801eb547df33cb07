import subprocess
import sys

import sevenloops.data

PROBE = """
import sys
import numpy.random
before = set(sys.modules)
import sevenloops.data
sevenloops.data.digits()
names = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(names - set(sys.stdlib_module_names) - {"numpy", "sevenloops"}))
"""


def test_only_numpy_is_imported():
    result = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == ""


def test_every_public_name_exists_once():
    names = sevenloops.data.__all__
    assert len(set(names)) == len(names)
    assert all(hasattr(sevenloops.data, name) for name in names)
