"""``python -m reconciler`` is ``reconcile``."""

from __future__ import annotations

import sys

from reconciler import cli

if __name__ == "__main__":
    sys.exit(cli.main())
