"""The base class of objects that configure a layer or a model and that Keras can save."""

from typing import Any, Self


class Serializable:
    """Base of objects that Keras can save: their attributes are the constructor's arguments."""

    def get_config(self) -> dict[str, Any]:
        return dict(vars(self))

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        return cls(**config)
