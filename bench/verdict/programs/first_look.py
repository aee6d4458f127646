"""Python programs that were held out until their verdicts were first looked at: what one iteration does, and the truth about its growth."""

import asyncio
import io

from work import R, text


def on_loop(coroutine):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    return lambda *given: loop.run_until_complete(coroutine(*given))


# ---- servers ---------------------------------------------------------------------------------------------------------

def django_client(view):
    import django
    from django.conf import settings
    from django.urls import path
    settings.configure(DEBUG=False, ALLOWED_HOSTS=["*"], ROOT_URLCONF="first_look", SECRET_KEY="x", MIDDLEWARE=[], LOGGING_CONFIG=None)
    django.setup()
    globals()["urlpatterns"] = [path("order/<int:number>", view)]
    from django.test import Client
    return Client()


def django_steady():
    from django.http import JsonResponse
    client = django_client(lambda request, number: JsonResponse({"n": number, "rows": [text(1, 80)] * 9}))

    def run(i):
        for _ in range(6):
            client.get(f"/order/{R.randrange(10**6)}")
    return run


def django_audit_leak():
    from django.http import JsonResponse
    trail = []

    def view(request, number):
        trail.append({"order": number, "agent": text(150, 250)})
        return JsonResponse({"n": number})
    client = django_client(view)

    def run(i):
        for _ in range(R.randrange(4, 9)):
            client.get(f"/order/{R.randrange(10**6)}")
    return run


def starlette_steady():
    from starlette.applications import Starlette
    from starlette.responses import JSONResponse
    from starlette.routing import Route

    async def page(request):
        return JSONResponse({"q": request.query_params.get("q"), "rows": list(range(R.randrange(99)))})
    app = Starlette(routes=[Route("/page", page)])

    async def call():
        async def receive():
            return {"type": "http.request", "body": b"", "more_body": False}

        async def send(message):
            pass
        scope = {"type": "http", "method": "GET", "path": "/page", "query_string": b"q=" + text(1, 300).encode(),
                 "headers": [], "http_version": "1.1", "scheme": "http", "server": ("x", 80), "root_path": ""}
        await app(scope, receive, send)
    call_now = on_loop(call)

    def run(i):
        for _ in range(15):
            call_now()
    return run


def tornado_steady():
    from tornado.httputil import HTTPServerRequest
    from tornado.template import Template
    page = Template("{% for r in rows %}<li>{{ r }}</li>{% end %}")

    def run(i):
        for _ in range(8):
            HTTPServerRequest(method="GET", uri="/x?q=" + text(1, 100))
            page.generate(rows=[text(1, 50) for _ in range(R.randrange(40))])
    return run


def werkzeug_route_leak():
    from werkzeug.routing import Map, Rule
    routes = Map([Rule("/", endpoint="index")])

    def run(i):
        for j in range(2):
            routes.add(Rule(f"/tenant{i}x{j}/<name>", endpoint=f"tenant{i}x{j}"))
        routes.bind("example.org").match("/")
    return run


def werkzeug_steady():
    from werkzeug.test import Client
    from werkzeug.wrappers import Request, Response

    @Request.application
    def app(request):
        return Response(request.args.get("q", "") * 2)
    client = Client(app)

    def run(i):
        for _ in range(10):
            client.get("/x", query_string={"q": text(1, 500)})
    return run


def quart_background_leak():
    from quart import Quart
    app = Quart("jobs")
    results = {}

    @app.get("/job/<name>")
    async def job(name):
        results[name] = list(range(60))
        return name
    client = app.test_client()

    async def call(i, j):
        await client.get(f"/job/{i}-{j}")
    call_now = on_loop(call)

    def run(i):
        for j in range(3):
            call_now(i, j)
    return run


def aiohttp_steady():
    from aiohttp import web
    from aiohttp.test_utils import make_mocked_request

    async def page(request):
        return web.json_response({"q": request.path, "rows": [text(1, 99)] * R.randrange(20)})

    async def call():
        await page(make_mocked_request("GET", "/" + text(1, 60)))
    call_now = on_loop(call)

    def run(i):
        for _ in range(3):
            call_now()
    return run


# ---- libraries -------------------------------------------------------------------------------------------------------

def mako_steady():
    from mako.template import Template
    page = Template("% for r in rows:\n<td>${r}</td>\n% endfor\n")

    def run(i):
        for _ in range(12):
            page.render(rows=[text(1, 90) for _ in range(R.randrange(30))])
    return run


def marshmallow_steady():
    from marshmallow import Schema, fields

    class Line(Schema):
        name = fields.Str()
        amount = fields.Int()
    schema = Line(many=True)

    def run(i):
        for _ in range(4):
            schema.load(schema.dump([{"name": text(1, 60), "amount": n} for n in range(R.randrange(25))]))
    return run


