"""Python programs written after the second look, judged once by the code as it stands: what one iteration does, and the truth about its growth."""

from second_look import asgi, rows
from work import R, text


def many(count, act):
    def run(i):
        for _ in range(count):
            act()
    return run


# ---- libraries and servers that let go -------------------------------------------------------------------------------

def orjson_steady():
    import orjson
    return many(4, lambda: orjson.loads(orjson.dumps(rows(60))))


def ujson_steady():
    import ujson
    return many(4, lambda: ujson.loads(ujson.dumps(rows(60))))


def babel_steady():
    from babel.numbers import format_currency
    return many(20, lambda: format_currency(R.random() * 1e6, "EUR", locale="de_DE"))


def pendulum_steady():
    import pendulum
    return many(15, lambda: pendulum.from_timestamp(R.randrange(10**9)).add(days=3).to_iso8601_string())


def regex_steady():
    import regex
    pattern = regex.compile(r"(\w+)=(\d+)")
    return many(10, lambda: pattern.findall(f"a={R.randrange(99)} " * R.randrange(1, 40)))


def parso_steady():
    import parso
    grammar = parso.load_grammar()
    return many(1, lambda: grammar.parse("".join(f"def f{n}(a):\n    return a + {R.randrange(9)}\n" for n in range(R.randrange(1, 12)))))


def voluptuous_steady():
    from voluptuous import Schema
    check = Schema([{"id": int, "name": str, "price": float}])
    return many(3, lambda: check(rows(40)))


def treelib_steady():
    from treelib import Tree

    def build():
        tree = Tree()
        tree.create_node("root", "root")
        for n in range(R.randrange(1, 40)):
            tree.create_node(text(1, 30), n, parent="root")
        return tree.depth()
    return many(2, build)


def httptools_steady():
    import httptools

    class Seen:
        def on_url(self, url):
            self.url = url

    def parse():
        httptools.HttpRequestParser(Seen()).feed_data(b"GET /order?id=%d HTTP/1.1\r\nHost: x\r\n\r\n" % R.randrange(10**6))
    return many(20, parse)


def webpy_steady():
    import web

    class Order:
        def GET(self, number):
            return text(1, 300) + number
    app = web.application(("/order/(.*)", "Order"), {"Order": Order})
    return many(5, lambda: app.request(f"/order/{R.randrange(10**6)}").data)


def starlette_router_steady():
    from starlette.responses import JSONResponse
    from starlette.routing import Route, Router

    async def item(request):
        return JSONResponse({"rows": rows(12)})
    return asgi(Router(routes=[Route("/items/{number:int}", item)]), 6)


def difflib_steady():
    import difflib
    return many(1, lambda: list(difflib.unified_diff([text(1, 20) for _ in range(20)], [text(1, 20) for _ in range(20)])))


def bag_window_plateau():
    from collections import Counter, deque
    window, counts = deque(), Counter()

    def run(i):
        for _ in range(8):
            key = (i, R.random())
            window.append(key)
            counts[key] += 1
            if len(window) > 220:
                del counts[window.popleft()]
    return run


def boltons_lri_plateau():
    from boltons.cacheutils import LRI
    cache = LRI(max_size=200)

    def run(i):
        for _ in range(7):
            cache[(i, R.random())] = text(300, 700)
    return run


def sympy_free_memo_plateau():
    from functools import lru_cache

    @lru_cache(maxsize=256)
    def price(key):
        return {"key": key, "note": text(200, 500)}

    def run(i):
        for n in range(9):
            price((i, n))
    return run


# ---- leaks -----------------------------------------------------------------------------------------------------------

def treelib_nodes_leak():
    from treelib import Tree
    tree = Tree()
    tree.create_node("root", "root")

    def run(i):
        tree.create_node(text(40, 120), i, parent="root")
    return run


def webpy_hooks_leak():
    import web

    class Order:
        def GET(self, number):
            return number
    app = web.application(("/order/(.*)", "Order"), {"Order": Order})

    def run(i):
        app.add_mapping(f"/tenant/{i}", "Order")
        app.request(f"/order/{i}").data
    return run


def starlette_log_leak():
    from starlette.responses import JSONResponse
    from starlette.routing import Route, Router
    log = []

    async def item(request):
        log.append((str(request.url), text(60, 120)))
        return JSONResponse({})
    return asgi(Router(routes=[Route("/items/{number:int}", item)]), 2)


def pyrsistent_history_leak():
    from pyrsistent import pvector
    states = [pvector()]

    def run(i):
        states.append(states[-1].append(text(20, 60)))
    return run


def dns_answers_leak():
    import dns.message
    answers = {}

    def run(i):
        answers[i] = dns.message.make_query(f"host{i}.example.org", "A").to_wire() + bytes(200)
    return run


STEADY = [
    orjson_steady, ujson_steady, babel_steady, pendulum_steady, regex_steady, parso_steady, voluptuous_steady, treelib_steady,
    httptools_steady, webpy_steady, starlette_router_steady, difflib_steady,
]
PLATEAU = [bag_window_plateau, boltons_lri_plateau, sympy_free_memo_plateau]
LEAK = [treelib_nodes_leak, webpy_hooks_leak, starlette_log_leak, pyrsistent_history_leak, dns_answers_leak]
PROGRAMS = {
    **dict.fromkeys(STEADY, "steady"), **dict.fromkeys(PLATEAU, "warm_up_plateau"), **dict.fromkeys(LEAK, "linear_leak"),
}
