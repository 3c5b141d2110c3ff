"""`python -m upstream`: serves requests until it is stopped."""

from __future__ import annotations

import sys

from upstream.cli import main

if __name__ == "__main__":
    sys.exit(main())
