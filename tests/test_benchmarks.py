"""The speed benchmark rejects variants that compute something else; mutations are found and run.

No test asserts a speed: other processes run at the same time.
"""

import argparse
import ast
import importlib.util
import json

import keras
import numpy as np
import pytest

import zoo
import zoo.testing
from benchmarks import mutations
from benchmarks.speed import __main__ as speed
from benchmarks.speed import equivalence, plain_parts, synthetic_data, tf_images, variants, worker
from zoo import text
from zoo.recipes import records
from zoo.training import micro_batches

TINY = ["--rounds=1", "--steps=1", "--warmup=0", "--batch-size=4"]


@pytest.fixture
def small_text_models(monkeypatch):
    """Text models with small networks and short sequences."""
    sizes = {"embedding_dim": 4, "units": 6}
    vocabularies = {"source_vocabulary": 12, "target_vocabulary": 13}
    captions = {"caption_vocabulary": 12, "image_shape": (2, 2, 5)}
    monkeypatch.setitem(variants.MODEL_ARGUMENTS, "seq2seq", sizes | vocabularies)
    monkeypatch.setitem(variants.MODEL_ARGUMENTS, "captioning", sizes | captions)
    monkeypatch.setattr(synthetic_data, "SEQUENCE_LENGTH", 2)
    monkeypatch.setattr(equivalence, "DECODED_LENGTH", 3)


def runnable(*names):
    """Variants as test parameters; those of PyTorch are skipped if it is not installed."""
    torch = importlib.util.find_spec("torch")
    reason = "PyTorch is not installed: pip install -e '.[benchmarks]'"
    return [
        pytest.param(
            name, marks=pytest.mark.skipif(name.startswith("pytorch") and not torch, reason=reason)
        )
        for name in names
    ]


@pytest.mark.parametrize(
    "variant",
    runnable(
        "tf.function loop", "keras fit", "zoo train", "eager loop", "pytorch", "pytorch tuned"
    ),
)
def test_every_variant_computes_the_same_as_the_zoo(variant):
    differences = equivalence.check("mixture_vae", [variant, "zoo", "zoo eager"], batch_size=4)
    assert [*differences] == [variant] and differences[variant] <= 1e-4


@pytest.mark.parametrize("variant", runnable("eager loop", "pytorch"))
def test_a_model_of_two_networks_computes_the_same_as_the_zoo(variant):
    assert equivalence.check("dcgan", [variant], batch_size=4)[variant] <= 1e-4


@pytest.mark.parametrize("variant", runnable("tf.function loop", "pytorch", "pytorch tuned"))
def test_a_translator_has_the_losses_of_the_zoo(variant, small_text_models):
    assert equivalence.check("seq2seq", [variant, "zoo"], batch_size=3)[variant] <= 1e-4


@pytest.mark.parametrize(
    "variant", runnable("keras fit", "zoo train", "eager loop", "pytorch tuned")
)
def test_a_captioner_has_the_losses_of_the_zoo(variant, small_text_models):
    assert equivalence.check("captioning", [variant, "zoo"], batch_size=3)[variant] <= 1e-4


@pytest.mark.parametrize(
    "variant", runnable("tf.function step", "eager loop", "pytorch", "pytorch tuned")
)
def test_a_translator_decodes_the_tokens_of_the_zoo(variant, small_text_models):
    assert equivalence.check("seq2seq-decode", [variant, "zoo eager"], batch_size=3) == {variant: 0}


def test_other_tokens_are_rejected(monkeypatch, small_text_models):
    from benchmarks.speed import tf_sequences_eager

    def constant_tokens(model, source, max_length):
        return np.full((len(source), max_length), 4)

    monkeypatch.setattr(tf_sequences_eager, "greedy_decode", constant_tokens)
    with pytest.raises(AssertionError, match="'eager loop' is not the zoo's computation: tokens"):
        equivalence.check("seq2seq-decode", ["eager loop"], batch_size=3)


def test_another_learning_rate_is_rejected(monkeypatch):
    def model_with_smaller_learning_rate():
        model = tf_images.KerasVAE()
        model.optimizer.learning_rate = 5e-4
        return model

    monkeypatch.setitem(tf_images.STYLES["keras fit"], "vae", model_with_smaller_learning_rate)
    with pytest.raises(AssertionError, match="'keras fit' is not the zoo's computation.*step [23]"):
        equivalence.check("vae", ["keras fit"], batch_size=4)


def test_micro_batches_without_updates_are_rejected(monkeypatch):
    monkeypatch.setattr(micro_batches, "train_step", lambda model, batch, count: {"loss": 543.0})
    with pytest.raises(AssertionError, match="'zoo train' is not the zoo's computation.*step [23]"):
        equivalence.check("vae", ["zoo train"], batch_size=4)


def test_nothing_is_timed_when_the_check_fails(monkeypatch):
    monkeypatch.setattr(speed, "measure", lambda *_, **__: pytest.fail("timed unequal work"))
    monkeypatch.setitem(speed.ENVIRONMENT, "KERAS_BACKEND", "no_such_backend")
    with pytest.raises(SystemExit, match="not timed, the work is not equal: .*"):
        speed.main(["vae"])


