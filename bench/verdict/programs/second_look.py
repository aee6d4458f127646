"""Python programs that were held out until the code was frozen, then judged once: what one iteration does, and the truth about its growth."""

import http.client
import logging
import math
import threading

from first_look import on_loop
from work import R, text


def rows(most):
    return [{"id": n, "name": text(1, 60), "price": R.random()} for n in range(R.randrange(1, most))]


# ---- servers ---------------------------------------------------------------------------------------------------------

def asgi(app, times):
    async def call():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            pass
        await app({"type": "http", "method": "GET", "path": f"/items/{R.randrange(10**6)}", "query_string": b"q=" + text(1, 200).encode(),
                   "headers": [(b"host", b"x")], "http_version": "1.1", "scheme": "http", "server": ("x", 80), "root_path": "",
                   "raw_path": b"/items", "client": ("127.0.0.1", 5000), "state": {}, "asgi": {"version": "3.0", "spec_version": "2.3"}}, receive, send)
    call_now = on_loop(call)

    def run(i):
        for _ in range(times):
            call_now()
    return run


def litestar(handle, times=8):
    from litestar import Litestar, get

    @get("/items/{number:int}", sync_to_thread=False)
    def item(number: int) -> dict:
        return handle(number)
    return asgi(Litestar([item], logging_config=None), times)


def litestar_steady():
    return litestar(lambda number: {"number": number, "rows": rows(12)})


def litestar_visitors_leak():
    visitors = {}

    def handle(number):
        visitors[len(visitors)] = {"number": number, "agent": text(200, 260)}
        return {}
    return litestar(handle, 4)


def fetch(port, times):
    def run(i):
        for j in range(times):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
            connection.request("GET", f"/order?number={R.randrange(10**6)}&note={text(1, 90)}")
            connection.getresponse().read()
            connection.close()
    return run


def wsgi(handle):
    def app(environ, start_response):
        body = handle(environ).encode()
        start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
        return [body]
    return app


def waitress_steady():
    import waitress
    server = waitress.create_server(wsgi(lambda environ: text(1, 2000)), host="127.0.0.1", port=0, threads=1)
    threading.Thread(target=server.run, daemon=True).start()
    return fetch(server.effective_port, 4)


def cheroot_server(handle):
    from cheroot.wsgi import Server
    server = Server(("127.0.0.1", 0), wsgi(handle), numthreads=1, max=1)
    server.prepare()
    threading.Thread(target=server.serve, daemon=True).start()
    return server.bind_addr[1]


def cheroot_steady():
    return fetch(cheroot_server(lambda environ: environ["QUERY_STRING"] * 9), 3)


def cheroot_queries_leak():
    seen = set()

    def handle(environ):
        seen.add(environ["QUERY_STRING"] + text(150, 200))
        return "ok"
    return fetch(cheroot_server(handle), 3)


def uvicorn_steady():
    import uvicorn
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route
    app = Starlette(routes=[Route("/order", lambda request: PlainTextResponse(request.query_params["note"]))])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, log_level="critical", lifespan="off"))
    threading.Thread(target=server.run, daemon=True).start()
    while not server.started:
        threading.Event().wait(0.02)
    return fetch(server.servers[0].sockets[0].getsockname()[1], 3)


# ---- libraries that let go -------------------------------------------------------------------------------------------

def sqlglot_steady():
    import sqlglot

    def run(i):
        names = ", ".join(f"c{R.randrange(40)}" for _ in range(R.randrange(1, 12)))
        sqlglot.transpile(f"SELECT {names} FROM orders WHERE price > {R.random()}", read="mysql", write="duckdb")
    return run


def docutils_steady():
    from docutils.core import publish_string

    def run(i):
        publish_string("Title\n=====\n\n" + "".join(f"- *item* {text(1, 30)}\n" for _ in range(R.randrange(1, 15))), writer="html")
    return run


def xmltodict_steady():
    import xmltodict

    def run(i):
        xmltodict.parse(xmltodict.unparse({"orders": {"order": rows(40)}}))
    return run


