"""Check that the hosts of a download answer, before the download starts."""

import threading
from typing import Any
from urllib.parse import urlsplit

from zoo.errors import ZooError

TIMEOUT = 5  # seconds for a host to answer


def check_hosts(name: str, builder: Any) -> None:
    """Raises ZooError unless every host of a builder's URLs answers a request for its header.

    TFDS alone would retry for 200 s without a message.
    """
    import requests

    urls = {urlsplit(url).netloc: url for url in builder.url_infos}
    silent = dict.fromkeys(urls, f"no answer within {TIMEOUT} s")

    def request_header(host: str) -> None:
        try:
            requests.head(urls[host], timeout=TIMEOUT)
            del silent[host]
        except requests.RequestException as error:
            silent[host] = type(error).__name__

    threads = [threading.Thread(target=request_header, args=(host,), daemon=True) for host in urls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(TIMEOUT + 1)
    if silent:
        hosts = ", ".join(f"{host} ({reason})" for host, reason in list(silent.items()))
        raise ZooError(
            f"cannot download {name!r}: {hosts}. Check the connection (HTTPS_PROXY is honored)"
            f" and try again, or put a prepared copy at {builder.data_dir}"
        )
