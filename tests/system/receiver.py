# SPDX-License-Identifier: GPL-2.0-or-later
"""An HTTP server that takes notices, and answers as well or as badly as a test wants."""

import http.server
import json
import queue
import threading

from oracle import patient


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        receiver = self.server.receiver
        receiver.requests.put((self.path, dict(self.headers), json.loads(body)))
        receiver.open.wait()
        self.send_response(receiver.status)
        if receiver.location:
            self.send_header("Location", receiver.location)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *arguments):
        pass


class Receiver:
    """Listens where the thread that makes it is; port: the one of a receiver that has ended."""

    def __init__(self, port=0, tls=None):
        self.requests = queue.Queue()
        self.status, self.location = 200, None
        self.open = threading.Event()
        self.open.set()
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
        self.server.daemon_threads = True
        self.server.receiver = self
        self.port = self.server.server_address[1]
        if tls:
            self.server.socket = tls.wrap_socket(self.server.socket, server_side=True)
        self.url = f"{'https' if tls else 'http'}://127.0.0.1:{self.port}/hook"
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def take(self, timeout=30):
        """The next request: path, headers and document."""
        return self.requests.get(timeout=patient(timeout))

    def end(self):
        self.open.set()
        self.server.shutdown()
        self.server.server_close()
