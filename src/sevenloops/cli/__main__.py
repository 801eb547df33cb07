"""``python -m sevenloops.cli``."""

import sys

from sevenloops.cli import main

sys.exit(main())
