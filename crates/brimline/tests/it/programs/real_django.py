"""Django: models on SQLite, forms of queries, templates, the test client."""
import django
from django.conf import settings

settings.configure(
    DEBUG=False,
    SECRET_KEY="not secret",
    ALLOWED_HOSTS=["testserver"],
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["django.contrib.contenttypes", "django.contrib.auth"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates"}],
    DEFAULT_AUTO_FIELD="django.db.models.AutoField",
)
django.setup()

from django.contrib.auth.models import Group  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db.models import Count  # noqa: E402
from django.http import HttpResponse, JsonResponse  # noqa: E402
from django.template import engines  # noqa: E402
from django.test import Client  # noqa: E402
from django.urls import path  # noqa: E402

template = engines["django"].from_string("{% for g in groups %}<b>{{ g.name|title }}</b>{% empty %}none{% endfor %}")


def groups(request):
    return HttpResponse(template.render({"groups": Group.objects.order_by("name")[:100]}))


def add(request, name):
    group, created = Group.objects.get_or_create(name=name)
    return JsonResponse({"id": group.pk, "created": created})


urlpatterns = [path("groups", groups), path("add/<str:name>", add)]

call_command("migrate", verbosity=0)
client = Client()
total = 0
for number in range(120):
    total += client.get(f"/add/group-{number % 80}").json()["id"]
    total += len(client.get("/groups").content)
print(total, Group.objects.annotate(n=Count("user")).filter(n=0).count())
