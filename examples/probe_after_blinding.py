"""How well can a fresh linear probe still tell flowers from a temple, once 300 of 320 channels are removed?"""

import dreamscope as ds

model = ds.load("efficientnet_lite0")
flowers = ds.read_image("sample:flower")[0].unfold(1, 106, 106).unfold(2, 106, 106).flatten(1, 2).transpose(0, 1)
temples = ds.read_image("sample:china")[0].unfold(1, 106, 106).unfold(2, 106, 106).flatten(1, 2).transpose(0, 1)
for name, each in {"before": model, "after": model.edited(ds.Ablation("blocks.6.0:0-299"))}.items():
    found = ds.linear_probe(each, "bn2.act", flowers, temples)
    print(f"{name}: area under the curve {found.auc:.3f}, accuracy {found.accuracy:.3f}")
