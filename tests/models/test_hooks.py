from __future__ import annotations

import pytest
import torch
from nets import Vgg, hooks_on

from dreamscope.models.hooks import attached


@pytest.mark.parametrize("fault", [None, RuntimeError, KeyboardInterrupt])
def test_hooks_are_gone_whatever_ends_the_block(fault: type[BaseException] | None) -> None:
    module = Vgg()
    seen = []
    try:
        with attached(module, {"features.0": lambda *_: seen.append(1), "classifier": lambda *_: seen.append(2)}):
            module(torch.rand(1, 3, 8, 8))
            if fault is not None:
                raise fault
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert seen == [1, 2]
    assert hooks_on(module) == 0


def test_an_unknown_name_leaves_no_hook_behind() -> None:
    module = Vgg()
    with pytest.raises(AttributeError), attached(module, {"features.0": print, "nowhere": print}):
        pass
    assert hooks_on(module) == 0
