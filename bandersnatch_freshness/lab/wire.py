"""The wire: how the lab's answers are sent, or break."""

from __future__ import annotations

from aiohttp import web

from .origin import Answer


async def respond(request: web.Request, answer: Answer, *, truncated: bool) -> web.StreamResponse:
    """Return the response that an answer is; one that is truncated breaks off halfway, with its connection."""
    if not truncated:
        return web.Response(status=answer.status, headers=answer.headers, body=answer.body)
    response = web.StreamResponse(status=answer.status, headers=answer.headers)
    response.content_length = len(answer.body)
    await response.prepare(request)
    await response.write(answer.body[: len(answer.body) // 2])
    reset(request)
    return response


def reset(request: web.Request) -> None:
    """Reset the connection of a request."""
    if request.transport:
        request.transport.abort()
