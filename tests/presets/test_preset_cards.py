"""Cards: valid YAML for any content, licenses that the data allow, no private paths."""

import tomllib

import numpy as np
import pytest
from click.testing import CliRunner
from preset_cases import CARD, replace_file

import zoo
from zoo import presets
from zoo.cli import save as save_command
from zoo.cli.main import main
from zoo.data import catalog
from zoo.errors import PresetError, UsageError
from zoo.presets import cards, licenses, preset
from zoo.recipes.environment import REPOSITORY

pytest_plugins = ("preset_fixtures",)

STRANGE = (
    "x: y",
    "'unclosed",
    "*a",
    "- b",
    "yes",
    "1.5",
    "#c",
    "a # b",
    "{d",
    "é\u4e2d",
    'say "x"',
)


@pytest.mark.parametrize("value", STRANGE)
def test_a_header_is_valid_yaml_for_any_content(value):
    yaml = pytest.importorskip("yaml")
    text = cards.render({"license": value, "data": value, "title": value}, value, "vae", "few")
    assert cards.header(text)["license"] == cards.header(text)["data"] == value
    assert yaml.safe_load(text.split("---")[1])["license"] == value
    assert presets.Preset(None, {}, text, b"").license == value


@pytest.mark.parametrize("key", cards.ONE_LINE_FIELDS)
def test_a_fact_of_a_card_is_one_line(key, model, tmp_path):
    for value in ("a\nb: c", "x\x1b[2J", 5):
        with pytest.raises(UsageError, match=f"{key} of a card must be a text of one line"):
            zoo.save(model, tmp_path / "new", CARD | {key: value})
    with pytest.raises(UsageError, match="name must be a line of printable text"):
        zoo.save(model, tmp_path / "new", CARD, name="a\nb")


def test_file_names_cannot_insert_html_or_break_tables():
    odd = "<img src=x>|`a`.npz"
    card = CARD | {"data": odd, "recipe": f"zoo train vae --data {odd}"}
    card |= {"results": [("loss", "1", "", "", f"mean over {odd}")], "limitations": "a < b"}
    text = cards.render(card, "x<y>", "vae", "few")
    table = text.partition("| | |")[2]
    assert "<img" not in table.replace("`zoo train vae --data <img src=x>\\|'a'.npz`", "")
    columns = {line.replace("\\|", "").count("|") for line in table.splitlines() if "|" in line}
    assert columns == {3, 6} and "a &lt; b" in text and "x&lt;y&gt;" in text


def test_cards_of_former_versions_are_read():
    old = "---\nlicense: apache-2.0\ndata: mnist train[:50000]\n---\n# x\n"
    assert cards.header(old) == {"license": "apache-2.0", "data": "mnist train[:50000]"}
    assert cards.header("---\nlicense: 'it''s'\n---\n")["license"] == "it's"
    for text in ("", "---\nlicense: x\n", "---\n" + "\n" * 10**6, "---\nlicense:\n---\n"):
        with pytest.raises(PresetError, match="has no license"):
            cards.header(text)


def test_terminal_escape_sequences_are_removed(copy):
    text = (copy / preset.CARD).read_text() + "\x1b]0;title\x07\x9b2J\u202e\r hidden\n"
    replace_file(copy, preset.CARD, text.encode())
    shown = CliRunner().invoke(main, ["info", str(copy)])
    assert shown.exit_code == 0 and "hidden" in shown.stdout
    assert all(c.isprintable() or c == "\n" for c in shown.stdout)


@pytest.mark.parametrize(
    "card, message",
    [
        ({"data": "noise"}, "a card needs a license"),
        ("# A title\n", "has no license"),
        ({"licence": "mit"}, "unknown field of a card 'licence'.*'license'"),
        (3, "a card must be a text or a dict"),
    ],
)
def test_no_preset_is_made_without_a_license(card, message, model, tmp_path):
    with pytest.raises(UsageError, match=message):
        zoo.save(model, tmp_path / "new", card)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "license, permissive",
    [("CC0-1.0", True), ("CC0", True), ("CC-BY-SA-4.0", True), ("BSD-3-Clause", True)]
    + [("CC-BY-NC-4.0", False), ("CC BY-ND 4.0", False), ("GPL-3.0", False)],
)
def test_licenses_that_allow_any_use_are_known(license, permissive):
    assert bool(licenses.PERMISSIVE.fullmatch(license)) == permissive


def test_the_card_of_a_folder_names_the_folder_and_the_package():
    card = {"license": "mit"}
    mine = cards.render(card, "vae.mine", "vae", "few", package="mine-zoo")
    assert 'zoo.get("./vae.mine"' in mine and "path of this folder" in mine
    assert "`pip install mine-zoo`" in mine
    shipped = cards.render(card, "vae.mnist", "vae", "few", shipped=True)
    assert 'zoo.get("vae.mnist"' in shipped and "path of" not in shipped and "pip" not in shipped


def test_a_custom_card_is_not_changed():
    own = "---\nlicense: cc-by-4.0\n---\n# Mine\n"
    assert cards.render(own, "x", "vae", "") == own and cards.header(own)["license"] == "cc-by-4.0"


def test_a_card_without_its_license_is_rejected(copy):
    raw = (copy / preset.CARD).read_bytes().replace(b"license: apache-2.0", b"license:")
    replace_file(copy, preset.CARD, raw)
    with pytest.raises(PresetError, match="has no license"):
        presets.load(copy)


# Licenses.

RESERVED = ("captioning.flickr8k", "seq2seq.multi30k_de_en", "transformer.multi30k_de_en")


