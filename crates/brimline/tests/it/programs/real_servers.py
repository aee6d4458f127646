"""`real_servers.py uvicorn|gunicorn`: starts the server as its users do, sends load, stops it by SIGTERM."""
import http.client
import re
import signal
import subprocess
import sys
import threading

ASGI = '''
import json
async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = (await receive()).get("body", b"")
    answer = json.dumps({"path": scope["path"], "bytes": len(body)}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(answer))]})
    await send({"type": "http.response.body", "body": answer})
'''
WSGI = '''
from flask import Flask, request
app = Flask(__name__)
@app.route("/<path:path>", methods=["POST"])
def answer(path):
    return {"path": "/" + path, "bytes": len(request.data)}
'''
kind = sys.argv[1]
with open("served.py", "w") as file:
    file.write(ASGI if kind == "uvicorn" else WSGI)
if kind == "uvicorn":
    command = [sys.executable, "-m", "uvicorn", "--no-access-log", "--port", "0", "served:app"]
else:
    command = [sys.executable, "-m", "gunicorn", "--bind", "127.0.0.1:0", "--workers", "2", "--threads", "2", "served:app"]
server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
log = []
port = None
for line in server.stderr:
    log.append(line)
    found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
    if found:
        port = int(found.group(1))
    if port and (kind == "uvicorn" or "Booting worker" in line):
        break
if port is None:
    sys.exit("no port in:\n" + "".join(log))
threading.Thread(target=lambda: log.extend(server.stderr), daemon=True).start()
totals = [0] * 4


def load(number):
    for k in range(40):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        connection.request("POST", f"/client/{number}", body=b"x" * (k * 100))
        totals[number] += len(connection.getresponse().read())
        connection.close()


clients = [threading.Thread(target=load, args=(n,)) for n in range(4)]
for client in clients:
    client.start()
for client in clients:
    client.join()
server.send_signal(signal.SIGTERM)
print(kind, totals, server.wait(60))
