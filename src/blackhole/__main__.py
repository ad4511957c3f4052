"""Runs the command line as `python -m blackhole`."""

import sys

from blackhole.cli import main

sys.exit(main())
