"""A node's application, asked in process as its operator."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from node.api.app import create_app
from node.home import read_token
from node.node import Node

FIELDS = {"where", "expected", "found", "action", "code"}


class Api:
    """One client of one application; every request is the operator's unless it says otherwise."""

    def __init__(self, node: Node) -> None:
        self.node = node
        self.app = create_app(node)
        self.token = read_token(node.home)
        self._runner = asyncio.Runner()
        self._client = httpx.AsyncClient(
            transport=httpx.ASGITransport(app=self.app, client=("192.0.2.7", 1)), base_url="http://node.test"
        )

    def request(self, method: str, path: str, *, anonymous: bool = False, **more: Any) -> httpx.Response:
        headers: dict[str, Any] = dict(more.pop("headers", {}))
        if not anonymous:
            headers.setdefault("authorization", f"Bearer {self.token}")
        return self._runner.run(self._client.request(method, path, headers=headers, **more))

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.request("POST", path, **more)

    def post_at_once(self, path: str, forms: list[Any]) -> list[httpx.Response]:
        """Several posts that are under way together."""

        async def post_all() -> list[httpx.Response]:
            headers = {"authorization": f"Bearer {self.token}"}
            posts = (self._client.post(path, json=form, headers=headers) for form in forms)
            return await asyncio.gather(*posts)

        return self._runner.run(post_all())

    def get_from(self, address: str, path: str, headers: dict[str, str]) -> httpx.Response:
        """Ask without the token, as a caller at that address."""

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(app=self.app, client=(address, 1))
            async with httpx.AsyncClient(transport=transport, base_url="http://node.test") as client:
                return await client.get(path, headers=headers)

        return self._runner.run(ask())

    def size(self) -> int:
        """Entries in the own log."""
        return self.node.state.own.copy.size

    def refusal(self, response: httpx.Response, status: int) -> dict[str, str]:
        """The error of a refusal, whose form is checked."""
        assert response.status_code == status, response.text
        assert response.headers["content-type"].startswith("application/json")
        error: dict[str, str] = response.json()["error"]
        assert set(error) == FIELDS
        assert error["where"]
        assert error["found"]
        return error

    def close(self) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()


@pytest.fixture
def api(node: Node) -> Iterator[Api]:
    api = Api(node)
    yield api
    api.close()
