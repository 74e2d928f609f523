"""Receives webhooks: python receive_webhook.py SECRET PORT, behind whatever speaks https for you."""

import hashlib
import hmac
import json
import sys
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

TOLERANCE_S = 300  # older than this is a replay
seen: set[str] = set()  # keep these ids in your database: a delivery may arrive more than once


def genuine(secret: str, header: str, body: bytes, *, now: float) -> bool:
    """Whether `body` came from the clinic that shares this secret, just now."""
    parts = dict(part.split("=", 1) for part in header.split(",") if "=" in part)
    stamp = parts.get("t", "")
    if not stamp.isdecimal() or abs(now - int(stamp)) > TOLERANCE_S:
        return False
    expected = hmac.new(secret.encode(), stamp.encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, parts.get("v1", ""))


class Receiver(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        if not genuine(sys.argv[1], self.headers.get("Macule-Signature", ""), body, now=time.time()):
            return self.answer(403)
        event = json.loads(body)
        if event["id"] not in seen:
            seen.add(event["id"])
            print(event["event"], event["exam"]["id"], event["exam"]["state"], flush=True)
        return self.answer(204)

    def answer(self, status: int) -> None:
        self.send_response(status)
        self.end_headers()


if __name__ == "__main__":
    HTTPServer(("127.0.0.1", int(sys.argv[2])), Receiver).serve_forever()
