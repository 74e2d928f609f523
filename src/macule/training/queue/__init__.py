"""`macule queue`: a TOML file of experiments -> runs, one after the other, across as many days as it takes.

entry, plan: the file, checked. work: trains what is next, with ledger, lock and clock. standing: what is done and to
come. answers, measures: what a run is worth on the calibration part. journal, page: what came of it, in Markdown.
"""

from macule.training.queue.entry import Entry
from macule.training.queue.plan import Item, Plan, load

__all__ = ["Entry", "Item", "Plan", "load"]
