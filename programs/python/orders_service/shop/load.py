"""Requests that a day of customers sends, in miniature: the same sequence at every run."""
import http.client
import json
import threading

from .framework import server


def requests(count):
    """Method, path and body: browsing, searching, and quotes for baskets that are hardly ever the same."""
    for number in range(count):
        kind = number % 4
        if kind == 0:
            yield "GET", f"/articles/{number % 800}", None
        elif kind == 1:
            yield "GET", f"/search?q={number % 80}", None
        else:
            basket = [{"article": (number * k) % 800, "count": 1 + k} for k in range(1, 6)]
            yield "POST", f"/quotes/customer-{number}", {"basket": basket, "note": f"please ring twice, order {number}"}


def drive(service, count):
    """Serve on loopback and send `count` requests over one connection; gives the number of bytes received."""
    httpd = server(service)
    thread = threading.Thread(target=httpd.serve_forever, kwargs={"poll_interval": 0.05}, name="http-server")
    thread.start()
    received = 0
    try:
        for method, path, body in requests(count):
            connection = http.client.HTTPConnection("127.0.0.1", httpd.server_port, timeout=30)
            connection.request(method, path, json.dumps(body) if body else None)
            received += len(connection.getresponse().read())
            connection.close()
    finally:
        httpd.shutdown()
        thread.join()
        httpd.server_close()
    return received
