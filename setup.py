"""The text of the package index: README with absolute links and pictures.

Their address is `Repository` of [project.urls] in pyproject.toml; without it, links stay relative.
"""

import re
import tomllib
from pathlib import Path

from setuptools import setup


def absolute_links(text: str, repository: str | None) -> str:
    """Markdown whose links and pictures lead to the files of a repository."""
    if repository is None:
        return text
    text = re.sub(r"!\[([^\]]*)\]\((?!https?:)", rf"![\1]({repository}/raw/main/", text)
    return re.sub(r"(?<!!)\[([^\]]*)\]\((?!https?:|#)", rf"[\1]({repository}/blob/main/", text)


if __name__ == "__main__":
    folder = Path(__file__).parent
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    setup(
        long_description=absolute_links(
            (folder / "README.md").read_text(), project.get("urls", {}).get("Repository")
        ),
        long_description_content_type="text/markdown",
    )
