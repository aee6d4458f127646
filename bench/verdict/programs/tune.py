"""Python programs for tuning: what one iteration does, and the truth about its growth."""

import sys

from work import R, churn, text

# ---- standard library ------------------------------------------------------------------------------------------------

def dict_leak():
    seen = {}

    def run(i):
        churn()
        for j in range(4):
            seen[(i, j)] = bytes(1000)
    return run


def slow_list_leak():
    log = []

    def run(i):
        churn()
        log.append(bytes(300))
    return run


def lru_plateau():
    from functools import lru_cache

    @lru_cache(maxsize=256)
    def look_up(key):
        return bytes(2000)

    def run(i):
        churn(50)
        for _ in range(20):
            look_up(R.randrange(100_000))
    return run


def json_steady():
    import json

    def run(i):
        for _ in range(20):
            json.loads(json.dumps([{"a": text(1, 300), "b": list(range(R.randrange(50)))}]))
    return run


def report_spikes():
    state = {}

    def run(i):
        state.clear()
        churn(50)
        if R.random() < 0.06:
            state["report"] = bytes(3_000_000)
    return run


def cycle_steady():
    class Node:
        def __init__(self):
            self.me, self.body = self, bytes(R.randrange(100, 4000))

    def run(i):
        for _ in range(50):
            Node()
    return run


def step_leak():
    pools = []

    def run(i):
        churn()
        if i % 28 == 27:
            pools.append([bytes(1000) for _ in range(100)])
    return run


def method_cache_leak():
    from functools import lru_cache

    class Order:
        def __init__(self):
            self.body = bytes(1500)

        @lru_cache(maxsize=None)
        def price(self):
            return len(self.body)

    def run(i):
        churn(30)
        for _ in range(3):
            Order().price()
    return run


def wave_load():
    import math
    live = []

    def run(i):
        wanted = int(400 + 300 * math.sin(i / 14.0) + R.gauss(0, 10))
        while len(live) < wanted:
            live.append(bytes(2000))
        del live[wanted:]
    return run


# ---- third party -----------------------------------------------------------------------------------------------------

def flask_client(routes):
    from flask import Flask, jsonify, request
    app = Flask("shop")
    routes(app, jsonify, request)
    return app.test_client()


def flask_steady():
    def routes(app, jsonify, request):
        @app.post("/echo")
        def echo():
            return jsonify(length=len(request.get_data()), words=text(1, 200))
    client = flask_client(routes)

    def run(i):
        for _ in range(10):
            client.post("/echo", data=text(1, 3000))
    return run


def flask_log_leak():
    entries = []

    def routes(app, jsonify, request):
        @app.post("/order")
        def order():
            entries.append({"path": request.path, "body": bytes(200)})
            return jsonify(ok=True)
    client = flask_client(routes)

    def run(i):
        for _ in range(10):
            client.post("/order", data=text(1, 3000))
    return run


def flask_session_leak():
    sessions = {}

    def routes(app, jsonify, request):
        @app.get("/login/<user>")
        def login(user):
            sessions[user] = {"user": user, "basket": [bytes(64) for _ in range(4)]}
            return jsonify(n=len(sessions))
    client = flask_client(routes)

    def run(i):
        for j in range(8):
            client.get(f"/login/u{i}-{j}")
    return run


def fastapi_client(routes):
    from fastapi import FastAPI
    from fastapi.testclient import TestClient
    app = FastAPI()
    routes(app)
    client = TestClient(app)
    client.__enter__()
    return client


def fastapi_steady():
    def routes(app):
        @app.get("/items/{item}")
        async def item(item: int, q: str = ""):
            return {"item": item, "q": q, "rows": [text(1, 100) for _ in range(10)]}
    client = fastapi_client(routes)

    def run(i):
        for _ in range(6):
            client.get(f"/items/{R.randrange(100)}", params={"q": text(1, 500)})
    return run


def fastapi_leak():
    results = []

    def routes(app):
        @app.get("/score/{item}")
        async def score(item: int):
            results.append((item, bytes(500)))
            return {"n": len(results)}
    client = fastapi_client(routes)

    def run(i):
        for j in range(5):
            client.get(f"/score/{R.randrange(10**6)}")
    return run


def cachetools_lru_plateau():
    from cachetools import LRUCache
    cache = LRUCache(maxsize=300)

    def run(i):
        for _ in range(12):
            key = R.randrange(10**6)
            cache[key] = bytes(1200)
    return run


def cachetools_ttl_plateau():
    from cachetools import TTLCache
    now = [0]
    cache = TTLCache(maxsize=10**9, ttl=40, timer=lambda: now[0])

    def run(i):
        now[0] = i
        churn(20)
        for _ in range(5):
            cache[R.randrange(10**9)] = bytes(800)
    return run


def cachetools_unbounded_leak():
    from cachetools import Cache, cached

    @cached(Cache(maxsize=float("inf")))
    def profile(user):
        return {"user": user, "body": bytes(700)}

    def run(i):
        for _ in range(4):
            profile(R.randrange(10**12))
    return run


def cachetools_zipf_plateau():
    from cachetools import LFUCache
    cache = LFUCache(maxsize=10_000)

    def run(i):
        for _ in range(30):
            key = min(int(R.paretovariate(0.9)), 250)
            if key not in cache:
                cache[key] = bytes(3000)
    return run


def jinja_steady():
    from jinja2 import Environment
    template = Environment().from_string("{% for r in rows %}<li>{{ r.name }} {{ r.n * 3 }}</li>{% endfor %}")

    def run(i):
        for _ in range(10):
            template.render(rows=[{"name": text(1, 60), "n": j} for j in range(R.randrange(60))])
    return run


