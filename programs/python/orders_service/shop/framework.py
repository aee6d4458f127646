"""A web framework in sixty lines: routes by decorator, JSON in and out, served over WSGI."""
import json
import re
from urllib.parse import parse_qs
from wsgiref.simple_server import WSGIRequestHandler, make_server


class Request:
    def __init__(self, environ, arguments):
        self.method = environ["REQUEST_METHOD"]
        self.path = environ["PATH_INFO"]
        self.arguments = arguments
        self.query = {k: v[0] for k, v in parse_qs(environ.get("QUERY_STRING", "")).items()}
        self.body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))

    @property
    def json(self):
        return json.loads(self.body or b"null")


class Service:
    def __init__(self, name):
        self.name = name
        self.routes = []

    def route(self, method, pattern):
        expression = re.compile("^" + re.sub(r"<(\w+)>", r"(?P<\1>[^/]+)", pattern) + "$")

        def register(handler):
            self.routes.append((method, expression, handler))
            return handler

        return register

    def __call__(self, environ, start_response):
        status, answer = self.answer(environ)
        body = json.dumps(answer).encode()
        start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
        return [body]

    def answer(self, environ):
        for method, expression, handler in self.routes:
            match = expression.match(environ["PATH_INFO"])
            if match and method == environ["REQUEST_METHOD"]:
                return "200 OK", handler(Request(environ, match.groupdict()))
        return "404 Not Found", {"error": "no such page"}


class QuietHandler(WSGIRequestHandler):
    def log_message(self, *arguments):
        pass


def server(service, port=0):
    """A WSGI server on the loopback device; port 0 takes a free one."""
    return make_server("127.0.0.1", port, service, handler_class=QuietHandler)
