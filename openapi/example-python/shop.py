"""The shop as a program in Python sees it: sessions that renew their tokens, and problems as exceptions.

Every operation and every body has its types from the API's document, in the package `cartwright` that is generated from
it. Copy this file as it is.
"""

from collections.abc import Generator
from typing import TypeVar

import httpx

from cartwright import AuthenticatedClient, Client
from cartwright.api.accounts import login, refresh_token
from cartwright.models import Login, Problem, RefreshRequest, TokenPair

T = TypeVar("T")


class ShopError(Exception):
    """What the shop says when it cannot do what it was asked. Switch on `code`, show the message."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem

    @property
    def code(self) -> str:
        """Stable and made for programs: `out_of_stock`, `validation_failed`, …"""
        return self.problem.code

    @property
    def fields(self) -> dict[str, str]:
        """What to write beside which field of a form: `password` → `must have 8 to 128 characters`."""
        return {fault.field: fault.message for fault in self.problem.errors or []}


def answer(answered: T | Problem | None) -> T:
    """What an operation answered; or a `ShopError` is raised."""
    if isinstance(answered, Problem):
        raise ShopError(answered)
    assert answered is not None, "every operation of the document says what it answers"
    return answered


def visit(shop: str) -> Client:
    """Nobody in particular: may browse, fill a cart and register."""
    return Client(base_url=shop)


def sign_in(shop: str, who: Login) -> AuthenticatedClient:
    """Somebody who is signed in. With a `cart_id`, the cart that was filled before becomes theirs."""
    session = Session(shop, answer(login.sync(client=visit(shop), body=who)))
    return AuthenticatedClient(base_url=shop, token="", httpx_args={"auth": session})


class Session(httpx.Auth):
    """Gives each request the access token, and a new one once it has expired."""

    def __init__(self, shop: str, tokens: TokenPair) -> None:
        self.shop = shop
        self.tokens = tokens

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self.tokens.access}"
        response = yield request
        if response.status_code == httpx.codes.UNAUTHORIZED:
            self.tokens = answer(
                refresh_token.sync(client=visit(self.shop), body=RefreshRequest(refresh=self.tokens.refresh))
            )
            request.headers["Authorization"] = f"Bearer {self.tokens.access}"
            yield request
