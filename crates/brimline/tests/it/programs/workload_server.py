"""A server of the standard library. Its first word: `leaky`, `bounded`, `stubborn` (ignores Ctrl-C and requests to end)."""
import http.server
import os
import signal
import sys

kept = []


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        if self.path == "/die":
            os._exit(7)
        if sys.argv[1] == "leaky":
            kept.append(self.path * 100)
        status = 500 if self.path == "/broken" else 200
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


if sys.argv[1] == "stubborn":
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print("listening now", flush=True)
server.serve_forever()
