"""`zoo push`: uploads a preset, or a run as a preset, to the Hugging Face hub."""

import tempfile
from pathlib import Path
from typing import Any

import click

from zoo import presets
from zoo.cli.options import UserPath
from zoo.cli.save import is_preset_folder, preset_options, save_preset, show_preset
from zoo.cli.terminal import json_option
from zoo.errors import PresetError, UsageError, one_line
from zoo.presets import download, preset


@click.command()
@click.argument("model", metavar="MODEL", type=UserPath(path_type=Path))
@click.argument("target")
@preset_options
@json_option(show_preset)
def push(model: Path, target: str, **options: Any) -> dict[str, Any]:
    """Upload a trained run, or a preset, to the Hugging Face hub.

    MODEL is the folder of a run or of a preset, or the name of a model (its newest run). TARGET is
    hf://owner/name. Uploading needs an access token of the hub. In Python,
    zoo.get(TARGET, pretrained=True) loads the model.

    \b
    zoo push presets/mine hf://owner/mine
    zoo push runs/vae-mnist hf://owner/vae-mnist --best --dtype float16
    """
    address = download.HUB_REFERENCE.fullmatch(target)
    if not address or address[3]:
        raise UsageError(
            f"zoo push uploads to the hub, to hf://owner/name; got {target}. To write a preset to a"
            f" folder: zoo save {model} FOLDER"
        )
    hub = download.hub_library()  # before anything is computed
    repository = f"{address[1]}/{address[2]}"
    if is_preset_folder(model):
        uploaded = _upload(hub, repository, preset.read(model))
        return presets.summary(uploaded) | {"folder": target}
    with tempfile.TemporaryDirectory() as folder:
        saved = save_preset(model, Path(folder) / address[2], **options)
        uploaded = _upload(hub, repository, saved)
        return presets.summary(uploaded) | {"folder": target}


def _upload(hub: Any, repository: str, uploaded: preset.Preset) -> preset.Preset:
    """Uploads a preset, all its files in one commit."""
    try:
        api = hub.HfApi()
        api.create_repo(repository, exist_ok=True)
        api.upload_folder(repo_id=repository, folder_path=uploaded.folder)
    except Exception as error:  # from the hub, the connection or the token
        raise PresetError(f"the hub refused {repository}: {one_line(error)}") from error
    return uploaded
