"""The conformance suite as tests of pytest, for models of a plug-in.

    from zoo.testing.conformance import *

    MODELS = ["my_model"]       # optional: default, all models that are not the zoo's own

Each property of `zoo.testing` is a test, run for each model. This module must be imported before
TensorFlow computes.
"""

from collections.abc import Callable
from typing import Any

from zoo.registry import get_class, names
from zoo.testing import PROPERTIES, use_two_devices

__all__ = ["pytest_generate_tests"]


def plugin_models() -> list[str]:
    """The registered models that are not defined in this package."""
    return [name for name in names() if not get_class(name).__module__.startswith("zoo.")]


def pytest_generate_tests(metafunc: Any) -> None:
    """Runs each test that was imported from here for each model in the module's `MODELS`."""
    if metafunc.function in _tests.values():
        models = getattr(metafunc.module, "MODELS", None)
        metafunc.parametrize("name", plugin_models() if models is None else models)


def _test_of(check: Callable[[str], None]) -> Callable[[str], None]:
    def test(name: str) -> None:
        check(name)

    test.__doc__ = check.__doc__
    return test


use_two_devices()
_tests = {f"test_{key}": _test_of(check) for key, check in PROPERTIES.items()}
globals().update(_tests)
__all__ += _tests
