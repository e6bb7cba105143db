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
    from dreamscope.adversarial.fool import Fooling, fool
    from dreamscope.attribution.explain import explain
    from dreamscope.attribution.result import Explanation
    from dreamscope.dissection.blind import Blinding, blind
    from dreamscope.dissection.dissect import dissect
    from dreamscope.dissection.evaluation import Evaluation, evaluate
    from dreamscope.dissection.scores import ChannelScores
    from dreamscope.dreaming.dream import Dream, dream
    from dreamscope.errors import DivergedError, DreamscopeError, Interrupted
    from dreamscope.exploration.embedding import Embedding, embed
    from dreamscope.exploration.exemplar_index import Exemplars
    from dreamscope.exploration.exemplars import exemplars
    from dreamscope.exploration.filters import Filters, filters
    from dreamscope.images import Size
    from dreamscope.images import read as read_image
    from dreamscope.images import write as write_image
    from dreamscope.models.addresses import Address, resolve
    from dreamscope.models.classifier import Classifier, Prediction
    from dreamscope.models.edits import Ablation
    from dreamscope.models.layers import Layer
    from dreamscope.models.registry import load
    from dreamscope.models.wrapping import wrap
    from dreamscope.objectives.base import Objective
    from dreamscope.optimize.ascend import ascend
    from dreamscope.optimize.ascent import Step
    from dreamscope.optimize.cppn import CPPN
    from dreamscope.optimize.parameterizations import Parameterization
    from dreamscope.probes import Probe, probe
    from dreamscope.recipes import Recipe
    from dreamscope.visualization.invert import Inversion, invert
    from dreamscope.visualization.result import Visualization
    from dreamscope.visualization.visualize import visualize

_HOMES = {
    "CPPN": "dreamscope.optimize.cppn",
    "Ablation": "dreamscope.models.edits",
    "Address": "dreamscope.models.addresses",
    "Blinding": "dreamscope.dissection.blind",
    "ChannelScores": "dreamscope.dissection.scores",
    "Classifier": "dreamscope.models.classifier",
    "DivergedError": "dreamscope.errors",
    "Dream": "dreamscope.dreaming.dream",
    "DreamscopeError": "dreamscope.errors",
    "Embedding": "dreamscope.exploration.embedding",
    "Evaluation": "dreamscope.dissection.evaluation",
    "Exemplars": "dreamscope.exploration.exemplar_index",
    "Explanation": "dreamscope.attribution.result",
    "Filters": "dreamscope.exploration.filters",
    "Fooling": "dreamscope.adversarial.fool",
    "Interrupted": "dreamscope.errors",
    "Inversion": "dreamscope.visualization.invert",
    "Layer": "dreamscope.models.layers",
    "Objective": "dreamscope.objectives.base",
    "Parameterization": "dreamscope.optimize.parameterizations",
    "Prediction": "dreamscope.models.classifier",
    "Probe": "dreamscope.probes",
    "Recipe": "dreamscope.recipes",
    "Size": "dreamscope.images",
    "Step": "dreamscope.optimize.ascent",
    "Visualization": "dreamscope.visualization.result",
    "ascend": "dreamscope.optimize.ascend",
    "blind": "dreamscope.dissection.blind",
    "dissect": "dreamscope.dissection.dissect",
    "dream": "dreamscope.dreaming.dream",
    "embed": "dreamscope.exploration.embedding",
    "evaluate": "dreamscope.dissection.evaluation",
    "exemplars": "dreamscope.exploration.exemplars",
    "explain": "dreamscope.attribution.explain",
    "filters": "dreamscope.exploration.filters",
    "fool": "dreamscope.adversarial.fool",
    "invert": "dreamscope.visualization.invert",
    "load": "dreamscope.models.registry",
    "probe": "dreamscope.probes",
    "read_image": "dreamscope.images:read",
    "resolve": "dreamscope.models.addresses",
    "visualize": "dreamscope.visualization.visualize",
    "wrap": "dreamscope.models.wrapping",
    "write_image": "dreamscope.images:write",
}

__all__ = [
    "CPPN",
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
    "Objective",
    "Parameterization",
    "Prediction",
    "Probe",
    "Recipe",
    "Size",
    "Step",
    "Visualization",
    "__version__",
    "ascend",
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
