"""Stands between labrun and the engine: once labrun has asked about a container, but before it hears the answer, that
container is stopped. So labrun knows it as running, and dials an address that is gone."""
import os, re, socket, threading

INSPECT = re.compile(rb"GET (?:/v[\d.]+)?/containers/([0-9a-f]{64})/json")


stopped = []


def engine():
    link = socket.socket(socket.AF_UNIX)
    link.connect("/real.sock")
    return link


def stop(container):
    link = engine()
    link.sendall(b"POST /containers/%s/stop?t=0 HTTP/1.0\r\nHost: docker\r\n\r\n" % container)
    while link.recv(4096):
        pass
    print("stopped", flush=True)


def serve(client):
    link = engine()
    request = client.recv(65536)
    link.sendall(request)
    answer = link.recv(65536)
    asked = INSPECT.match(request)
    if asked and asked[1] not in stopped:
        stopped.append(asked[1])
        stop(asked[1])
    try:
        while answer:
            client.sendall(answer)
            answer = link.recv(65536)
    except OSError:
        pass


server = socket.socket(socket.AF_UNIX)
server.bind("/share/proxy.sock")
os.chmod("/share/proxy.sock", 0o666)
server.listen(64)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
