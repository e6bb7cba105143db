"""Climb the weights of a small network that paints: an image without pixels of its own."""

import dreamscope as ds

model, image = ds.load("efficientnet_lite0"), ds.CPPN(112, seed=2)
settings = {"transform": ["shift:8", "rotate:5"], "crops": 1, "steps": 96, "precision": "float32/contiguous"}
(found,) = ds.visualize(model, "class:monarch", parameterization=image, **settings, recipe=False)
found.save("cppn.png")
