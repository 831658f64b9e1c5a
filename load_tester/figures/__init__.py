"""What the records say: percentiles, counts, the verdict, objectives, comparisons. Pure."""
