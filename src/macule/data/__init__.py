"""Public data sets, read in their publishers' layouts, and splits that do not leak."""
