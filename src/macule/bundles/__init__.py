"""The bundles that ship with macule: one folder each, written by training and read by `macule.analysis.bundle`.

INDEX names those that do not ship with it: where each can be got, or how it is made.
"""

#: The folder here that answers when neither the caller nor MACULE_BUNDLE names another.
DEFAULT = "default"
#: A file here, read by `macule.analysis.shelf`.
INDEX = "index.toml"
