"""A shop that confirms its orders by jobs: `uvicorn shop:api`, `qless-py --app shop:app work`."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import Depends, FastAPI, HTTPException
from pydantic import BaseModel

import qless_py
from qless_py.aio import Client

app = qless_py.App(os.environ.get("SHOP_STORE"), namespace="shop", attempts=3)


@app.job(queue="mail")
async def confirm(customer: str) -> str:
    """Confirm an order."""
    return f"{customer}, your order is on its way"


async def qless() -> Client:
    """Return the client of this event loop, which closes with the loop."""
    return app.aio


Qless = Annotated[Client, Depends(qless)]


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    """Fail at the start if the store cannot be reached, not at the first request."""
    await app.aio.queues["mail"].counts()
    yield


api = FastAPI(lifespan=lifespan)


class Order(BaseModel):
    """What a customer sends."""

    customer: str


@api.post("/orders", status_code=202)
async def order(client: Qless, ordered: Order) -> dict[str, str]:
    """Take an order."""
    return {"job": await confirm.put_async(client, customer=ordered.customer)}


@api.get("/orders/{jid}")
async def show(client: Qless, jid: str) -> dict[str, str | None]:
    """Show what became of an order, waiting a little while for it."""
    job = await client.jobs.get(jid)
    if job is None:
        raise HTTPException(404, "there is no such order")
    try:
        return {"state": "complete", "confirmation": await job.wait(timeout=10)}
    except qless_py.WaitTimeoutError:
        return {"state": (await job.refresh()).state, "confirmation": None}
