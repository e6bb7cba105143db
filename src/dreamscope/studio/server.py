"""The studio's server: on this machine alone, unless a password lets others in."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dreamscope.errors import DreamscopeError
from dreamscope.models.classifier import Classifier
from dreamscope.photos import Photo, Source, find

if TYPE_CHECKING:
    import uvicorn
    from starlette.applications import Starlette

PORT = 8765

_EVERYWHERE = ("0.0.0.0", "::", "")


def studio(
    model: Classifier | None = None,
    *,
    host: str = "127.0.0.1",
    port: int = PORT,
    password: str | None = None,
    names: Sequence[str] = (),
    grace: float = 300.0,
    photos: Source | Sequence[Source | Photo] = (),
    microscope: str | Path | None = None,
    ready: Callable[[str], None] = print,
) -> None:
    """Open the studio: pages to dream, look, explain, blind and more in a browser. Returns when it is stopped.

    Parameters
    ----------
    model
        The classifier; the default one if not given.
    host
        The address that is listened on.
    port
        Its port; the next free one if it is taken, any with 0.
    password
        What visitors have to give; demanded where others than this machine can reach it.
    names
        Further names under which it may be called, such as that of a proxy.
    grace
        Seconds from a visitor's last page that was closed until what was brought and made is gone.
    photos
        Folders, photos or labels files, see `dreamscope.photos.find`, in which all visitors see what excites a channel;
        those that they bring are theirs alone.
    microscope
        The folder of an atlas, see `dreamscope.microscope`, which gives the pictures of channels that it has, and gets
        those that are made here; begun if there is none.
    ready
        Called with the address to open, and once more with advice where others can reach it.

    Raises
    ------
    DreamscopeError
        If the packages of the extra ``studio`` are not there, if others could come in without a password, if there
        are no such photos, if the atlas is of another network, or if there is no free port.
    """
    try:
        from dreamscope.studio.actions.dream import prepare
        from dreamscope.studio.app import application
        from dreamscope.studio.atlas import AtlasPictures
        from dreamscope.studio.security import LOOPBACK, Password
        from dreamscope.studio.state import Studio
        from dreamscope.studio.visits import Visits
    except ImportError as error:
        raise DreamscopeError(f"the studio needs {error.name}: pip install 'dreamscope[studio]'") from error
    if host not in LOOPBACK and not password:
        raise DreamscopeError(f"on {host} others could come in: give --password, or leave --host at 127.0.0.1")
    found = tuple(find(photos)) if photos else ()
    if model is None:
        from dreamscope.models.registry import load

        model = load()
    atlas = None if microscope is None else AtlasPictures(model, microscope)
    own_socket = listening(host, port)
    own_port = own_socket.getsockname()[1]
    hosts = [*LOOPBACK, *names, *(_own_names() if host in _EVERYWHERE else [host])]
    shared = Studio(model, Password(password), Visits(grace), own_port, photos=found, atlas=atlas)
    server = server_of(application(shared, hosts))
    shown = "localhost" if host in LOOPBACK or host in _EVERYWHERE else host
    ready(f"http://{shown}:{own_port}/")
    if host not in LOOPBACK:
        ready(
            "The password goes over the network as it is: put TLS before it, such as "
            f"'caddy reverse-proxy --from https://NAME --to localhost:{own_port}', and give --name NAME."
        )
    threading.Thread(target=prepare, args=(model,), name="preparing", daemon=True).start()
    with own_socket:
        server.run(sockets=[own_socket])


def server_of(app: Starlette) -> uvicorn.Server:
    """Return the server of an application: stopped, it does not wait long for open pages."""
    import uvicorn

    return uvicorn.Server(
        uvicorn.Config(
            app,
            log_level="warning",
            ws="websockets-sansio",
            ws_max_size=4 * 2**20,
            # Nearly all that goes over it are pictures, which are packed already.
            ws_per_message_deflate=False,
            timeout_graceful_shutdown=2,
            server_header=False,
        )
    )


def listening(host: str, port: int) -> socket.socket:
    """Return a socket that listens on the first free port from `port` on."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    for candidate in range(port, port + 20) if port else (0,):
        # Only of a socket that is said to be TCP asyncio turns off Nagle's algorithm, which holds small messages back
        # until the last is acknowledged: 40 ms for every answer.
        found = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((host, candidate))
            # Whoever opens the address before the server runs waits, and is not turned away.
            found.listen()
        except OSError:
            found.close()
            continue
        return found
    raise DreamscopeError(f"can't listen on {host}:{port} or the 19 ports after it; give another --port or --host")


def _own_names() -> list[str]:
    """Return the names and addresses of this machine."""
    name = socket.gethostname()
    try:
        addresses = [str(found[4][0]) for found in socket.getaddrinfo(name, None)]
    except OSError:
        addresses = []
    return [name, f"{name}.local", *addresses]
