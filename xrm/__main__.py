"""python -m xrm."""

import sys

from xrm.cli import main

sys.exit(main())
