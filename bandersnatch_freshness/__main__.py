"""`python -m bandersnatch_freshness` is the command `bandersnatch-freshness`."""

import sys

from .cli import main

sys.exit(main())