def jinja_cache_plateau():
    from jinja2 import DictLoader, Environment
    environment = Environment(loader=DictLoader({f"p{n}": f"<b>{{{{ a{n} }}}}</b>" * 4 for n in range(2000)}), cache_size=80)

    def run(i):
        for _ in range(3):
            environment.get_template(f"p{R.randrange(2000)}").render()
    return run


def blinker_listener_leak():
    from blinker import signal
    saved = signal("saved")

    class Widget:
        def __init__(self):
            self.body = bytes(900)

        def on_saved(self, sender):
            return len(self.body)

    def run(i):
        churn(20)
        for _ in range(2):
            saved.connect(Widget().on_saved, weak=False)
    return run


def blinker_weak_steady():
    from blinker import signal
    changed = signal("changed")

    class Widget:
        def __init__(self):
            self.body = bytes(R.randrange(500, 2000))

        def on_changed(self, sender):
            return len(self.body)

    def run(i):
        for _ in range(10):
            changed.connect(Widget().on_changed)
        changed.send(None)
    return run


def sqlalchemy_steady():
    from sqlalchemy import create_engine, text as sql
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        connection.execute(sql("create table t (a integer, b text)"))

    def run(i):
        with engine.begin() as connection:
            for _ in range(5):
                connection.execute(sql("insert into t values (:a, :b)"), {"a": i, "b": text(1, 200)})
            connection.execute(sql("select a, b from t where a = :a"), {"a": i}).all()
            connection.execute(sql("delete from t"))
    return run


def sqlalchemy_identity_leak():
    from sqlalchemy import Column, Integer, LargeBinary, create_engine
    from sqlalchemy.orm import Session, declarative_base
    base = declarative_base()

    class Row(base):
        __tablename__ = "rows"
        id = Column(Integer, primary_key=True)
        body = Column(LargeBinary)
    engine = create_engine("sqlite://")
    base.metadata.create_all(engine)
    session = Session(engine)
    held = []

    def run(i):
        for _ in range(3):
            row = Row(body=bytes(600))
            session.add(row)
            held.append(row)
        session.flush()
    return run


def bottle_steady():
    from bottle import Bottle, request
    app = Bottle()

    @app.get("/hello/<name>")
    def hello(name):
        return "hello " + name + request.query.get("q", "")

    def run(i):
        for _ in range(20):
            environ = {"PATH_INFO": "/hello/" + text(1, 50), "REQUEST_METHOD": "GET", "QUERY_STRING": "q=" + text(1, 200),
                       "wsgi.errors": sys.stderr}
            list(app(environ, lambda *a: None))
    return run


def bottle_hook_leak():
    from bottle import Bottle
    app = Bottle()

    @app.get("/")
    def index():
        return "ok"

    def run(i):
        for _ in range(4):
            body = bytes(800)
            app.add_hook("after_request", lambda body=body: None)
        list(app({"PATH_INFO": "/", "REQUEST_METHOD": "GET", "wsgi.errors": sys.stderr}, lambda *a: None))
    return run


def requests_cookie_leak():
    import requests
    jar = requests.Session().cookies

    def run(i):
        for j in range(5):
            jar.set(f"c{i}-{j}", text(80, 120), domain="example.org")
    return run


def markdown_steady():
    import markdown

    def run(i):
        markdown.markdown("# Title\n\n" + "\n\n".join(f"* {text(1, 80)} **b**" for _ in range(R.randrange(1, 12))))
    return run


def pydantic_steady():
    from pydantic import BaseModel

    class Order(BaseModel):
        id: int
        lines: list[str]

    def run(i):
        for _ in range(60):
            Order(id=i, lines=[text(1, 200) for _ in range(R.randrange(8))]).model_dump_json()
    return run


def falcon_steady():
    import falcon
    from falcon import testing

    class Thing:
        def on_get(self, req, resp):
            resp.media = {"q": req.get_param("q"), "rows": [text(1, 90)] * 3}
    app = falcon.App()
    app.add_route("/thing", Thing())
    client = testing.TestClient(app)

    def run(i):
        for _ in range(8):
            client.simulate_get("/thing", params={"q": text(1, 90)})
    return run


PROGRAMS = {
    dict_leak: "linear_leak",
    slow_list_leak: "linear_leak",
    lru_plateau: "warm_up_plateau",
    json_steady: "steady",
    report_spikes: "spikes",
    cycle_steady: "steady",
    step_leak: "stepwise_growth",
    method_cache_leak: "linear_leak",
    wave_load: "fluctuating",
    flask_steady: "steady",
    flask_log_leak: "linear_leak",
    flask_session_leak: "linear_leak",
    fastapi_steady: "steady",
    fastapi_leak: "linear_leak",
    cachetools_lru_plateau: "warm_up_plateau",
    cachetools_ttl_plateau: "warm_up_plateau",
    cachetools_unbounded_leak: "linear_leak",
    cachetools_zipf_plateau: "warm_up_plateau",
    jinja_steady: "steady",
    jinja_cache_plateau: "warm_up_plateau",
    blinker_listener_leak: "linear_leak",
    blinker_weak_steady: "steady",
    sqlalchemy_steady: "steady",
    sqlalchemy_identity_leak: "linear_leak",
    bottle_steady: "steady",
    bottle_hook_leak: "linear_leak",
    requests_cookie_leak: "linear_leak",
    markdown_steady: "steady",
    pydantic_steady: "steady",
    falcon_steady: "steady",
}
