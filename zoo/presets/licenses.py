"""Licenses of weights: the default, and the alternative for data that do not allow the default.

Importing this module needs only Python.
"""

import re
from typing import TYPE_CHECKING

from zoo.errors import UsageError

if TYPE_CHECKING:
    from zoo.data.dataset_info import DatasetInfo

DEFAULT = "apache-2.0"
# Licenses of data that allow every use of weights trained on them.
PERMISSIVE = re.compile(
    r"Apache-2\.0.*|MIT|BSD-[23]-Clause|CC0([- ]1\.0)?|CC[- ]BY([- ]SA)?[- ][\d.]+( FR)?|as MNIST"
    r"|public domain"
)


def choose(license: str | None, data: "DatasetInfo | None") -> dict[str, str]:
    """The fields `license`, `license_name` and `license_link` of a card.

    Args:
        license: license of the weights, as the user chose it; None: the default.
        data: the data set they were trained on; None for data that are not in the catalog.

    Raises UsageError if `license` is None and the license of the data does not allow every use.
    """
    if license is None and data is not None and not PERMISSIVE.fullmatch(data.license):
        raise UsageError(
            f"the license of {data.name} is {data.license!r}, so weights trained on it have no"
            " default license: pass --license NAME, or --license other for the license of the data"
        )
    if license != "other" or data is None:
        return {"license": license or DEFAULT}
    name = re.sub(r"\W+", "-", data.license).strip("-").lower()
    link = {"license_link": data.source} if data.source.startswith("http") else {}
    return {"license": "other", "license_name": name, **link}
