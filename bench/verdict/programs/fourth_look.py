"""Python programs written after the third look, judged once by the code as it stands. Most are servers or libraries that
hold on to something in their own way; one leaves its garbage to the collector, and two grow outside of the live heap."""

import asyncio
import ctypes
import math

from second_look import asgi
from work import R, text


def wsgi(app, times, path, form=None):
    from werkzeug.test import Client
    client = Client(app)

    def run(i):
        for j in range(times):
            client.post(path(i, j), data=form()) if form else client.get(path(i, j))
    return run


# ---- servers that let go ---------------------------------------------------------------------------------------------

def django_forms_steady():
    import django
    from django.conf import settings
    settings.configure(DEBUG=False, USE_I18N=False, LOGGING_CONFIG=None)
    django.setup()
    from django import forms

    class Order(forms.Form):
        name = forms.CharField(max_length=60)
        count = forms.IntegerField(min_value=0)

    def run(i):
        for _ in range(6):
            form = Order({"name": text(1, 90), "count": R.randrange(-5, 50)})
            form.is_valid() or str(form.errors)
    return run


def fastapi_tasks_steady():
    from fastapi import BackgroundTasks, FastAPI
    app = FastAPI()

    @app.get("/items/{number}")
    async def item(number: int, tasks: BackgroundTasks, q: str = ""):
        tasks.add_task(lambda: sum(range(100)))
        return {"number": number, "q": q}
    return asgi(app, 4)


def pyramid_json_steady():
    from pyramid.config import Configurator
    with Configurator() as config:
        config.add_route("item", "/item/{id}")
        config.add_view(lambda request: {"id": request.matchdict["id"], "note": text(1, 3000)}, route_name="item", renderer="json")
        return wsgi(config.make_wsgi_app(), 4, lambda i, j: f"/item/{i}-{j}")


def pandas_groups_steady():
    import pandas

    def run(i):
        frame = pandas.DataFrame({"key": [R.randrange(9) for _ in range(300)], "value": [R.random() for _ in range(300)]})
        frame.groupby("key")["value"].agg(["mean", "max"]).to_dict()
    return run


def pillow_thumbnails_steady():
    from PIL import Image

    def run(i):
        image = Image.new("RGB", (R.randrange(50, 400), R.randrange(50, 400)), "red")
        image.thumbnail((40, 40))
        image.tobytes()
    return run


# ---- what fills up ---------------------------------------------------------------------------------------------------

def flask_uploads_plateau():
    # Each form has a boundary of its own, and Python's `re` keeps the last 512 patterns.
    import io

    from flask import Flask, request
    app = Flask("uploads")

    @app.post("/file/<name>")
    def file(name):
        return {"name": name, "size": len(request.files["part"].read())}
    return wsgi(app, 6, lambda i, j: f"/file/{i}-{j}", lambda: {"part": (io.BytesIO(text(10, 30_000).encode()), "a.txt")})


def django_locmem_plateau():
    from django.core.cache.backends.locmem import LocMemCache
    cache = LocMemCache("sessions", {"OPTIONS": {"MAX_ENTRIES": 260, "CULL_FREQUENCY": 130}})

    def run(i):
        for j in range(9):
            cache.set(f"{i}-{j}", text(600, 900))
    return run


def fastapi_latest_plateau():
    from collections import deque

    from fastapi import FastAPI
    app, latest = FastAPI(), deque(maxlen=120)

    @app.get("/items/{number}")
    async def item(number: int):
        latest.append({"number": number, "body": text(900, 1200)})
        return len(latest)
    return asgi(app, 4)


def networkx_memo_plateau():
    # Every customer comes back; each costs a page the first time.
    import networkx
    pages = {}

    def run(i):
        for _ in range(6):
            customer = R.randrange(90)
            if customer not in pages:
                pages[customer] = networkx.path_graph(40)
    return run


# ---- what leaks ------------------------------------------------------------------------------------------------------

def flask_hooks_leak():
    from flask import Flask
    app = Flask("hooks")

    @app.get("/order/<name>")
    def order(name):
        app.extensions.setdefault("undo", []).append(lambda: name)
        return {"name": name}
    return wsgi(app, 3, lambda i, j: f"/order/{i}-{j}")


def django_signal_leak():
    from django.dispatch import Signal
    saved = Signal()

    def run(i):
        for j in range(4):
            saved.connect(lambda **given: None, weak=False, dispatch_uid=f"order-{i}-{j}")
            j or saved.send(None)
    return run


def fastapi_dependency_leak():
    from functools import lru_cache

    from fastapi import Depends, FastAPI
    app = FastAPI()

    @lru_cache(maxsize=None)
    def settings(number):
        return {"number": number, "limits": list(range(20))}

    @app.get("/items/{number}")
    async def item(found: dict = Depends(lambda number: settings(number))):
        return found["number"]
    return asgi(app, 4)


def pyramid_registry_leak():
    from pyramid.config import Configurator
    with Configurator() as config:
        config.add_route("item", "/item/{id}")
        seen = config.registry.settings.setdefault("seen", {})

        def view(request):
            seen[request.path] = dict(request.headers)
            return {}
        config.add_view(view, route_name="item", renderer="json")
        return wsgi(config.make_wsgi_app(), 2, lambda i, j: f"/item/{i}-{j}")