def tomlkit_steady():
    import tomlkit

    def run(i):
        tomlkit.parse("".join(f'[order{n}]\nname = "{text(1, 50)}"\n' for n in range(R.randrange(1, 12)))).as_string()
    return run


def sqlparse_steady():
    import sqlparse

    def run(i):
        sqlparse.format("select a, b from t where " + " and ".join(f"c{n} = '{text(1, 9)}'" for n in range(R.randrange(1, 12))), reindent=True)
    return run


def cerberus_steady():
    from cerberus import Validator
    check = Validator({"id": {"type": "integer"}, "name": {"type": "string"}, "price": {"type": "float"}})

    def run(i):
        for row in rows(25):
            check.validate(row)
    return run


def wtforms_steady():
    from wtforms import Form, IntegerField, StringField, validators

    class Order(Form):
        name = StringField(validators=[validators.Length(max=40)])
        count = IntegerField()

    def run(i):
        for row in rows(12):
            Order(data={"name": row["name"], "count": row["id"]}).validate()
    return run


def structlog_steady():
    import structlog
    log = structlog.wrap_logger(structlog.ReturnLogger(), processors=[structlog.processors.JSONRenderer()])

    def run(i):
        for row in rows(40):
            log.info("order", **row)
    return run


def graphql_core_steady():
    from graphql import build_schema, graphql_sync
    schema = build_schema("type Row { id: Int name: String } type Query { rows: [Row] }")

    def run(i):
        graphql_sync(schema, "{ rows { id name } }", root_value={"rows": rows(25)})
    return run


def pyrsistent_steady():
    from pyrsistent import pmap, pvector

    def run(i):
        table = pvector()
        for row in rows(60):
            table = table.append(pmap(row))
    return run


def dnspython_steady():
    import dns.message

    def run(i):
        for _ in range(5):
            dns.message.from_wire(dns.message.make_query(f"host{R.randrange(10**6)}.example.org", "A").to_wire())
    return run


def tenacity_steady():
    import tenacity

    @tenacity.retry(stop=tenacity.stop_after_attempt(3), wait=tenacity.wait_none(), retry_error_callback=lambda state: None)
    def flaky():
        if R.random() < 0.5:
            raise ValueError(text(1, 200))

    def run(i):
        for _ in range(10):
            flaky()
    return run


def pandas_steady():
    import pandas

    def run(i):
        table = pandas.DataFrame(rows(200))
        table.groupby(table["id"] % 7)["price"].mean().to_dict()
    return run


def pluggy_steady():
    import pluggy
    spec = pluggy.HookspecMarker("shop")
    implement = pluggy.HookimplMarker("shop")
    manager = pluggy.PluginManager("shop")

    class Spec:
        @spec
        def price(self, order):
            pass

    class Plugin:
        @implement
        def price(self, order):
            return len(order)
    manager.add_hookspecs(Spec)

    def run(i):
        plugin = Plugin()
        manager.register(plugin)
        manager.hook.price(order=text(1, 90))
        manager.unregister(plugin)
    return run


def arrow_steady():
    import arrow

    def run(i):
        for _ in range(20):
            arrow.get(R.randrange(10**9)).shift(days=R.randrange(50)).format("YYYY-MM-DD HH:mm")
    return run


def click_runner_leak():
    # click 8.5.1's runner keeps the text wrappers of each call: testing.py line 179 (tracemalloc).
    import click
    from click.testing import CliRunner

    @click.command()
    @click.option("--count", type=int)
    @click.argument("name")
    def order(count, name):
        click.echo(f"{count} {name}")
    runner = CliRunner()

    def run(i):
        runner.invoke(order, ["--count", str(R.randrange(99)), text(1, 90)])
    return run


def simplejson_steady():
    import simplejson

    def run(i):
        simplejson.loads(simplejson.dumps(rows(70)))
    return run


# ---- containers that fill --------------------------------------------------------------------------------------------

