"""The public names, each once: what `dreamscope.NAME` loads, and what type checkers see."""

from . import objectives as objectives
from .adversarial.fool import Fooling as Fooling
from .adversarial.fool import fool as fool
from .attribution.explain import explain as explain
from .attribution.result import Explanation as Explanation
from .dissection.blind import Blinding as Blinding
from .dissection.blind import blind as blind
from .dissection.dissect import dissect as dissect
from .dissection.evaluation import Evaluation as Evaluation
from .dissection.evaluation import evaluate as evaluate
from .dissection.readout import Readout as Readout
from .dissection.readout import linear_probe as linear_probe
from .dissection.scores import ChannelScores as ChannelScores
from .dreaming.dream import Dream as Dream
from .dreaming.dream import dream as dream
from .errors import DivergedError as DivergedError
from .errors import DreamscopeError as DreamscopeError
from .errors import Interrupted as Interrupted
from .exploration.embedding import Embedding as Embedding
from .exploration.embedding import map as map
from .exploration.exemplar_index import Exemplars as Exemplars
from .exploration.exemplars import exemplars as exemplars
from .exploration.filters import Filters as Filters
from .exploration.filters import filters as filters
from .images import Size as Size
from .images import read_image as read_image
from .images import write_image as write_image
from .models.addresses import Address as Address
from .models.addresses import resolve as resolve
from .models.classifier import Classifier as Classifier
from .models.classifier import Prediction as Prediction
from .models.edits import Ablation as Ablation
from .models.layers import Layer as Layer
from .models.registry import load as load
from .models.wrapping import wrap as wrap
from .optimize.ascent import Step as Step
from .probes import Probe as Probe
from .probes import probe as probe
from .recipes import Recipe as Recipe
from .visualization.batch import Visualization as Visualization
from .visualization.invert import Inversion as Inversion
from .visualization.invert import invert as invert
from .visualization.visualize import visualize as visualize

__version__: str
