"""dreamscope: look into an image classifier, and change it.

>>> import dreamscope as ds
>>> model = ds.load("efficientnet_lite0")                      # doctest: +SKIP
>>> ds.dream(model, "sample:china").save("dream.png")          # doctest: +SKIP

Importing this loads no torch; the first use of a name does.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from dreamscope.ascent import Step
    from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
    from dreamscope.images import Size
    from dreamscope.images import read as read_image
    from dreamscope.images import write as write_image
    from dreamscope.models.addresses import Address, resolve
    from dreamscope.models.classifier import Classifier, Prediction
    from dreamscope.models.edits import Ablation
    from dreamscope.models.layers import Layer
    from dreamscope.models.registry import load
    from dreamscope.models.wrapping import wrap
    from dreamscope.probes import Probe, probe
    from dreamscope.recipes import Recipe
    from dreamscope.techniques.blind import Blinding, blind
    from dreamscope.techniques.channels import ChannelScores
    from dreamscope.techniques.dissect import dissect
    from dreamscope.techniques.dream import Dream, dream
    from dreamscope.techniques.embedding import Embedding, embed
    from dreamscope.techniques.evaluation import Evaluation, evaluate
    from dreamscope.techniques.exemplar_index import Exemplars
    from dreamscope.techniques.exemplars import exemplars
    from dreamscope.techniques.explain import explain
    from dreamscope.techniques.explanations import Explanation
    from dreamscope.techniques.filters import Filters, filters
    from dreamscope.techniques.fool import Fooling, fool
    from dreamscope.techniques.invert import Inversion, invert
    from dreamscope.techniques.visualization import Visualization
    from dreamscope.techniques.visualize import visualize

_HOMES = {
    "Ablation": "dreamscope.models.edits",
    "Address": "dreamscope.models.addresses",
    "Blinding": "dreamscope.techniques.blind",
    "ChannelScores": "dreamscope.techniques.channels",
    "Classifier": "dreamscope.models.classifier",
    "DivergedError": "dreamscope.errors",
    "Dream": "dreamscope.techniques.dream",
    "DreamscopeError": "dreamscope.errors",
    "Embedding": "dreamscope.techniques.embedding",
    "Evaluation": "dreamscope.techniques.evaluation",
    "Exemplars": "dreamscope.techniques.exemplar_index",
    "Explanation": "dreamscope.techniques.explanations",
    "Filters": "dreamscope.techniques.filters",
    "Fooling": "dreamscope.techniques.fool",
    "Interrupted": "dreamscope.errors",
    "Inversion": "dreamscope.techniques.invert",
    "Layer": "dreamscope.models.layers",
    "Prediction": "dreamscope.models.classifier",
    "Probe": "dreamscope.probes",
    "Recipe": "dreamscope.recipes",
    "Size": "dreamscope.images",
    "Step": "dreamscope.ascent",
    "Visualization": "dreamscope.techniques.visualization",
    "blind": "dreamscope.techniques.blind",
    "dissect": "dreamscope.techniques.dissect",
    "dream": "dreamscope.techniques.dream",
    "embed": "dreamscope.techniques.embedding",
    "evaluate": "dreamscope.techniques.evaluation",
    "exemplars": "dreamscope.techniques.exemplars",
    "explain": "dreamscope.techniques.explain",
    "filters": "dreamscope.techniques.filters",
    "fool": "dreamscope.techniques.fool",
    "invert": "dreamscope.techniques.invert",
    "load": "dreamscope.models.registry",
    "probe": "dreamscope.probes",
    "read_image": "dreamscope.images:read",
    "resolve": "dreamscope.models.addresses",
    "visualize": "dreamscope.techniques.visualize",
    "wrap": "dreamscope.models.wrapping",
    "write_image": "dreamscope.images:write",
}

__all__ = [
    "Ablation",
    "Address",
    "Blinding",
    "ChannelScores",
    "Classifier",
    "DivergedError",
    "Dream",
    "DreamscopeError",
    "Embedding",
    "Evaluation",
    "Exemplars",
    "Explanation",
    "Filters",
    "Fooling",
    "Interrupted",
    "Inversion",
    "Layer",
    "Prediction",
    "Probe",
    "Recipe",
    "Size",
    "Step",
    "Visualization",
    "__version__",
    "blind",
    "dissect",
    "dream",
    "embed",
    "evaluate",
    "exemplars",
    "explain",
    "filters",
    "fool",
    "invert",
    "load",
    "probe",
    "read_image",
    "resolve",
    "visualize",
    "wrap",
    "write_image",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'dreamscope' has no attribute '{name}'")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
