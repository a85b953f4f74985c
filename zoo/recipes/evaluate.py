"""What a recipe asks of a trained model, from its measures to the numbers of a record."""

import functools
from dataclasses import replace

from zoo.errors import UnknownNameError, UsageError
from zoo.files import write_atomically


def check(recipe, budget, train, test):
    """Raises, before anything is trained, what would stop the measuring."""
    from zoo import metrics
    from zoo.metrics.caption_metrics import CAPTION_METRICS
    from zoo.metrics.latents import require_labels

    for one in recipe.measures(budget):
        if one.name == "bleu" and one.told["protocol"] not in metrics.BLEU_PROTOCOLS:
            raise UnknownNameError("BLEU protocol", one.told["protocol"], metrics.BLEU_PROTOCOLS)
        if one.name == "caption_scores" and one.told["score"] not in CAPTION_METRICS:
            raise UnknownNameError("caption score", one.told["score"], CAPTION_METRICS)
        if one.name == "knn_accuracy":
            require_labels(train.take(1))
            require_labels(test.take(1))
        if one.generated:
            metrics.load_classifier(one.told["extractor"]).check(test.take(1)["image"])
            if train.num_examples < one.told["images"]:
                raise UsageError(
                    f"a floor for {one.told['images']:,} generated images needs as many training"
                    f" images, got {train.num_examples:,}: ask for fewer (images= of the measure)"
                )


def evaluated(recipe, budget, trainer, train, test):
    """({metric: number as the record holds it}, {metric: values of single images}).

    Args:
        trainer: has the weights to be measured, or their averages.
        train: called for the training images, in order.
        test: the test images.
    """
    numbers, values = {}, {}
    judged = functools.cache(functools.partial(judge, trainer, train, test))
    spoken = functools.cache(functools.partial(speak, trainer, test, recipe.texts))
    for measure in recipe.measures(budget):
        each = None
        if measure.generated:
            found = judged(measure.told["extractor"], measure.told["images"])[measure.name]
        elif measure.metric.of == "texts":
            told = measure.told
            said = spoken(told["num_beams"], told["length_penalty"], told.get("texts"))
            found = scored(measure, said, recipe.texts.references(test.corpus))
        else:
            with trainer.averaged_weights() as model:
                found, each = measured(measure, model, train, test)
        numbers[measure.key] = {
            **found,
            "unit": measure.metric.unit,
            "lower_is_better": measure.metric.lower_is_better,
            "protocol": recipe.protocol(budget, measure),
        }
        if each is not None:
            values[measure.key] = each
    return numbers, values


def measured(measure, model, train, test):
    """(a dict about one number, the values of single images or None)."""
    from zoo import metrics

    arguments, sign = measure.arguments, 1
    match measure.name:
        case "active_units":
            count, variances = metrics.active_units(model, test, **arguments)
            return {"value": count, "n": len(variances)}, None
        case "aggregate_mmd":
            value, p = metrics.aggregate_mmd(model, test, **arguments)
            return {"value": value, "p": p}, None
        case "reconstruction_error":
            found = metrics.reconstruction_error(model, test, **arguments)
        case "knn_accuracy":
            found = metrics.knn_accuracy(model, train(), test, **arguments)
        case "log_likelihood" | "elbo":
            sign = -1  # a bound on log p becomes nats to be paid
            arguments = {"samples": 1, "seed": 0, "progress": True} | arguments
            found = metrics.log_likelihood(model, test, **arguments)
        case "l1" | "psnr" | "ssim":
            found = getattr(metrics, measure.name)(*metrics.translate(model, test))
    interval = sorted(sign * end for end in found.interval)
    number = {"value": sign * found.mean, "interval": interval, "n": found.n}
    return number | {"images": found.images}, sign * found.values


def speak(trainer, test, texts, num_beams, length_penalty, count):
    """What the model says of the first `count` of the test, of all if None; the run keeps it."""
    search = {"num_beams": num_beams, "length_penalty": length_penalty} if num_beams > 1 else {}
    with trainer.averaged_weights() as model:
        said = texts.generate(model, test.corpus, count, **search)
    if trainer.workdir:
        lines = "".join(f"{' '.join(line.split())}\n" for line in said).encode()
        path = trainer.workdir.path / f"test-beam{num_beams}.txt"
        write_atomically(path, lambda file: file.write(lines))
    return said


def scored(measure, said, references):
    """A dict about the number that a metric of texts gives to what was said."""
    from zoo import metrics

    told = measure.told
    protocol = [told["protocol"]] if measure.name == "bleu" else []
    score = getattr(metrics, measure.name)(said, references[: len(said)], *protocol)
    score = score[told["score"]] if measure.name == "caption_scores" else score
    return {
        "value": score.value,
        "interval": [*score.interval],
        "n": score.n,
        "signature": score.protocol,
        "references": score.references,
    }


def judge(trainer, train, test, extractor, images):
    """All that a network says of `images` generated images: {metric: a dict about its number}.

    The real ones are those of `test`; floors are of as many images of `train()`, drawn with seed 0.
    """
    from zoo import metrics
    from zoo.metrics.model_outputs import sample_rows

    net = metrics.load_classifier(extractor)
    see = functools.partial(metrics.extract_features, net, name=net.name, progress=True)
    known, real = (see(whole(data), split=f"{data.name} {data.split}") for data in (train(), test))
    with trainer.averaged_weights() as model:
        made = see(metrics.generate(model, images), split=f"{model.name}, seed 0")
    rows = sample_rows(known.n, images, seed=0)
    other = replace(
        known,
        values=known.values[rows],
        labels=known.labels[rows],
        split=f"{images:,} of {known.split}, seed 0",
    )
    common = {
        "extractor": net.name,
        "n": images,
        "n_real": real.n,
        "images": metrics.fingerprint(whole(test)),
    }
    found = {
        name: common
        | {"value": score.value, "floor": score.floor.value}
        | ({} if score.error is None else {"error": score.error})
        for name, score in metrics.image_scores(real, made, other).items()
    }
    histogram = functools.partial(
        metrics.label_histogram_distance, real.labels, num_classes=net.num_classes
    )
    distance, dropped = histogram(made.labels)
    floor, _ = histogram(other.labels)
    found["label_histogram"] = common | {"value": distance, "dropped": dropped, "floor": floor}
    copied = metrics.memorization(known, made, real)
    found["memorization"] = common | {
        "value": copied.ratio,
        "floor": 1.0,  # test images, by definition
        "z": copied.z,
        "copies": copied.copies,
        "copies_in_test": copied.copies_in_test,
        "n_train": copied.n_train,
    }
    return found


def whole(data):
    """All images of a `zoo.data.ArrayDataset`, in order: [n, h, w, c]."""
    return data.take(data.num_examples)["image"]