def tornado_callbacks_leak():
    # Callbacks for a time that never comes.
    from tornado.ioloop import IOLoop
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    io = IOLoop.current()

    def run(i):
        for _ in range(3):
            order = text(80, 200)
            io.call_later(1e6, lambda order=order: order)
        loop.run_until_complete(asyncio.sleep(0))
    return run


def sqlalchemy_tables_leak():
    import sqlalchemy as sql
    metadata = sql.MetaData()

    def run(i):
        sql.Table(f"import_{i}", metadata, sql.Column("id", sql.Integer, primary_key=True), sql.Column("note", sql.String(40)))
    return run


def networkx_trail_leak():
    import networkx
    trail = networkx.DiGraph()

    def run(i):
        for j in range(3):
            trail.add_edge(f"{i}-{j}", f"{i}-{j + 1}", note=text(20, 80))
    return run


def pandas_archive_stepwise():
    # Every so often a table of the day is kept.
    import pandas
    archive = []
    every = R.randrange(13, 19)

    def run(i):
        frame = pandas.DataFrame({"value": [R.random() for _ in range(400)]})
        frame.describe()
        if i % every == every - 1:
            archive.append(pandas.DataFrame({"value": [R.random() for _ in range(20_000)]}))
    return run


# ---- what goes up and comes down -------------------------------------------------------------------------------------

def falcon_export_spikes():
    import falcon.asgi
    from falcon.testing import TestClient
    export = {}

    class Export:
        async def on_get(self, request, response):
            export["rows"] = [text(50, 90) for _ in range(20_000)]
            response.text = str(len(export["rows"]))
    app = falcon.asgi.App()
    app.add_route("/export", Export())
    client = TestClient(app)
    for _ in range(3):
        client.simulate_get("/export")

    def run(i):
        export.clear()
        if R.random() < 0.05:
            client.simulate_get("/export")
    return run


def asyncio_queue_fluctuating():
    import numpy
    waiting = []
    phase = R.random() * 6

    def run(i):
        wanted = int(60 + 45 * math.sin(phase + i / 6) + 12 * math.sin(phase + i / 1.9))
        while len(waiting) < wanted:
            waiting.append(numpy.zeros(R.randrange(3000, 6000)))
        del waiting[wanted:]
    return run


# ---- left to the collector -------------------------------------------------------------------------------------------

def tree_garbage_sawtooth():
    """Trees whose nodes know their parents: only the collector frees them, when it comes."""
    class Node:
        def __init__(self, parent):
            self.parent, self.children, self.body = parent, [], text(200, 400)

    def run(i):
        for _ in range(R.randrange(3, 6)):
            root = Node(None)
            for _ in range(60):
                root.children.append(Node(root))
    return run


def jinja_garbage_sawtooth():
    from jinja2 import Environment
    environment = Environment(cache_size=0)

    def run(i):
        for _ in range(2):
            environment.from_string("{% for x in rows %}{{ x }}, {% endfor %}" + text(1, 300)).render(rows=range(30))
    return run


# ---- growth outside of the live heap ---------------------------------------------------------------------------------

def numpy_chunks_fragmentation():
    """Small arrays, every other one of a pool, give way to chunks of their joint size: as many live bytes as before. Each
    chunk comes to lie behind a passing array; the holes of these are a little too small for the next one."""
    import numpy
    small = [numpy.zeros(125) for _ in range(72 * 4 * 110)]  # 1,112 bytes each
    first = R.randrange(1400, 1600)

    def run(i):
        for step in range(4 * i, 4 * i + 4):
            passing = numpy.ones(first + 7 * step)
            chunk = numpy.zeros(4990)  # 40,032 bytes
            small[72 * step:72 * (step + 1):2] = [chunk] * 36
            del passing
    return run


def ctypes_native_fragmentation():
    """A C library that forgets what it took."""
    libc = ctypes.CDLL(None)
    libc.malloc.restype = ctypes.c_void_p

    def run(i):
        for _ in range(10):
            size = R.randrange(30_000, 90_000)
            ctypes.memset(libc.malloc(ctypes.c_size_t(size)), 1, size)
    return run


# ---- too few ---------------------------------------------------------------------------------------------------------

def flask_short_insufficient():
    from flask import Flask
    app, log = Flask("short"), []
    app.add_url_rule("/<name>", view_func=lambda name: str(log.append(name)), endpoint="log")
    return wsgi(app, 4, lambda i, j: f"/{i}-{j}")


STEADY = [django_forms_steady, fastapi_tasks_steady, pyramid_json_steady, pandas_groups_steady,
          pillow_thumbnails_steady]
PLATEAU = [flask_uploads_plateau, django_locmem_plateau, fastapi_latest_plateau, networkx_memo_plateau]
LEAK = [flask_hooks_leak, django_signal_leak, fastapi_dependency_leak, pyramid_registry_leak, tornado_callbacks_leak,
        sqlalchemy_tables_leak, networkx_trail_leak]
PROGRAMS = {
    **dict.fromkeys(STEADY, "steady"), **dict.fromkeys(PLATEAU, "warm_up_plateau"), **dict.fromkeys(LEAK, "linear_leak"),
    pandas_archive_stepwise: "stepwise_growth", falcon_export_spikes: "spikes", asyncio_queue_fluctuating: "fluctuating",
    tree_garbage_sawtooth: "gc_sawtooth", jinja_garbage_sawtooth: "gc_sawtooth",
    numpy_chunks_fragmentation: "fragmentation_or_native", ctypes_native_fragmentation: "fragmentation_or_native",
    flask_short_insufficient: "insufficient_data",
}
