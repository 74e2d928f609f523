"""A bundle and labelled pictures -> numbers with intervals, scored through the same path as serving."""
