"""Python programs no tuning has seen: what one iteration does, and the truth about its growth."""

import asyncio

from first_look import on_loop
from work import R, text


def ordered_dict_plateau():
    from collections import OrderedDict
    cache = OrderedDict()

    def run(i):
        for _ in range(8):
            cache[R.randrange(10**9)] = text(500, 1900)
            if len(cache) > 280:
                cache.popitem(last=False)
    return run


def webob_steady():
    from webob import Request, Response

    def app(environ, start):
        request = Request(environ)
        return Response(text=request.GET.get("q", "") * 2)(environ, start)

    def run(i):
        for _ in range(9):
            Request.blank("/x?q=" + text(1, 200)).get_response(app)
    return run


def html5_parser_steady():
    from html.parser import HTMLParser

    class Links(HTMLParser):
        def __init__(self):
            super().__init__()
            self.found = []

        def handle_starttag(self, tag, attrs):
            self.found.append((tag, attrs))

    def run(i):
        Links().feed("".join(f'<a href="{text(1, 40)}">x</a>' for _ in range(R.randrange(80))))
    return run


def msgpack_steady():
    import msgpack

    def run(i):
        for _ in range(9):
            msgpack.unpackb(msgpack.packb([{"a": text(1, 90), "n": n} for n in range(R.randrange(30))]))
    return run


def itsdangerous_steady():
    from itsdangerous import URLSafeSerializer
    box = URLSafeSerializer("k")

    def run(i):
        for _ in range(10):
            box.loads(box.dumps({"user": text(1, 100), "n": R.randrange(10**6)}))
    return run


def anyio_tasks_steady():
    async def work():
        await asyncio.gather(*(asyncio.sleep(0, bytes(R.randrange(2000))) for _ in range(30)))
    call_now = on_loop(work)

    def run(i):
        call_now()
    return run


def httpx_steady():
    import httpx
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, json={"p": request.url.path})))

    def run(i):
        for _ in range(4):
            client.get("http://x/" + text(1, 60)).json()
    return run


def httpx_responses_leak():
    import httpx
    client = httpx.Client(transport=httpx.MockTransport(lambda request: httpx.Response(200, content=bytes(300))))
    history = []

    def run(i):
        for _ in range(2):
            history.append(client.get("http://x/" + text(1, 60)).headers)
    return run


def asyncio_pending_leak():
    loop = asyncio.new_event_loop()
    waiting = set()

    def run(i):
        for _ in range(2):
            waiting.add(loop.create_future())
        loop.run_until_complete(asyncio.sleep(0))
    return run


def logging_handlers_leak():
    import logging
    log = logging.Logger("orders")

    def run(i):
        handler = logging.NullHandler()
        handler.setFormatter(logging.Formatter("%(message)s " + text(300, 500)))
        log.addHandler(handler)
        log.info("order")
    return run


PROGRAMS = {
    ordered_dict_plateau: "warm_up_plateau", webob_steady: "steady", html5_parser_steady: "steady",
    msgpack_steady: "steady", itsdangerous_steady: "steady", anyio_tasks_steady: "steady", httpx_steady: "steady",
    httpx_responses_leak: "linear_leak", asyncio_pending_leak: "linear_leak", logging_handlers_leak: "linear_leak",
}
