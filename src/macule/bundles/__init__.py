"""The bundles that ship with macule: one folder each, written by training and read by `macule.analysis.bundle`."""

#: The folder here that answers when neither the caller nor MACULE_BUNDLE names another.
DEFAULT = "lite"
