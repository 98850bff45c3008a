"""Lines of symbols: which strokes belong together, what each group is, in reading order."""
