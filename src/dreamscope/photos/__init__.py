"""Sets of photos: found in folders, archives and labels files, and streamed in batches.

A set is a list of names, or a stream of them; a photo is read when its batch is due and forgotten after it, so that
memory does not grow with the number of photos.
"""

from dreamscope.photos.labels_file import LABELS_FILE as LABELS_FILE
from dreamscope.photos.photo import Photo as Photo
from dreamscope.photos.photo import Source as Source
from dreamscope.photos.photo import absolute as absolute
from dreamscope.photos.photo import reference as reference
from dreamscope.photos.photo import shuffled as shuffled
from dreamscope.photos.stream import MANY as MANY
from dreamscope.photos.stream import MOST_WORKERS as MOST_WORKERS
from dreamscope.photos.stream import Preparer as Preparer
from dreamscope.photos.stream import Stream as Stream
from dreamscope.photos.stream import by_name as by_name
from dreamscope.photos.stream import ensure_readable as ensure_readable
from dreamscope.photos.walk import SUFFIXES as SUFFIXES
from dreamscope.photos.walk import find as find
from dreamscope.photos.walk import folder_names as folder_names
from dreamscope.photos.walk import holds_several as holds_several
from dreamscope.photos.walk import shards as shards
