"""What each chart of a report shows, and how it is drawn."""
