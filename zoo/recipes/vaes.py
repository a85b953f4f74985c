"""Recipes of the variational auto-encoders."""

from zoo.recipes.recipe import Budget, Measure, Recipe, Reference

PRIORS = {
    "vae": "a standard normal prior",
    "mixture_vae": "a mixture of Gaussians as prior",
    "vamp_vae": "a VampPrior",
    "flow_vae": "a flow as prior",
}
DATA = {
    "mnist": {"train": "train[:50000]", "valid": "train[50000:]", "test": "test"},
    "kmnist": {"train": "test[:8000]", "valid": "test[8000:9000]", "test": "test[9000:]"},
}
ORDER = "The order of the images is that of TFDS: the splits are as large as in the literature"
LIMITS = {
    "mnist": f"{ORDER}, but hold other images than those of the original files.",
    "kmnist": "Trained, validated and tested on parts of the 10,000 test images alone; numbers on"
    " the usual split of 60,000 and 10,000 are other numbers.",
}
SMOKE = Budget(1, train_examples=2000, is_images=100)
REST = (Measure("elbo"), Measure("active_units"))

# Gated networks on dynamic MNIST, the experiment that most published numbers are about.

GATED = {
    "vae": {},
    "mixture_vae": {"num_components": 500},
    "vamp_vae": {"num_pseudo_inputs": 500},
    "flow_vae": {"num_couplings": 6},
}
PUBLISHED = {"vae": (84.45, 0.12), "vamp_vae": (82.43, 0.06)}


def gated(model):
    return Recipe(
        name=f"{model}.mnist_gated",
        title=f"Gated 300-300 networks, 40 codes, {PRIORS[model]}, dynamic MNIST",
        model=model,
        config={
            "latent_dim": 40,
            "filters": [],
            "dense_units": [300, 300],
            "bound": "stl",
            **GATED[model],
        },
        data="mnist",
        **DATA["mnist"],
        binarize="dynamic",
        # The VampPrior's step encodes its 500 pictures too: larger batches, fewer of those.
        batch_size=400 if model == "vamp_vae" else 200,
        learning_rate=4e-3 if model == "vamp_vae" else 3e-3,
        schedule="cosine",
        ema=0.999,
        micro_batches=1 if model == "vamp_vae" else 2,
        budgets={"smoke": SMOKE, "cpu-hour": Budget(200), "paper": Budget(2000)},
        metrics=(
            Measure("log_likelihood", samples=5000, images=1000),
            Measure("log_likelihood", samples=500),
            *REST,
        ),
        references=published(model),
        limits=LIMITS["mnist"],
    )


def published(model):
    if model not in PUBLISHED:
        return ()
    value, plus_minus = PUBLISHED[model]
    return (
        Reference(
            value,
            "Exemplar VAE (Norouzi et al., 2020), figure density_estimation,"
            " sajadn/Exemplar-VAE@4dbd091",
            "after up to 2,000 epochs, IS-5000 on all 10,000 test images",
            "mnist train[:50000] / train[50000:] / test, binarized anew each epoch, test once"
            " (seed 777); IS-5000 on all test images, nats",
            plus_minus,
        ),
    )


# The experiment of the TensorFlow Probability introduction, on binary images.

SPACES = {
    "vae": {},
    "mixture_vae": {"num_components": 16},
    "vamp_vae": {"num_pseudo_inputs": 500},
    "flow_vae": {"num_couplings": 6},
}


def introduction(model, data, dims):
    return Recipe(
        name=f"{model}.{data}_d{dims}",
        title=f"Convolutions, {dims} codes, {PRIORS[model]}, dynamic {data.upper()}",
        model=model,
        config={"latent_dim": dims, **SPACES[model]},
        data=data,
        **DATA[data],
        binarize="dynamic",
        batch_size=256,
        learning_rate=1e-3,
        micro_batches=1 if model == "vamp_vae" else 4,
        budgets={"smoke": SMOKE, "cpu-hour": Budget(40), "paper": Budget(40)},
        metrics=(Measure("log_likelihood", samples=200, images=1000), *REST),
        limits="The TensorFlow Probability introduction prints no number and gives grey values to"
        f" a Bernoulli; here pixels are drawn. {LIMITS[data]}",
    )


# What a maximum mean discrepancy does in place of the KL: judged by codes and reconstructions.


def information(model):
    return Recipe(
        name=f"{model}.mnist",
        title=f"Convolutions, 8 codes, {'MMD' if model == 'mmd_vae' else 'KL'}, dynamic MNIST",
        model=model,
        config={"latent_dim": 8},
        data="mnist",
        **DATA["mnist"],
        binarize="dynamic",
        batch_size=256,
        learning_rate=1e-3,
        budgets={"smoke": SMOKE, "cpu-hour": Budget(20), "paper": Budget(40)},
        metrics=(
            Measure("reconstruction_error"),
            Measure("aggregate_mmd"),
            Measure("knn_accuracy"),
        ),
        limits=LIMITS["mnist"],
    )


# Crystals at 64 pixels: data that anybody can grow, weights that anybody may have.

SNOWFLAKES = Recipe(
    name="vae.snowflakes",
    title="Convolutions, 8 codes, snow crystals at 64 pixels",
    model="vae",
    config={
        "image_shape": [64, 64, 1],
        "latent_dim": 8,
        "filters": [16, 32, 32],
        "base_filters": 16,
    },
    data="snowflakes",
    train="train[:3200]",
    valid="train[3200:]",
    test="test",
    binarize="threshold",
    batch_size=64,
    learning_rate=2e-3,
    schedule="cosine",
    budgets={
        "smoke": Budget(1, train_examples=512, is_images=50),
        "cpu-hour": Budget(30),
        "paper": Budget(200),
    },
    metrics=(Measure("log_likelihood", samples=200), *REST),
    limits="Crystals of Reiter's automaton, with twelve symmetries each: there is nothing published"
    " to compare with.",
)

RECIPES = (
    SNOWFLAKES,
    *(gated(model) for model in GATED),
    *(
        introduction(model, data, dims)
        for data in ("kmnist", "mnist")
        for dims in (2, 40)
        for model in SPACES
    ),
    *(information(model) for model in ("vae", "mmd_vae")),
)
