"""requests: a session against a server on loopback, with redirects, cookies, uploads and compressed answers."""
import gzip
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import requests


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def log_message(self, *arguments):
        pass

    def answer(self, code, body=b"", **headers):
        self.send_response(code)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path.startswith("/again"):
            self.answer(302, Location="/end", Set_Cookie="seen=yes")
        else:
            text = ("cookie " + str(self.headers.get("Cookie")) + "\n") * 200
            self.answer(200, gzip.compress(text.encode()), Content_Encoding="gzip")

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(200, b'{"bytes": %d}' % (len(body) // 1000), Content_Type="application/json")


server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
thread.start()
base = f"http://127.0.0.1:{server.server_port}"
total = 0
with requests.Session() as session:
    session.trust_env = False
    for number in range(100):
        total += len(session.get(base + "/again").text)
        total += session.post(base + "/upload", files={"file": ("a.txt", b"x" * 20_000)}).json()["bytes"]
server.shutdown()
thread.join()
server.server_close()
print(total)
