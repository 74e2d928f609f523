"""Manifests to and from Hugging Face Datasets: one folder layout, on a disk and on the hub.

    README.md           the card: what it is, counts, licences, sources, the hash
    macule.json         the hash of the rows, by which a pull is checked
    data/rows-*.parquet the rows; with an `image` column if the pictures were pushed as well

`datasets.load_dataset` reads it as it is. The folder goes to the hub in one commit, so that at no moment do rows and
hash contradict each other there, as they would between `Dataset.push_to_hub` and a second commit for the card.
"""

from macule.data.hub.pulling import pull
from macule.data.hub.pushing import push
from macule.data.hub.remote import Repository, target

__all__ = ["Repository", "pull", "push", "target"]
