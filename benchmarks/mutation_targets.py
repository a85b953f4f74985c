"""The source files that `benchmarks.mutations` changes, and the tests that it runs for each."""

TRAINING = ("trainer", "epochs", "resume", "callbacks", "checkpoints")
# Source files that are mutated -> parts of the paths of their test files; the first match counts.
TESTS = {
    "zoo/training/micro_batches.py": ("test_trainer", "parallel"),
    "zoo/training/run_identity.py": (*TRAINING, "cli_identity"),
    "zoo/training/callbacks.py": (*TRAINING, "recipe_checks"),
    "zoo/training/distribution.py": (*TRAINING, "distribution"),
    "zoo/training/checkpoint.py": (*TRAINING, "test_files"),
    "zoo/training/*.py": TRAINING,
    "zoo/cli/evaluation_data.py": ("cli_evaluate",),
    "zoo/files.py": ("test_files", "records", "cli_outputs", "preset_files"),
    "zoo/checks.py": ("test_checks",),
    "zoo/model/__init__.py": ("test_conformance", "trainer", "test_callbacks"),
    "zoo/evaluation_mode.py": (*TRAINING, "test_presets"),
    "zoo/model/batch_checks.py": ("batch_checks", "trainer", "metric_inputs"),
    "zoo/generation/beam_search.py": ("decoding", "generation"),
    "zoo/generation/decoding*.py": ("decoding", "generation"),
    "zoo/recipes/records.py": ("records", "comparisons", "recipes"),
    "zoo/recipes/run.py": ("recipes", "recipe_checks"),
    "zoo/recipes/evaluate.py": ("recipes", "recipe_checks"),
    "zoo/recipes/recipe.py": ("recipes", "recipe_checks"),
    "zoo/recipes/metric_spec.py": ("recipes", "recipe_checks"),
    "zoo/metrics/*.py": ("metric", "neighbors", "comparisons", "classifiers"),
    "zoo/data/*.py": ("tests/data/", "captioning", "test_text"),
    "blocks/divergences.py": ("test_blocks", "heads_and_priors", "test_conformance"),
    "blocks/priors.py": ("test_blocks", "heads_and_priors"),
    "blocks/kernel_mmd.py": ("test_blocks", "test_metrics"),
    "blocks/attention.py": ("attention", "sequences", "test_blocks"),
    "blocks/transformer.py": ("sequences", "decoding", "translation"),
    "blocks/adversarial.py": ("adversarial", "test_blocks"),
}