def jsonschema_steady():
    from jsonschema import Draft202012Validator
    check = Draft202012Validator({"type": "array", "items": {"type": "object", "properties": {"a": {"type": "integer"}}}})

    def run(i):
        check.is_valid([{"a": n, "b": text(1, 40)} for n in range(R.randrange(80))])
    return run


def peewee_steady():
    import peewee
    base = peewee.SqliteDatabase(":memory:")

    class Item(peewee.Model):
        name = peewee.TextField()

        class Meta:
            database = base
    base.create_tables([Item])

    def run(i):
        for _ in range(5):
            Item.create(name=text(1, 300))
        list(Item.select().dicts())
        Item.delete().execute()
    return run


def peewee_rows_leak():
    import peewee
    base = peewee.SqliteDatabase(":memory:")

    class Item(peewee.Model):
        name = peewee.TextField()

        class Meta:
            database = base
    base.create_tables([Item])
    watched = []

    def run(i):
        for _ in range(3):
            watched.append(Item(name=text(50, 350)))
    return run


def soup_steady():
    from bs4 import BeautifulSoup

    def run(i):
        page = "<table>" + "".join(f"<tr><td>{text(1, 30)}</td></tr>" for _ in range(R.randrange(40))) + "</table>"
        len(BeautifulSoup(page, "html.parser").find_all("td"))
    return run


def networkx_steady():
    import networkx

    def run(i):
        graph = networkx.gnm_random_graph(R.randrange(20, 60), 90, seed=i)
        networkx.single_source_shortest_path_length(graph, 0)
    return run


def networkx_edge_leak():
    import networkx
    graph = networkx.DiGraph()

    def run(i):
        for j in range(4):
            graph.add_edge(("caller", i), ("callee", i, j), at=float(i))
    return run


def lxml_steady():
    from lxml import etree

    def run(i):
        for _ in range(5):
            root = etree.Element("r")
            for _ in range(R.randrange(60)):
                etree.SubElement(root, "c").text = text(1, 80)
            etree.fromstring(etree.tostring(root)).xpath("//c")
    return run


def sortedcontainers_window_plateau():
    from sortedcontainers import SortedDict
    window = SortedDict()

    def run(i):
        for _ in range(6):
            window[(i, R.random())] = bytes(700)
        while window and window.peekitem(0)[0][0] < i - 45:
            window.popitem(0)
    return run


def rich_steady():
    from rich.console import Console
    from rich.table import Table
    console = Console(file=io.StringIO(), width=100)

    def run(i):
        table = Table("a", "b")
        for _ in range(R.randrange(2, 12)):
            table.add_row(text(1, 20), text(1, 20))
        console.file = io.StringIO()
        console.print(table)
    return run


def pyparsing_steady():
    import pyparsing as pp
    word = pp.Word(pp.alphas)
    grammar = pp.delimitedList(word + pp.Suppress("=") + pp.Word(pp.nums))

    def run(i):
        for _ in range(3):
            grammar.parse_string(",".join(f"{'x' * R.randrange(1, 9)}={R.randrange(99)}" for _ in range(R.randrange(1, 15))))
    return run


def dogpile_region_leak():
    from dogpile.cache import make_region
    region = make_region().configure("dogpile.cache.memory")

    @region.cache_on_arguments()
    def price(item):
        return {"item": item, "history": [float(item)] * 30}

    def run(i):
        for _ in range(R.randrange(2, 7)):
            price(R.randrange(10**12))
    return run


def dogpile_keys_plateau():
    from dogpile.cache import make_region
    region = make_region().configure("dogpile.cache.memory")

    @region.cache_on_arguments()
    def country(code):
        return text(3000, 5000)

    def run(i):
        for _ in range(12):
            country(R.randrange(150))
    return run


def attrs_steady():
    import attr

    @attr.s(auto_attribs=True, slots=True)
    class Event:
        name: str
        at: int

    def run(i):
        rows = [Event(text(1, 40), n) for n in range(R.randrange(400))]
        sorted(rows, key=lambda row: row.name)
    return run


def msgpack_batches_stepwise():
    import msgpack
    archive = []
    batch = []

    def run(i):
        batch.append(msgpack.packb({"at": i, "body": text(100, 200)}))
        if i % 24 == 23:
            batch.clear()
            archive.append(msgpack.packb({"rows": ["z" * 1000] * 90}))
    return run


def yaml_steady():
    from ruamel.yaml import YAML
    yaml = YAML(typ="safe", pure=True)

    def run(i):
        yaml.load("\n".join(f"k{n}: {R.randrange(99)}" for n in range(R.randrange(3, 12))))
    return run


