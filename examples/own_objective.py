"""Climb an objective of one's own: what a layer sees in one photo and not in the other, dreamt into the other."""

import dreamscope as ds

model, layer = ds.load("efficientnet_lite0"), "blocks.4.2"
with ds.probe(model, layer) as seen:
    china, flower = (seen(ds.read_image(f"sample:{name}"))[layer].mean((2, 3)) for name in ("china", "flower"))
difference = (china - flower).view(1, -1, 1, 1)
more_china = ds.Objective.of(lambda seen: (seen[layer] * difference).mean((1, 2, 3)), layers=layer)
settings = {"size": 256, "steps": 10, "octaves": 3, "precision": "float32/contiguous"}
ds.dream(model, "sample:flower", more_china, **settings, recipe=False).save("own_objective.png")