def boltons_lru_plateau():
    from boltons.cacheutils import LRU
    cache = LRU(max_size=250)

    def run(i):
        for _ in range(R.randrange(4, 11)):
            cache[R.randrange(10**9)] = text(300, 900)
    return run


def lru_dict_plateau():
    from lru import LRU
    cache = LRU(300)

    def run(i):
        for _ in range(9):
            cache[(i, R.random())] = text(600, 1500)
    return run


def expiringdict_plateau():
    from expiringdict import ExpiringDict
    cache = ExpiringDict(max_len=180, max_age_seconds=10**6)

    def run(i):
        for _ in range(R.randrange(2, 8)):
            cache[f"{i}-{R.random()}"] = {"body": text(900, 1100)}
    return run


def tinydb_window_plateau():
    from tinydb import TinyDB
    from tinydb.storages import MemoryStorage
    table = TinyDB(storage=MemoryStorage).table("orders")
    known = []

    def run(i):
        known.extend(table.insert_multiple([{"name": text(400, 900)} for _ in range(5)]))
        if len(known) > 200:
            table.remove(doc_ids=known[:len(known) - 200])
            del known[:len(known) - 200]
    return run


def fakeredis_keys_plateau():
    import fakeredis
    client = fakeredis.FakeRedis()

    def run(i):
        for _ in range(20):
            client.set(f"user:{R.randrange(250)}", text(1000, 1001))
    return run


def intervaltree_window_plateau():
    from intervaltree import IntervalTree
    tree = IntervalTree()

    def run(i):
        for _ in range(6):
            start = i * 10 + R.randrange(10)
            tree.addi(start, start + 5, text(300, 700))
        tree.remove_envelop(-10, i * 10 - 400)
    return run


# ---- peaks and load --------------------------------------------------------------------------------------------------

def openpyxl_export_spikes():
    from openpyxl import Workbook
    kept = {}

    def run(i):
        kept.clear()
        for row in rows(60):
            text(1, 20)
        if R.random() < 0.05 or i == 40:
            book = kept["book"] = Workbook()
            for n in range(4000):
                book.active.append([n, text(20, 60), R.random()])
    return run


def bidict_load_fluctuating():
    from bidict import bidict
    online = bidict()

    def run(i):
        wanted = int(600 + 500 * math.sin(i / 13) + R.randrange(60))
        while len(online) < wanted:
            online[R.randrange(10**9)] = text(700, 1400) + str(R.random())
        while len(online) > wanted:
            online.popitem()
    return run


# ---- leaks -----------------------------------------------------------------------------------------------------------

def zodb_revisions_leak():
    import transaction
    import ZODB
    from ZODB.MappingStorage import MappingStorage
    root = ZODB.connection(MappingStorage()).root()
    root["counter"] = 0

    def run(i):
        root["counter"] += 1
        root["note"] = text(300, 500)
        transaction.commit()
    return run


def loguru_sinks_leak():
    from loguru import logger
    logger.remove()

    def run(i):
        logger.add(lambda message: None, format=f"{i} {{message}}", level="CRITICAL")
        logger.info("order {}", i)
    return run


def prometheus_labels_leak():
    import prometheus_client
    registry = prometheus_client.CollectorRegistry()
    hits = prometheus_client.Counter("hits", "hits", ["user"], registry=registry)

    def run(i):
        for _ in range(2):
            hits.labels(user=f"user-{R.random()}").inc()
    return run


def otel_spans_leak():
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(InMemorySpanExporter()))
    tracer = provider.get_tracer("shop")

    def run(i):
        with tracer.start_as_current_span("order") as span:
            span.set_attribute("note", text(50, 150))
    return run


def transitions_models_leak():
    from transitions import Machine
    machine = Machine(model=None, states=["new", "paid"], initial="new")
    machine.add_transition("pay", "new", "paid")

    class Order:
        pass

    def run(i):
        order = Order()
        machine.add_model(order)
        order.pay()
    return run


