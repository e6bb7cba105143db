"""The plan of the house: a room imports only from below, and so does a module inside its room."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import dreamscope

ROOT = Path(dreamscope.__file__).parent

# From the ground up; a room is a folder, or a module that lies in no folder. Inside a room, from the ground up too.
FLOORS: list[tuple[str, list[str]]] = [
    ("errors", []),
    ("files", []),
    ("archives", ["tar", "parquet"]),
    ("images", ["size", "gray_levels", "dicom"]),
    ("photos", ["photo", "labels_file", "walk", "stream"]),
    ("folds", []),
    ("recipes", []),
    ("progress", []),
    ("engines", ["base", "child", "local_worker", "local", "ray_driver", "ray", "choose", "photo_parts"]),
    (
        "models",
        [
            *("hooks", "twins", "recent", "receptive_field", "layers", "residuals"),
            *("known_names", "addresses", "weight_parts", "producers", "edit_base", "randomize", "erase", "ablation"),
            "edits",
            *("relu_rules", "devices", "downloads", "weights"),
            *(
                "labels",
                "classifier",
                "blocks",
                "tails",
                "directions",
                "efficientnet_lite",
                "embedded",
                "wrapping",
                "ensemble",
                "registry",
            ),
            *("projection", "weight_changes", "weight_bench", "weight_export"),
        ],
    ),
    ("probes", []),
    ("objectives", ["base", "class_scores", "excite", "balance", "likeness", "targets"]),
    (
        "optimize",
        [
            *(
                "ingredients",
                "color_correlation",
                "initial_images",
                "parameterizations",
                "cppn",
                "transforms",
                "regularizers",
            ),
            *(
                "gradient_filters",
                "update_rules",
                "folding",
                "forms",
                "tiles",
                "branches",
                "ascent",
                "calibration",
                "precision",
                "ascend",
            ),
        ],
    ),
    (
        "exploration",
        [
            *("projections", "knn", "unit_layers", "responses", "clipping", "patches", "filters", "embedding"),
            *("exemplar_index", "exemplars", "blocks", "activations", "class_weights", "watching"),
        ],
    ),
    (
        "dissection",
        [
            *(
                "intervals",
                "shares",
                "views",
                "tables",
                "classification",
                "classify",
                "channel_masks",
                "statistics",
                "frequency",
                "scores",
                "removals",
                "first_order",
                "aims",
                "greedy",
                "single_ablation",
            ),
            *("predictions", "what_if", "evaluation", "readout", "sites", "passes", "erasure", "photo_set"),
            *("search", "dissect", "arms", "trials"),
            *("dose_response", "blinding", "overlap", "finder", "blind"),
            "found_channels",
        ],
    ),
    (
        "attribution",
        [
            *("base", "gradients", "cam", "perturbations", "metrics", "result", "explain"),
            *("object_masks", "photo_explanations", "explain_photos"),
        ],
    ),
    ("adversarial", ["quantized_steps", "fool"]),
    ("visualization", ["presets", "result", "batches", "visualize", "invert"]),
    ("dreaming", ["frames", "presets", "schedule", "optical_flow", "octaves", "dream", "zoom", "video"]),
    (
        "augmentation",
        [
            *("aims", "keeping", "masks", "hallucination", "plan", "augment"),
            *("mixing", "heads", "arms", "trial", "material", "gain", "measure"),
        ],
    ),
    (
        "sheets",
        [
            "weight_sets",
            "axes",
            "plan",
            "snapshots",
            "cell_cache",
            "work",
            "batching",
            "gallery",
            "layout",
            "differences",
        ],
    ),
    (
        "figures",
        [
            *(
                "lettering",
                "contact_sheets",
                "grids",
                "style",
                "plots",
                "frequency_plot",
                "gradient_panels",
                "attribution_plots",
                "difference_maps",
                "embedding_map",
                "exemplar_sheets",
                "activation_sheets",
                "answer_sheets",
                "before_after",
                "gain_plot",
            ),
            "sheet_picture",
        ],
    ),
    # Films are made of figures, not figures of films.
    ("film", ["reader", "gif", "audio", "editing", "writer", "frame_store", "ascent_film", "sheet_film", "dose_film"]),
    (
        "pages",
        [
            *(
                "environment",
                "imagined",
                "report_text",
                "report_tables",
                "photo_rows",
                "report",
                "sheet_page",
                "map_page",
                "gain_page",
            ),
            "histogram",
        ],
    ),
    (
        "microscope",
        [
            *("items.base", "store", "settings", "photo_statistics", "photo_pass"),
            *("items.bench", "items.photo_views", "items.channel_pictures", "items.exemplars"),
            *("items.layer_pictures", "items.class_effects", "items.class_channels", "items.wiring"),
            *("items.class_pictures", "items.trust", "items.classes", "items.activation_atlas", "items.kinds", "items"),
            *("about", "records", "columns", "catalog", "search_index", "wording", "views", "site", "build"),
        ],
    ),
    (
        "studio",
        [
            *("visits", "jobs", "pictures", "given", "security", "store", "atlas", "state"),
            *("actions.dream", "actions.look", "actions.explain", "actions.fool", "actions.invert", "actions.map"),
            *("actions.film", "actions.live", "actions.blind", "actions.blind_for_good", "actions"),
            *("page_facts", "connection", "app", "server"),
        ],
    ),
    (
        "cli",
        [
            *("exits", "allocator", "threads", "output", "options", "photo_options", "channel_options"),
            *("film", "film_job", "replay"),
            *("dream", "visualize", "invert", "fool", "dissect", "blind", "explain", "exemplars", "filters", "map"),
            "augment",
            *(
                "activations",
                "sheet_inputs",
                "sheet",
                "zoom",
                "video",
                "models",
                "layers",
                "classify",
                "recipe",
                "studio",
                "microscope",
                "doctor",
                "app",
            ),
        ],
    ),
]
HEIGHT = {
    name: height
    for height, name in enumerate(
        name for room, modules in FLOORS for name in [*(f"{room}.{module}" for module in modules), room]
    )
}


def modules(root: Path) -> dict[str, Path]:
    """Return all modules but those at the top that start with two underscores: they are the roof."""
    paths = [path for path in root.rglob("*.py") if path.parent != root or not path.name.startswith("__")]
    return {".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__"): path for path in paths}


def imported(name: str, path: Path, known: dict[str, Path]) -> Iterator[str]:
    """Yield the modules of dreamscope that a file imports anywhere in it, for types only or not."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name} imports relatively"
            found = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        for full in found:
            parts = full.split(".")[1:]
            if full.startswith("dreamscope.") and parts[0] not in ("__version__", "__main__"):
                yield ".".join(parts) if ".".join(parts) in known else ".".join(parts[:-1])


