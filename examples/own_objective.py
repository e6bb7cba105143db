"""Climb an objective of one's own: what a layer sees in one photo and not in another."""

import dreamscope as ds

model, layer = ds.load("efficientnet_lite0"), "blocks.4.2"
with ds.probe(model, layer) as seen:
    china, flower = (seen(ds.read_image(f"sample:{name}"))[layer].mean((2, 3)) for name in ("china", "flower"))
difference = (china - flower) / (china - flower).norm()
more_china = ds.Objective.of(lambda seen: (seen[layer].mean((2, 3)) * difference).sum(1), layers=layer)
ds.visualize(model, more_china, size=160, steps=64, recipe=False)[0].save("own_objective.png")
