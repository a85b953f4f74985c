"""The sections of the results page that are not about recipes."""

from benchmarks.page_tables import device, table, uncommitted, verdict


def speed(record):
    """The variants of each model in a speed record."""
    head = ("variant", "ratio", "range", "ms per step", "examples per second")
    parts = [record["protocol"] + "\n"]
    for model, variants in record["results"].items():
        rows = [
            (
                variant,
                f"{row['ratio']:.2f}",
                "{:.2f} to {:.2f}".format(*row["ratio_range"]),
                f"{row['ms_per_step']:.1f}",
                f"{1000 * record['settings']['batch_size'] / row['ms_per_step']:.0f}",
            )
            for variant, row in variants.items()
        ]
        parts += [f"`{model}`{uncommitted(record)}, {device(record)}:\n", table(head, rows)]
    return "\n".join(parts)


def finetuning(record):
    """Every method compared with training from scratch, at each number of steps."""
    metric = record["metric"]
    better = "lower" if metric["lower_is_better"] else "higher"
    column = f"{metric['name']} ({metric['unit']}, {better} is better)"
    head = ("method", "steps", column, "from scratch", "difference", "95 % interval", "result")
    rows = [
        (
            row["method"],
            f"{row['steps']:,}",
            f"{row['value']:.5g}",
            f"{row['from_scratch']:.5g}",
            f"{row['difference']:+.3g}",
            "{:+.3g} to {:+.3g}".format(*row["interval"]),
            verdict(row["interval"], metric["lower_is_better"]),
        )
        for row in record["results"]
    ]
    name, minutes = record["source"]["name"], record["seconds"] / 60
    experiment = f"`{record['name']}` {record['budget']}, from `{name}`{uncommitted(record)}"
    line = f"{experiment}; {minutes:.3g} minutes, {device(record)}:\n"
    return "\n".join([f"{record['protocol']}.\n", line, table(head, rows)])


def style_transfer(record):
    """Both optimizers on each pair of a style transfer record."""
    head = ("content x style", "optimizer", "loss", "after", "evaluations", "minutes")
    rows = [
        (
            pair,
            optimizer,
            f"{result['loss']:.5g}",
            f"{result['step']:,} steps",
            f"{result['evaluations']:,}",
            f"{result['seconds'] / 60:.3g}",
        )
        for pair, optimizers in record["results"].items()
        for optimizer, result in optimizers.items()
    ]
    network = record["settings"]["network"]
    line = f"Network: `{network}`{uncommitted(record)}, {device(record)}."
    return "\n".join([record["protocol"] + "\n", line + "\n", table(head, rows)])


def sensitivity(record):
    """The metrics of real images that were altered."""
    head = ("real images", "extractor", "frechet", "precision", "recall")
    rows = [
        (alteration, f"`{extractor}`", *(f"{value:.3g}" for value in values.values()))
        for extractor, alterations in record["results"].items()
        for alteration, values in alterations.items()
    ]
    return "\n".join([record["protocol"] + "\n", table(head, rows)])