def upward(root: Path) -> list[str]:
    """Return what is imported from above, as ``importer -> imported``."""
    known = modules(root)
    return [
        f"{name} -> {other}"
        for name, path in sorted(known.items())
        for other in imported(name, path, known)
        # A room's own list of names imports from its modules, not they from it.
        if other not in HEIGHT or HEIGHT[other] >= HEIGHT[name]
    ]


def test_imports_go_down() -> None:
    assert upward(ROOT) == []


def test_every_module_stands_on_a_floor() -> None:
    assert set(modules(ROOT)) == set(HEIGHT)


@pytest.mark.parametrize(
    ("importer", "line", "found"),
    [
        ("models.hooks", "from dreamscope.probes import probe", "models.hooks -> probes"),
        ("optimize.transforms", "from dreamscope.optimize import ascent", "optimize.transforms -> optimize.ascent"),
        ("objectives.base", "import dreamscope.dreaming.dream", "objectives.base -> dreaming.dream"),
        (
            "dissection.scores",
            "if TYPE_CHECKING:\n    from dreamscope.pages.report import write",
            "dissection.scores -> pages.report",
        ),
        ("film.gif", "def later():\n    from dreamscope.film.writer import Film", "film.gif -> film.writer"),
    ],
)
def test_a_planted_import_from_above_is_found(tmp_path: Path, importer: str, line: str, found: str) -> None:
    for name, path in modules(ROOT).items():
        copy = tmp_path / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text("utf-8") + (f"\n\n{line}\n" if name == importer else ""), "utf-8")
    assert upward(tmp_path) == [found]


@pytest.mark.parametrize("code", ["import dreamscope", "from dreamscope.cli.app import application; application()"])
def test_no_torch_until_it_is_needed(code: str) -> None:
    check = f"{code}; import sys; assert not {{'torch', 'numpy', 'timm'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)


def test_public_names_are_there() -> None:
    for name in dreamscope.__all__:
        assert getattr(dreamscope, name) is not None
    with pytest.raises(AttributeError, match="nightmare"):
        dreamscope.nightmare  # noqa: B018
