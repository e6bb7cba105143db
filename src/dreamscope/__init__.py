"""dreamscope: look into an image classifier, and change it.

>>> import dreamscope as ds
>>> model = ds.load("efficientnet_lite0")                      # doctest: +SKIP
>>> ds.dream(model, "sample:china").save("dream.png")          # doctest: +SKIP

The public names are listed in ``__init__.pyi``. Importing this loads no torch; the first use of a name does.
"""

from __future__ import annotations

import lazy_loader

__version__ = "0.1.0"

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