@pytest.mark.parametrize("name", presets.names())
def test_weights_of_non_commercial_data_are_labeled_everywhere(name):
    preset = presets.load(name)
    data = catalog.info(cards.header(preset.card)["data"].split()[0])
    reserved = not licenses.PERMISSIVE.fullmatch(data.license)
    assert reserved == (name in RESERVED)
    text = (REPOSITORY / "LICENSES" / "LicenseRef-NonCommercial-Research.txt").read_text()
    assert (f"zoo/presets/{name}/" in text) == reserved
    assert ("non-commercial" in zoo.info(name)["license"]) == reserved
    assert (cards.header(preset.card)["license"] == "other") == reserved


def test_the_package_names_both_licenses():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0 AND LicenseRef-NonCommercial-Research"
    assert [
        path.name for glob in project["license-files"] for path in sorted(REPOSITORY.glob(glob))
    ] == [
        "LICENSE",
        "LicenseRef-NonCommercial-Research.txt",
    ]


@pytest.mark.parametrize(
    "data, license, expected",
    [
        ("multi30k", None, "multi30k is 'non-commercial research and education', .*--license NAME"),
        ("cifar10", None, "cifar10 is 'none stated'"),
        ("coco_captions", None, "the photographs by the terms of Flickr"),
        ("multi30k", "other", "non-commercial-research-and-education"),
        ("multi30k", "cc-by-nc-4.0", None),
        ("snowflakes", None, None),
        ("mnist", None, None),
        (None, None, None),
    ],
)
def test_weights_have_no_license_that_the_data_do_not_allow(data, license, expected):
    row = data and catalog.info(data)
    if license is None and expected:
        with pytest.raises(UsageError, match=expected):
            licenses.choose(license, row)
        return
    facts = licenses.choose(license, row)
    assert facts["license"] == (license or "apache-2.0")
    assert facts.get("license_name") == expected


# `zoo save` and `zoo push`.


def run(*words):
    return CliRunner().invoke(main, [str(word) for word in words])


def test_the_card_of_a_saved_run_has_no_private_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
    np.savez(tmp_path / "secret.npz", image=images)
    small = ("--set", "filters=8,", "--set", "base_filters=8", "--figures-every", 0)
    done = run("train", "vae", "--data", "secret.npz", "--steps", 1, "--batch-size", 8, *small)
    assert done.exit_code == 0, done.stderr
    made = run("save", "runs/vae-secret", "made/vae.secret")
    assert made.exit_code == 0, made.stderr
    for path in (tmp_path / "made" / "vae.secret").glob("*.*"):
        assert str(tmp_path).encode() not in path.read_bytes(), path
    card = presets.load("made/vae.secret").card
    assert "vae on secret.npz." in card and "`zoo train vae --data secret.npz --" in card
    check_targets("made/vae.secret", tmp_path)


@pytest.mark.parametrize(
    ("line", "public"),
    [
        ("zoo train gpt --init '/home/me/my runs/a'", "zoo train gpt --init a"),
        ("zoo train a --set network=/home/me/b.h5", "zoo train a --set network=b.h5"),
        ("zoo train vae --init hf://me/vae --freeze a/b",) * 2,
    ],
)
def test_the_command_of_a_card_has_no_private_path(line, public):
    assert save_command.public_command(line) == public


def check_targets(preset, tmp_path):
    """Invalid sources and targets are errors before any work."""
    to_hub = "zoo push uploads to the hub, to hf://owner/name; got"
    for command, source, target, message in (
        ("save", "runs/vae-secret", "hf://host/y", "zoo save writes to a folder, got hf://host/y"),
        ("save", preset, "other", "is a preset already, not a run: copy the folder, or upload it"),
        ("save", "runs/vae-secret", "runs/vae-secret/config.json", "is not a folder"),
        ("push", "runs/vae-secret", "https://host/y", f"{to_hub} https://host/y"),
        ("push", "runs/vae-secret", "hf://owner/x@1", f"{to_hub} hf://owner/x@1"),
        ("push", preset, "other", f"{to_hub} other. To write a preset to a folder: zoo save"),
    ):
        done = run(command, source, target)
        assert done.exit_code in (1, 2) and message in done.stderr, done.stderr
    assert (
        not (tmp_path / "https:").exists()
        and not (tmp_path / "hf:").exists()
        and not (tmp_path / "other").exists()
    )
    done = run("train", preset)
    assert done.exit_code == 2 and "is a preset, not a model: zoo train MODEL --init" in done.stderr
    (tmp_path / "runs" / "vae-secret" / "config.json").write_text("[" * 10**5)
    done = run("save", "runs/vae-secret", "other")
    assert done.exit_code == 1 and "config.json is damaged" in done.stderr


def test_data_are_named_without_their_path():
    assert save_command.public_data_name("/home/me/photos") == "photos"
    assert save_command.public_data_name("AtoB:/home/me/pairs") == "AtoB:pairs"
    assert save_command.public_data_name("quickdraw_bitmap/cat") == "quickdraw_bitmap/cat"


def test_a_plug_in_s_preset_names_its_package(model, monkeypatch, tmp_path):
    import importlib.metadata

    from zoo.presets import saving

    cls = type("Foreign", (), {"__module__": "numpy.somewhere"})
    assert saving.package_of(cls) == {
        "package": {"name": "numpy", "version": importlib.metadata.version("numpy")}
    }
    assert saving.package_of(type(model)) == {} == saving.package_of(type("X", (), {}))
