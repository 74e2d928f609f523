"""Getting the public data sets: what is asked of whom, and doing it so that nothing is left half-done in silence."""
