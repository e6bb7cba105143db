"""Forms: in which precision and memory format a network is run."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.twins import twin_of

DTYPES = {
    "float32": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    # In its convolutions over all channels; the rest stays.
    "mixed": torch.bfloat16,
}
"""The precisions by name: of all weights, or of those that take the time."""

FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Form:
    """How a network is run: ``PRECISION/FORMAT``, such as ``bfloat16/channels_last``.

    ``mixed`` is bfloat16 in convolutions over all channels, where it is fast, and float32 in all else: depthwise
    convolutions are slower in bfloat16, and norms, activations and sums keep their precision.
    """

    precision: str = "float32"
    format: str = "contiguous"

    @classmethod
    def parse(cls, text: str) -> Form:
        """Read one; raise a `DreamscopeError` if it is none."""
        precision, _, format_ = text.partition("/")
        if precision not in DTYPES or format_ not in FORMATS:
            raise DreamscopeError(f"'{text}' is no PRECISION/FORMAT: {', '.join(DTYPES)} / {', '.join(FORMATS)}")
        return cls(precision, format_)

    def __str__(self) -> str:
        return f"{self.precision}/{self.format}"

    def of(self, model: Classifier) -> Classifier:
        """Return a classifier that runs like this; it shares what weights it can."""
        dtype, format_ = DTYPES[self.precision], FORMATS[self.format]
        tensors = [*model.module.parameters(), *model.module.buffers()]
        if self == Form() and all(t.is_contiguous() and t.dtype == dtype for t in tensors if t.is_floating_point()):
            return model
        module = twin_of(model.module, own_parameters=True)
        if self.precision == "mixed":
            for part in module.modules():
                if type(part) is nn.Conv2d and part.groups == 1:
                    part.to(dtype).__class__ = _InItsOwn
        else:
            module = module.to(dtype)
        return model.with_module(module.to(memory_format=format_))


class _InItsOwn(nn.Conv2d):
    """A convolution in a lower precision than its neighbours, which are float32."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.to(self.weight.dtype)).float()
