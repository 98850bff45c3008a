"""Readers of data sets: a source goes in, a manifest comes out.

To add a kind of data set: one new file here with a `Reader`, one line below; the readers are asked in this order, the
general ones last.
"""

from earmark.data.readers import classes, features, gtzan, homus, listing, parts, pianos, pictures
from earmark.data.readers.base import READERS, Reader
from earmark.data.readers.reading import as_manifest, read_manifest, refuse_absent

READERS.register("pictures")(pictures.READER)
READERS.register("homus-zip")(homus.ZIP_READER)
READERS.register("pianos")(pianos.READER)
READERS.register("features")(features.READER)
READERS.register("manifest")(listing.READER)
READERS.register("parts")(parts.READER)
READERS.register("gtzan")(gtzan.READER)
READERS.register("homus-folder")(homus.FOLDER_READER)
READERS.register("classes")(classes.READER)

__all__ = ["READERS", "Reader", "as_manifest", "read_manifest", "refuse_absent"]
