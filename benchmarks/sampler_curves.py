"""Frechet distance by steps, and precision and recall by guidance, of a diffusion model or flow.

    python -m benchmarks.sampler_curves runs/reproduce/ddpm.mnist-cpu-hour --data mnist

Writes NAME-steps.png (the Frechet distance over the number of calls of the network, for several
samplers), NAME-guidance.png (precision and recall over the scale of the guidance; models with
classes only) and NAME.json with all numbers, to `--output`.
"""

import argparse
import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import zoo
from blocks.solvers import SOLVERS
from zoo import data as datasets
from zoo import figures, metrics
from zoo.files import write_json

STEPS = (5, 10, 20, 50)
GUIDANCE = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)
BATCH = 250


def sample(model: Any, n: int, **options: Any) -> np.ndarray:
    """`n` images, in batches with the seeds 0, 1, ..."""
    sizes = [min(BATCH, n - start) for start in range(0, n, BATCH)]
    return np.concatenate(
        [np.asarray(model.sample(size, seed=k, **options)) for k, size in enumerate(sizes)]
    )


def curves(model: Any, data: str, split: str, n: int) -> dict[str, list[dict[str, Any]]]:
    """The scores for each sampler and number of steps, and for each scale of the guidance.

    Args:
        model: a `zoo.DiffusionModel`.
        data: a data set with a bundled classifier.
        split: split of the real images; its first half is the floor of the second.
        n: images that are generated for each point.
    """
    network = metrics.load_classifier(f"{data}-classifier-v1")
    extract = functools.partial(metrics.extract_features, network, name=network.name)
    images = datasets.load(data, split, batch_size=BATCH, drop_remainder=False)
    pixels = images.take(2 * n)["image"]
    reference = extract(pixels[:n], split="first half")
    real = extract(pixels[n:], split="second half")

    def scores(**options: Any) -> dict[str, float]:
        generated = extract(sample(model, n, **options), split="generated")
        found = metrics.image_scores(real, generated, reference)
        values = {name: found[name].value for name in ("frechet", "precision", "recall")}
        return values | {"floor": found["frechet"].floor.value}

    results: dict[str, list[dict[str, Any]]] = {"steps": [], "guidance": []}
    for name, solver in SOLVERS.items():
        try:
            solver.check_path(model.probability_path)
        except ValueError:  # it needs another path
            continue
        for calls in STEPS:
            steps = max(1, calls // solver.evaluations)
            row = {"sampler": name, "steps": steps, "calls": steps * solver.evaluations}
            results["steps"].append(row | scores(sampler=name, steps=steps))
    for guidance in GUIDANCE if model.num_classes and model.label_dropout else ():
        results["guidance"].append({"guidance": guidance} | scores(guidance=guidance))
    return results


def plot_steps(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = figures.plot(760, 480)
    names = dict.fromkeys(row["sampler"] for row in rows)
    for name, color in zip(names, figures.PALETTE, strict=False):
        points = [(row["calls"], row["frechet"]) for row in rows if row["sampler"] == name]
        axes.plot(*zip(*points, strict=True), "o-", color=color, label=name)
    axes.axhline(rows[0]["floor"], color="0.5", linestyle=":", label="other real images")
    axes.set(xscale="log", yscale="log", xlabel="calls of the network", ylabel="Frechet distance")
    axes.legend(frameon=False)
    figures.save(path, figure)


def plot_guidance(rows: list[dict[str, Any]], path: Path) -> None:
    figure, axes = figures.plot(760, 480)
    scales = [row["guidance"] for row in rows]
    for name, color in (("precision", figures.BLUE), ("recall", figures.ORANGE)):
        axes.plot(scales, [row[name] for row in rows], "o-", color=color, label=name)
    axes.set(xlabel="guidance (1 is none)", ylabel="fraction")
    axes.legend(frameon=False)
    figures.save(path, figure)


def main(arguments: Sequence[str] | None = None) -> dict[str, list[dict[str, Any]]]:
    """Runs the command; returns the numbers."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sampler_curves",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("model", help="a preset, a .keras file, or the folder of a run")
    parser.add_argument("--data", default="mnist", help="default: mnist")
    parser.add_argument("--split", default="test", help="default: test")
    parser.add_argument("--images", type=int, default=5000, help="for each point (default: 5000)")
    parser.add_argument("--output", type=Path, default=Path("runs"), help="folder (default: runs)")
    options = parser.parse_args(arguments)
    results = curves(zoo.load(options.model), options.data, options.split, options.images)
    name = Path(options.model).name.removesuffix(".keras")
    write_json(options.output / f"{name}.json", results)
    plot_steps(results["steps"], options.output / f"{name}-steps.png")
    if results["guidance"]:
        plot_guidance(results["guidance"], options.output / f"{name}-guidance.png")
    return results


if __name__ == "__main__":
    main()
