"""Benchmarks: dreamscope beside the bare floor and its peers, in one process, interleaved.

``python -m benchmarks`` runs all; ``python -m benchmarks vgg19 lite0`` some. The peers (torch-lucent,
torch-dreams) come with ``pip install -e '.[bench]'``; without them their rows are left out and said so.
"""
