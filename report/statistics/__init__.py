"""Pure statistics: ratios and their intervals, percentiles, stability, the scalability law."""