def test_the_zoos_model_has_the_arguments_that_all_variants_share(small_text_models):
    assert {variants.base_name(name) for name in variants.MODELS} == {*variants.MODEL_ARGUMENTS}
    for name, arguments in variants.MODEL_ARGUMENTS.items():
        model = variants.factory("zoo", name)(**arguments)
        assert arguments == {key: getattr(model, key) for key in arguments}


def test_prepared_images_have_the_range_of_the_networks():
    images = np.array([0, 255], "uint8")
    assert synthetic_data.prepare("vae", images).tolist() == [0, 1]
    assert synthetic_data.prepare("dcgan", images).tolist() == [-1, 1]


@pytest.mark.parametrize("name", variants.TEXT_MODELS)
def test_text_examples_have_ids_of_the_vocabulary_and_no_padding(name, small_text_models):
    assert (synthetic_data.START, synthetic_data.END) == (text.START, text.END)
    model = variants.factory("zoo", name)(**variants.model_arguments(name))
    batch = synthetic_data.make_examples(name, 5)
    model.check_batch(batch)
    target = batch[model.target_feature]
    assert target.shape == (5, 3) and (target[:, 0] == text.START).all()
    assert (target[:, 1] > text.END).all() and (target[:, 2] == text.END).all()


def test_a_model_has_the_variants_that_make_sense_for_it():
    assert {"zoo xla", "zoo train", "zoo threads"} <= {*variants.variants_of("seq2seq")}
    assert "zoo translate" in variants.variants_of("seq2seq-decode")
    assert not {"zoo train", "zoo translate"} & {*variants.variants_of("captioning-decode")}
    assert variants.variants_of("vae", ["zoo", "zoo xla"]) == ["zoo"]
    assert "keras fit" not in variants.variants_of("captioning-decode")


@pytest.mark.parametrize("part", [*plain_parts.PLAIN])
def test_a_plain_part_takes_the_same_steps(part, small_text_models, monkeypatch):
    """With Keras' own update, to rounding."""
    monkeypatch.setattr(zoo.optimizers.Adam, "update_step", zoo.optimizers.Adam.update_step)

    def losses():
        trainer = zoo.testing.small_trainer("seq2seq", eager=True, seed=1)
        return trainer.fit(zoo.testing.shuffled_batches("seq2seq", 24), epochs=1).history

    expected = losses()
    plain_parts.PLAIN[part]()
    for key, value in losses().items():
        np.testing.assert_allclose(value, expected[key], rtol=1e-4, err_msg=key)


def test_the_base_is_always_one_of_the_parsed_variants():
    assert speed.parse_variants("zoo eager, zoo") == [speed.BASE, "zoo", "zoo eager"]
    with pytest.raises(argparse.ArgumentTypeError, match="unknown variants: {'jax'}"):
        speed.parse_variants("zoo,jax")


def test_variants_that_cannot_run_are_skipped_and_requirements_named_once(monkeypatch, capsys):
    missing = {name: variants.Variant("", requirements=("no_such_program",)) for name in ("a", "b")}
    monkeypatch.setattr(speed, "VARIANTS", {**variants.VARIANTS, **missing})
    assert speed.available(["zoo", "a", "b"], speed.Console()) == ["zoo"]
    assert capsys.readouterr().out == "skipped: a, b; not installed: no_such_program\n"


