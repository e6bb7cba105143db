from __future__ import annotations

import pytest

from dreamscope.engines.base import Here
from dreamscope.engines.choose import NAMES, engine
from dreamscope.engines.local import Local
from dreamscope.errors import DreamscopeError


def test_by_name() -> None:
    assert isinstance(engine(), Local)
    two = engine("local", workers=2)
    assert isinstance(two, Local)
    assert two.workers == 2
    assert isinstance(engine("here", workers=1), Here)


def test_ray() -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'dreamscope[cluster]'")
    assert type(engine("ray", workers=2, address="head:6379")).__name__ == "Ray"


def test_refusals() -> None:
    with pytest.raises(DreamscopeError, match="no engine 'rai'; there are local, ray, here; did you mean 'ray'"):
        engine("rai")
    for name in set(NAMES) - {"ray"}:
        with pytest.raises(DreamscopeError, match="takes none: --engine ray"):
            engine(name, address="head:6379")
    with pytest.raises(DreamscopeError, match="one worker, not 2"):
        engine("here", workers=2)
