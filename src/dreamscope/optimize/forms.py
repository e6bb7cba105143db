"""Forms: in which precision and memory format a network is run."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.models.twins import twin_of

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
FORMATS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


@dataclass(frozen=True)
class Form:
    """How a network is run: ``PRECISION/FORMAT``, such as ``bfloat16/channels_last``."""

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
        module = twin_of(model.module, own_parameters=True).to(dtype)
        return model.with_module(module.to(memory_format=format_))