def test_a_round_times_its_steps_and_not_the_one_before(monkeypatch, capsys):
    clock = iter(range(100))
    monkeypatch.setattr(worker.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(worker.sys, "stdin", ["go\n"])
    timer = worker.step_timer(warmup=2, steps=3, threads=lambda: {"intra_op": 1})
    next(timer)
    outputs = []
    for _ in range(1 + 2 + 1 + 3 - 1):  # first, warm-up, untimed, timed
        timer.send({"loss": 0.0})
        outputs.append(capsys.readouterr().out)
    assert [bool(output) for output in outputs] == [False, False, True, False, False, False]
    with pytest.raises(SystemExit):
        timer.send({"loss": 0.0})
    assert json.loads(capsys.readouterr().out)["seconds"] == 1


def test_ratios_are_computed_within_a_round_and_above_one_is_faster():
    summary = speed.summarize([1.0, 4.0, 2.0], [2.0, 4.0, 6.0], steps=2, batch_size=10)
    assert summary["ratio"] == 2 and summary["ratio_range"] == [1, 3]
    assert summary["ms_per_step"] == 1000 and summary["examples_per_s"] == 10


@pytest.mark.parametrize(
    "variant", runnable("keras fit", "zoo eager", "eager loop", "pytorch", "pytorch tuned")
)
def test_a_variant_trains_round_by_round_until_its_input_ends(variant, monkeypatch, capsys):
    monkeypatch.setattr(worker.sys, "stdin", ["go\n", "go\n"])
    with pytest.raises(SystemExit):
        worker.main("vae", variant, batch_size=4, warmup=1, steps=1)
    ready, *rounds = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready["first_step_s"] > 0 and ready["threads"].keys() == {"intra_op", "inter_op"}
    assert len(rounds) == 2 and all(r["seconds"] > 0 and r["peak_mb"] > 0 for r in rounds)


@pytest.mark.parametrize(
    ("model", "variant"),
    [("captioning-decode", "zoo"), ("captioning", "pytorch"), ("seq2seq-decode", "pytorch tuned")],
)
def test_text_models_run_round_by_round_too(model, variant, small_text_models, monkeypatch, capsys):
    if missing := variants.VARIANTS[variant].missing():
        pytest.skip(f"not installed: {missing}")
    monkeypatch.setattr(worker.sys, "stdin", ["go\n"])
    with pytest.raises(SystemExit):
        worker.main(model, variant, batch_size=4, warmup=0, steps=1)
    ready, result = map(json.loads, capsys.readouterr().out.splitlines())
    assert ready["first_step_s"] > 0 and result["seconds"] > 0


def test_the_command_times_processes_in_turn_and_writes_records(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(speed, "check", lambda *_: {"zoo train": 1e-7})
    monkeypatch.setattr(records, "RESULTS", tmp_path)
    for variable in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "all.json"
    options = [*TINY, "--variants=zoo train", "--json", str(path), "--record"]
    all_records = speed.main(["vae", *options])
    assert json.loads(path.read_text()) == all_records
    record = all_records["vae"]
    results = record["results"]["vae"]
    assert results.keys() == {speed.BASE, "zoo train"}
    assert results[speed.BASE]["ratio"] == 1
    assert results[speed.BASE]["threads"] == {"intra_op": 0, "inter_op": 0}
    assert results["zoo train"]["threads"]["intra_op"] == 1
    assert record["versions"]["keras"] == keras.__version__
    assert "1 training steps at batch size 4, in 1 interleaved rounds" in record["protocol"]
    written = records.read(tmp_path / "speed.vae.json")
    assert written["results"] == record["results"] and written["kind"] == "speed"
    output = capsys.readouterr().out
    assert "equal losses" in output and speed.BASE in output


def test_the_error_of_a_failed_worker_is_reported():
    with pytest.raises(RuntimeError, match="unexpected keyword"):
        speed.Worker(speed.BASE, no_such_setting=1)


# Mutations.

SOURCE = """
def first(x, y=2, *, z: int = 3):
    \"\"\"1 < 2\"\"\"
    if x < 3 and not y:
        self.ä = f(x, y)
        g(x)
    else:
        x -= 1
    raise ValueError(f"{x + 1} < {y}")
"""


def test_each_mutation_is_another_program_and_messages_are_unchanged():
    all_mutations = list(mutations.mutations("a.py", SOURCE))
    programs = {
        ast.unparse(ast.parse(SOURCE[: each.start] + each.new + SOURCE[each.end :]))
        for each in all_mutations
    }
    assert len(programs) == len(all_mutations) and ast.unparse(ast.parse(SOURCE)) not in programs
    assert all("raise ValueError(f'{x + 1} < {y}')" in program for program in programs)
    descriptions = {str(each).partition(": ")[2] for each in all_mutations}
    assert descriptions >= {
        "x < 3  ->  (x <= 3)",
        "x < 3 and not y  ->  (x < 3 or not y)",
        "x < 3 and not y  ->  (not (x < 3 and (not y)))",
        "not y  ->  (y)",
        "3  ->  (4)",
        "self.ä = f(x, y)  ->  pass",
        "f(x, y)  ->  (f(y, x))",
        "g(x)  ->  pass",
        "x -= 1  ->  pass",
    }
    assert not any(each.old in ("1 < 2", "2", "x + 1") for each in all_mutations)


def test_a_seed_gives_the_same_mutations_and_every_file_has_tests():
    sample = mutations.sample_mutations(40, 3)
    assert sample == mutations.sample_mutations(60, 3)[:40]
    assert sample != mutations.sample_mutations(40, 4)
    one_file = mutations.sample_mutations(5, 0, "zoo/training/train_state.py")
    assert {mutation.file for mutation in one_file} == {"zoo/training/train_state.py"}
    for mutation in sample:
        assert mutations.find_tests(mutation.file, mutations.ROOT), mutation.file


def test_a_mutation_that_no_test_detects_survives_and_the_file_is_restored(tmp_path):
    (tmp_path / "tests").mkdir()
    (tmp_path / "added.py").write_text("def add(a, b):\n    return a + b\n")
    (difference,) = mutations.mutations("added.py", (tmp_path / "added.py").read_text())
    for arguments, survives in (("2, 0", True), ("2, 1", False)):
        test = f"from added import add\n\n\ndef test():\n    assert add({arguments}) >= 2\n"
        (tmp_path / "tests" / "test_added.py").write_text(test)
        survived = mutations.survives(difference, tmp_path, ["tests/test_added.py"], 60)
        assert survived == survives
    assert "a + b" in (tmp_path / "added.py").read_text()
