"""Engines by name."""

from __future__ import annotations

from dreamscope.engines.base import Engine, Here
from dreamscope.engines.local import Local
from dreamscope.errors import DreamscopeError, ensure_one_of

NAMES = ("local", "ray", "here")


def engine(name: str = "local", *, workers: int | None = None, address: str | None = None) -> Engine:
    """Return an engine.

    Parameters
    ----------
    name
        ``local``: processes of this machine. ``ray``: actors of a Ray cluster. ``here``: this process alone. Behind a
        colon, how many processes or the cluster's address: ``local:8``, ``ray:10.0.0.5:6379``.
    workers
        How many; one for each processor, or as many as the cluster has places for, if not given.
    address
        Of a Ray cluster, see `dreamscope.engines.ray.Ray`.

    Raises
    ------
    DreamscopeError
        If there is no such engine, or it takes no such argument.
    """
    name, _, more = name.partition(":")
    ensure_one_of(name, NAMES, "engine")
    if more and name == "ray" and address is None:
        address = more
    elif more and name == "local" and workers is None and more.isdecimal():
        workers = int(more)
    elif more:
        raise DreamscopeError(f"there is no engine '{name}:{more}'; there are local, local:8, ray, ray:HOST:PORT, here")
    if address is not None and name != "ray":
        raise DreamscopeError(f"an address is that of a Ray cluster; engine '{name}' takes none: --engine ray")
    if name == "ray":
        # Where Ray is not installed, the others are there.
        from dreamscope.engines.ray import Ray

        return Ray(address, workers)
    if name == "local":
        return Local(workers)
    if workers not in (None, 1):
        raise DreamscopeError(f"engine 'here' is one worker, not {workers}; several: --engine local")
    return Here()
