"""The studio's pages and doors, as a Starlette application."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from importlib import resources
from typing import Any
from urllib.parse import parse_qs

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.middleware import Middleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Mount, Route, WebSocketRoute
from starlette.staticfiles import StaticFiles
from starlette.websockets import WebSocket

from dreamscope import __version__
from dreamscope.errors import DreamscopeError
from dreamscope.pages.environment import environment
from dreamscope.studio import page_facts, pictures
from dreamscope.studio.connection import Connection
from dreamscope.studio.security import SameOrigin
from dreamscope.studio.state import Studio
from dreamscope.studio.visits import Visit

_LONGEST_FORM = 4096


def application(studio: Studio, hosts: Sequence[str]) -> Starlette:
    """Return the application.

    Parameters
    ----------
    studio
        What its pages share; closed with it.
    hosts
        Names under which it may be called, without the port.
    """

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(studio.close)

    static = resources.files("dreamscope.studio").joinpath("static")
    shared = resources.files("dreamscope.pages").joinpath("static")
    app = Starlette(
        routes=[
            Route("/", _home),
            Route("/enter", _enter, methods=["GET", "POST"]),
            Route("/pictures", _bring, methods=["POST"]),
            Route("/pictures/{name}", _view),
            Route("/files/{name}", _download),
            Route("/films/{name}", _film),
            Route("/kept", _kept),
            WebSocketRoute("/socket", _connect),
            Mount("/static", StaticFiles(directory=str(static)), name="static"),
            Mount("/shared", StaticFiles(directory=str(shared)), name="shared"),
            Route("/m/{model}/{address:path}", _page),
            Route("/{page}", _page),
        ],
        middleware=[Middleware(SameOrigin, hosts=hosts)],
        exception_handlers={DreamscopeError: _refused},
        lifespan=lifespan,
    )
    app.state.studio = studio
    return app


def _studio(request: HTTPConnection) -> Studio:
    studio: Studio = request.app.state.studio
    return studio


def _visitor(request: Request) -> Visit:
    visit = _studio(request).visit(request)
    if visit is None:
        raise DreamscopeError("this visit has ended; load the page again")
    return visit


def _refused(_: Request, error: Exception) -> Response:
    status = 413 if isinstance(error, pictures.TooLargeError) else 400
    return JSONResponse({"message": str(error)}, status)


async def _home(_: Request) -> Response:
    return RedirectResponse("/dream", 303)


async def _page(request: Request) -> Response:
    studio = _studio(request)
    name = request.path_params.get("page", "look")
    if name not in page_facts.PAGES:
        return _html("missing", studio, 404, facts={})
    known = studio.visits.find(request.cookies.get(studio.cookie))
    if studio.password.needed and (known is None or not known.admitted):
        return RedirectResponse("/enter", 303)
    visit = known or studio.visits.begin()
    made = await run_in_threadpool(page_facts.facts, name, studio.model, dict(request.path_params))
    response = _html(name, studio, 200, facts=made)
    _remember(response, studio, visit, request)
    return response


async def _enter(request: Request) -> Response:
    studio = _studio(request)
    if request.method == "GET" or not studio.password.needed:
        return _html("enter", studio, 200, facts={}, wrong="")
    body = await request.body() if int(request.headers.get("content-length", _LONGEST_FORM)) < _LONGEST_FORM else b""
    given = parse_qs(body.decode("utf-8", "replace")).get("password", [""])[0]
    if studio.password.admits(given):
        visit = studio.visits.begin()
        visit.admitted = True
        response: Response = RedirectResponse("/dream", 303)
        _remember(response, studio, visit, request)
        return response
    blocked = studio.password.blocked
    wrong = "Too many wrong passwords; wait a minute." if blocked else "That is not the password."
    return _html("enter", studio, 429 if blocked else 403, facts={}, wrong=wrong)


def _html(name: str, studio: Studio, status: int, **context: Any) -> HTMLResponse:
    template = environment().get_template(f"studio/{name}.html.jinja")
    text = template.render(page=name, pages=page_facts.PAGES, model=studio.model.name, version=__version__, **context)
    return HTMLResponse(text, status, headers={"cache-control": "no-store"})


def _remember(response: Response, studio: Studio, visit: Visit, request: Request) -> None:
    secure = request.url.scheme == "https"
    response.set_cookie(studio.cookie, visit.name, httponly=True, samesite="strict", secure=secure)


async def _bring(request: Request) -> Response:
    visit = _visitor(request)
    length = request.headers.get("content-length", "")
    body = await pictures.received(request.stream(), int(length) if length.isdigit() else None)
    name = request.headers.get("x-name", "picture")
    kept = await run_in_threadpool(pictures.brought, visit, body, name)
    return JSONResponse({"name": kept.name, "title": kept.title, **kept.facts})


async def _view(request: Request) -> Response:
    side = request.query_params.get("side", "")
    name = request.path_params["name"]
    # A sample photo is everybody's.
    path = f"sample:{name[7:]}" if name in ("sample-china", "sample-flower") else _visitor(request).find(name).path
    body = await run_in_threadpool(pictures.view, path, min(int(side), 4096) if side.isdigit() else None)
    return Response(body, media_type="image/jpeg", headers={"cache-control": "private, max-age=3600"})


async def _download(request: Request) -> Response:
    kept = _visitor(request).find(request.path_params["name"])
    return FileResponse(kept.path, filename=kept.title, media_type="application/octet-stream")


async def _film(request: Request) -> Response:
    kept = _visitor(request).find(request.path_params["name"])
    if kept.facts.get("kind") != "film":
        raise DreamscopeError("that is no film")
    return FileResponse(kept.path, media_type="video/mp4")


async def _kept(request: Request) -> Response:
    kept = [{"name": each.name, "title": each.title, **each.facts} for each in _visitor(request).kept]
    return Response(json.dumps(kept), media_type="application/json", headers={"cache-control": "no-store"})


async def _connect(websocket: WebSocket) -> None:
    studio = _studio(websocket)
    visit = studio.visit(websocket)
    if visit is None:
        await websocket.close(4401)
        return
    await Connection(studio, websocket, visit).run()
