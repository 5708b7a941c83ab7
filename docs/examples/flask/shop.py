"""A shop that confirms its orders by jobs.

flask --app shop run
flask --app shop qless work
"""

import os
import sqlite3

from flask import Flask, current_app, g, jsonify, request

from qless_py import JobFailedError, WaitTimeoutError
from qless_py.frameworks.flask import Qless

qless = Qless(attempts=3)


def create_app():
    """Make the application."""
    app = Flask(__name__)
    app.config.update(
        QLESS_URL=os.environ.get("SHOP_STORE"),
        QLESS_NAMESPACE="shop",
        QLESS_DASHBOARD="/jobs",
        SHOP_NAME="The Corner Shop",
        SHOP_DATABASE=os.environ.get("SHOP_DATABASE", "shop.sqlite3"),
    )
    qless.init_app(app)
    app.teardown_appcontext(close_database)
    app.add_url_rule("/orders", view_func=order, methods=["POST"])
    app.add_url_rule("/orders/<jid>", view_func=show)
    return app


def database():
    """Return the connection of this request or job."""
    if "database" not in g:
        g.database = sqlite3.connect(current_app.config["SHOP_DATABASE"], timeout=20)
        g.database.execute("CREATE TABLE IF NOT EXISTS confirmations (customer TEXT)")
    return g.database


def close_database(_error=None):
    """Close it at the end of the request or job."""
    found = g.pop("database", None)
    if found is not None:
        found.commit()
        found.close()


@qless.job(queue="mail")
def confirm(customer: str) -> str:
    """Confirm an order."""
    database().execute("INSERT INTO confirmations VALUES (?)", (customer,))
    return f"{current_app.config['SHOP_NAME']} thanks {customer}"


def order():
    """Take an order."""
    return jsonify(job=confirm.put(customer=request.form["customer"])), 202


def show(jid):
    """Show what became of an order, waiting a little while for it."""
    job = qless.client.jobs.get(jid)
    if job is None:
        return jsonify(error="there is no such order"), 404
    try:
        return jsonify(state="complete", confirmation=job.wait(timeout=10))
    except (WaitTimeoutError, JobFailedError) as error:
        return jsonify(state=job.refresh().state, error=str(error)), 202
