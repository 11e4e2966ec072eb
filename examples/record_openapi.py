"""Ask a running service the questions of the API and keep its answers as the examples of the OpenAPI document.

pellucid serve &
python examples/record_openapi.py photo.jpg http://127.0.0.1:8000 src/pellucid/serve/examples.json
"""

from __future__ import annotations

import json
import sys
import urllib.request
from pathlib import Path
from typing import Any


def main(picture: Path, url: str, out: Path) -> None:
    examples = {
        "report": answer_to(upload(picture, f"{url}/v1/analyses")),
        "page": answer_to(urllib.request.Request(f"{url}/v1/analyses?limit=1")),
        "models": answer_to(urllib.request.Request(f"{url}/v1/models")),
    }
    out.write_text(json.dumps(examples, indent=1, ensure_ascii=False) + "\n")


def upload(picture: Path, url: str) -> urllib.request.Request:
    head = f'--edge\r\nContent-Disposition: form-data; name="file"; filename="{picture.name}"\r\n\r\n'
    body = head.encode() + picture.read_bytes() + b"\r\n--edge--\r\n"
    return urllib.request.Request(url, body, {"Content-Type": "multipart/form-data; boundary=edge"})


def answer_to(request: urllib.request.Request) -> Any:
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3]))
