"""Bundles that are not embedded: packed into one file, got from wherever that is, put in place or removed."""
