"""What gunicorn serves: the API, open to this machine, with room for every reader."""

from __future__ import annotations

from qless_py.http import HttpConfig, create_api

app = create_api(config=HttpConfig())
