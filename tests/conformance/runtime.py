"""The user's program of the conformance tests, as Knative's test images are: the standard library alone.

GET / answers TARGET; ?ms=N takes N ms before the answer; /one fails while another request is there; /beside asks the
container beside this one.
"""

from __future__ import annotations

import os
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

ALONE = threading.Lock()


class Runtime(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        pause = float(parse_qs(asked.query).get("ms", ["0"])[0]) / 1000
        status, text = 200, os.environ.get("TARGET", "")
        if asked.path == "/one":
            if ALONE.acquire(blocking=False):
                time.sleep(pause)
                ALONE.release()
            else:
                status, text = 500, "another request is here"
        elif asked.path == "/beside":
            with urllib.request.urlopen(f"http://127.0.0.1:{os.environ['BESIDE']}/", timeout=5) as answer:
                text = answer.read().decode()
        elif asked.path == "/env":
            text = " ".join(os.environ[name] for name in ("K_SERVICE", "K_CONFIGURATION", "K_REVISION"))
        else:
            time.sleep(pause)
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer(("", int(os.environ.get("LISTEN") or os.environ["PORT"])), Runtime).serve_forever()
