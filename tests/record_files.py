"""Records as `zoo reproduce` writes them, for tests."""

import numpy as np

from zoo.recipes import environment, records


def write(
    folder,
    name="vae.some",
    values=(1.0, 2.0, 3.0, 6.0),
    protocol="some; IWAE-5",
    images="sha",
    **changes,
):
    """A record as `zoo reproduce` writes them."""
    values = np.array(values)
    number = {
        "value": values.mean(),
        "interval": [values.mean() - 1, values.mean() + 1],
        "n": len(values),
        "images": images,
        "unit": "nats",
        "lower_is_better": True,
        "protocol": protocol,
    }
    record = {
        "kind": "reproduction",
        "name": name,
        "budget": "paper",
        "protocol": protocol,
        "metrics": {"iwae_5": number, "active_units": {**number, "interval": None, "value": 7}},
        "recipe": {"references": [], "limitations": "a limitation"},
        "epochs": 3,
        "train_seconds": 120.0,
        **environment.environment(),
        "commit": "abc",
        **changes,
    }
    return records.write(folder / f"{name}.{record['budget']}.json", record, {"iwae_5": values})
