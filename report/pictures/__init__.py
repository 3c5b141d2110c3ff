"""What each chart of the page shows: its values, how to read it, and the same as a table."""

from __future__ import annotations
