import pytest

from tests.population import populate
from tests.script_runner import Scripts


@pytest.fixture
def populated(call: Scripts) -> Scripts:
    """Run scripts in a namespace that holds jobs in every state."""
    populate(call)
    return call