def pygments_steady():
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import PythonLexer
    lexer, form = PythonLexer(), HtmlFormatter()

    def run(i):
        highlight("def f(x):\n    return x + 1\n" * R.randrange(1, 9), lexer, form)
    return run


def cherrypy_sessions_leak():
    from cherrypy.lib.sessions import RamSession
    RamSession.cache.clear()

    def run(i):
        for _ in range(2):
            session = RamSession(timeout=600)
            session.load()
            session["basket"] = list(range(40))
            session.acquire_lock()
            session.save()
    return run


def pyramid_steady():
    from pyramid.config import Configurator
    from pyramid.response import Response
    config = Configurator()
    config.add_route("item", "/item/{name}")
    config.add_view(lambda request: Response(request.matchdict["name"]), route_name="item")
    app = config.make_wsgi_app()
    from webob import Request

    def run(i):
        for _ in range(5):
            Request.blank("/item/" + text(1, 70)).get_response(app)
    return run


def mistune_steady():
    import mistune

    def run(i):
        mistune.html("\n".join(f"* {text(1, 30)} *a* `b`" for _ in range(R.randrange(1, 20))))
    return run


def lark_steady():
    from lark import Lark
    grammar = Lark('start: (WORD "=" NUMBER ";")*\n%import common.WORD\n%import common.NUMBER\n%ignore " "', parser="lalr")

    def run(i):
        grammar.parse(" ".join(f"k = {R.randrange(99)};" for _ in range(R.randrange(1, 60))))
    return run


def simpy_fluctuating():
    import math
    import simpy
    queue = []
    world = simpy.Environment()

    def run(i):
        wanted = int(900 + 600 * math.sin(i / 9.0) + R.gauss(0, 15))
        while len(queue) < wanted:
            queue.append((simpy.Event(world), bytes(900)))
        del queue[wanted:]
    return run


def cachetools_tlru_plateau():
    from cachetools import FIFOCache
    cache = FIFOCache(maxsize=260)

    def run(i):
        for _ in range(7):
            cache[R.randrange(10**9)] = text(900, 2200)
    return run


def report_pdf_spikes():
    from lxml import etree
    held = {}

    def run(i):
        held.clear()
        if R.random() < 0.05:
            held["page"] = etree.tostring(etree.Element("r", body="v" * 2_500_000))
    return run


def weak_registry_steady():
    import weakref
    live = weakref.WeakValueDictionary()

    class Row:
        def __init__(self):
            self.body = bytes(R.randrange(10, 5000))

    def run(i):
        for j in range(60):
            live[(i, j)] = Row()
    return run


def deque_plateau():
    from collections import deque
    last = deque(maxlen=350)

    def run(i):
        for _ in range(6):
            last.append({"i": i, "body": text(700, 1800)})
    return run


def exception_trace_leak():
    errors = []

    def handle(payload):
        frame = bytes(R.randrange(200, 900))
        raise ValueError(payload, len(frame))

    def run(i):
        for j in range(2):
            try:
                handle(f"{i}-{j}")
            except ValueError as error:
                errors.append(error)
    return run


def class_registry_leak():
    known = []

    def run(i):
        known.append(type(f"Plugin{i}", (), {"number": i, "run": lambda self: self.number}))
    return run


PROGRAMS = {
    django_steady: "linear_leak", django_audit_leak: "linear_leak", starlette_steady: "steady", tornado_steady: "steady",
    werkzeug_route_leak: "linear_leak", werkzeug_steady: "steady", quart_background_leak: "linear_leak",
    aiohttp_steady: "steady", mako_steady: "steady", marshmallow_steady: "steady", jsonschema_steady: "steady",
    peewee_steady: "steady", peewee_rows_leak: "linear_leak", soup_steady: "steady", networkx_steady: "steady",
    networkx_edge_leak: "linear_leak", lxml_steady: "steady", sortedcontainers_window_plateau: "warm_up_plateau",
    rich_steady: "steady", pyparsing_steady: "steady", dogpile_region_leak: "linear_leak",
    dogpile_keys_plateau: "warm_up_plateau", attrs_steady: "steady", msgpack_batches_stepwise: "stepwise_growth",
    yaml_steady: "linear_leak", pygments_steady: "steady", cherrypy_sessions_leak: "linear_leak", pyramid_steady: "steady",
    mistune_steady: "steady", lark_steady: "steady", simpy_fluctuating: "fluctuating",
    cachetools_tlru_plateau: "warm_up_plateau", report_pdf_spikes: "spikes", weak_registry_steady: "steady",
    deque_plateau: "warm_up_plateau", exception_trace_leak: "linear_leak", class_registry_leak: "linear_leak",
}
