"""Record what LibreTranslate itself answers to the requests that our tests send.

    python benchmarks/libretranslate_api.py --python lt/bin/python

For each request of tests/data/libretranslate_requests.json it writes the status and the shape of
the answer (keys and types of its JSON) beside it; `tests/test_http_libretranslate.py` holds ours to
them. How to get LibreTranslate is said in libretranslate.py.
"""

from __future__ import annotations

import argparse
import http.client
import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from libretranslate import libretranslate
from libretranslate_requests import FILE, encoded, shape


def main() -> None:
    """Ask and write."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--python", required=True, help="Python that has LibreTranslate.")
    parser.add_argument("--model", default="en-de")
    chosen = parser.parse_args()
    requests = json.loads(FILE.read_text("utf-8"))
    with libretranslate(chosen.python, chosen.model) as address:
        for request in requests:
            connection = http.client.HTTPConnection(address, timeout=60)
            connection.request(request["method"], request["path"], *encoded(request))
            reply = connection.getresponse()
            request |= {"status": reply.status, "shape": shape(reply.read())}
            if request["path"] == "/spec":
                request["shape"] = None  # a description of an API, each of its own
            connection.close()
    lines = ",\n".join(json.dumps(request, ensure_ascii=False) for request in requests)
    FILE.write_text(f"[\n{lines}\n]\n", "utf-8")


if __name__ == "__main__":
    main()