def huey_results_leak():
    from huey import MemoryHuey
    logging.getLogger("huey").setLevel(logging.CRITICAL)
    queue = MemoryHuey("orders")

    @queue.task()
    def price(name):
        return {"name": name, "price": len(name)}

    def run(i):
        for _ in range(3):
            price(text(100, 200))
            queue.execute(queue.dequeue())
    return run


def apscheduler_jobs_leak():
    import datetime

    from apscheduler.schedulers.background import BackgroundScheduler
    scheduler = BackgroundScheduler(timezone="UTC")
    far = datetime.datetime(2199, 1, 1, tzinfo=datetime.timezone.utc)

    def run(i):
        scheduler.add_job(text, "date", run_date=far, args=[1, i + 2])
    return run


def traitlets_observers_leak():
    import traitlets

    class Settings(traitlets.HasTraits):
        rate = traitlets.Float(1.0)
    settings = Settings()

    def run(i):
        page = bytearray(R.randrange(300, 500))
        settings.observe(lambda change: page, "rate")
    return run


def reactivex_subscriptions_leak():
    from reactivex.subject import Subject
    orders = Subject()

    def run(i):
        for _ in range(2):
            seen = []
            orders.subscribe(lambda order: seen[:] and None)
        orders.on_next(i)
    return run


def anytree_children_leak():
    from anytree import Node
    root = Node("root")

    def run(i):
        Node(text(100, 300), parent=root)
    return run


def mongomock_insert_leak():
    import mongomock
    orders = mongomock.MongoClient().db.orders

    def run(i):
        orders.insert_one({"name": text(200, 400), "n": i})
        orders.find_one({"n": i})
    return run


def numpy_frames_leak():
    import numpy
    frames = []

    def run(i):
        frames.append(numpy.full(R.randrange(150, 300), float(i)))
        numpy.linalg.norm(frames[-1])
    return run


def pyee_listeners_leak():
    from pyee.base import EventEmitter
    events = EventEmitter()

    def run(i):
        session = {"id": i, "body": text(400, 600)}
        events.on("logout", lambda user: session.get(user))
        events.emit("login", i)
    return run


def pandas_batches_stepwise():
    import pandas
    reports = []

    def run(i):
        table = pandas.DataFrame(rows(50))
        table["price"].mean()
        if i % 16 == 9:
            reports.append(pandas.DataFrame({"at": list(range(3000)), "name": [text(20, 40) for _ in range(3000)]}))
    return run


STEADY = [
    litestar_steady, waitress_steady, cheroot_steady, uvicorn_steady, sqlglot_steady, docutils_steady, xmltodict_steady,
    tomlkit_steady, sqlparse_steady, cerberus_steady, wtforms_steady, structlog_steady, graphql_core_steady,
    pyrsistent_steady, dnspython_steady, tenacity_steady, pandas_steady, pluggy_steady, arrow_steady,
    simplejson_steady,
]
PLATEAU = [
    boltons_lru_plateau, lru_dict_plateau, expiringdict_plateau, tinydb_window_plateau, fakeredis_keys_plateau,
    intervaltree_window_plateau,
]
LEAK = [
    click_runner_leak, litestar_visitors_leak, cheroot_queries_leak, zodb_revisions_leak, loguru_sinks_leak, prometheus_labels_leak,
    otel_spans_leak, transitions_models_leak, huey_results_leak, apscheduler_jobs_leak, traitlets_observers_leak,
    reactivex_subscriptions_leak, anytree_children_leak, mongomock_insert_leak, numpy_frames_leak, pyee_listeners_leak,
]
PROGRAMS = {
    **dict.fromkeys(STEADY, "steady"), **dict.fromkeys(PLATEAU, "warm_up_plateau"), **dict.fromkeys(LEAK, "linear_leak"),
    openpyxl_export_spikes: "spikes", bidict_load_fluctuating: "fluctuating", pandas_batches_stepwise: "stepwise_growth",
}
