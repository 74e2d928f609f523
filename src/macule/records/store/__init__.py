"""Pictures at rest: content-addressed, encrypted, checked whenever they are read."""
