"""Licenses of weights: which one is offered unasked, and what is written of data that rule it out.

Needs only Python.
"""

import re

from zoo.errors import UsageError

DEFAULT = "apache-2.0"
# Of data whose weights may be offered for any use.
OPEN = re.compile(r"Apache-2\.0.*|MIT|CC BY(-SA)? [\d.]+( FR)?|as MNIST")


def chosen(license, data):
    """{"license": ...} of weights trained on a data set, and the facts of a card beside it.

    Args:
        license: what was asked for, or None.
        data: the `DataSet` of the catalog, or None for data of one's own.

    Raises UsageError: none was asked for, and the data's does not allow any use of the weights.
    """
    ruled = data is not None and not OPEN.fullmatch(data.license)
    if license is None and ruled:
        raise UsageError(
            f"the licence of {data.name} is {data.license!r}, so there is no default for weights"
            " trained on it: say --license NAME; --license other names the data's in the card"
        )
    if license != "other" or data is None:
        return {"license": license or DEFAULT}
    name = re.sub(r"\W+", "-", data.license).strip("-").lower()
    link = {"license_link": data.source} if data.source.startswith("http") else {}
    return {"license": "other", "license_name": name, **link}
