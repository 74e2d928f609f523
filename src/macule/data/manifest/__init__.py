"""The manifest: any number of data sets as one Parquet file, one row a picture, with a hash of its content.

Pictures stay where they are: a row names its picture below its data set's root and holds the SHA-256 of its bytes.
The roots are kept beside the rows and do not enter the content hash, so that it is equal on every machine.
"""

from macule.data.manifest.counts import Counts
from macule.data.manifest.reading import Manifest, read
from macule.data.manifest.row import Row
from macule.data.manifest.schema import FORMAT
from macule.data.manifest.writing import Writer, merge, write

__all__ = ["FORMAT", "Counts", "Manifest", "Row", "Writer", "merge", "read", "write"]
