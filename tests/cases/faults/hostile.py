"""A server that does one thing badly, told by its one argument, to whoever connects to port 5432."""
import socket, struct, sys, threading, time


def silent(client):
    client.recv(4096)


def closes(client):
    client.close()


def garbage(client):
    client.sendall(bytes(range(255, 0, -1)))


def floods(client):
    while True:
        client.sendall(b"x" * 65536)


def drip(client, data):
    for byte in data:
        client.sendall(bytes([byte]))
        time.sleep(1)


# PostgreSQL: it says N to the question for TLS, and then what a server may say.

LET_IN = b"R\0\0\0\x08\0\0\0\0"


def message(letter, body):
    return letter + struct.pack("!I", len(body) + 4) + body


def refuse_tls(client):
    client.recv(8)
    client.sendall(b"N")


def postgres_drips(client):
    drip(client, b"N" + LET_IN * 1000)


def postgres_silent_after_greeting(client):
    refuse_tls(client)


def postgres_huge_message(client):
    refuse_tls(client)
    client.sendall(b"R\x7f\xff\xff\xff")
    while True:
        client.sendall(bytes(65536))


def postgres_floods(client):
    refuse_tls(client)
    while True:
        client.sendall(message(b"N", b"SNOTICE\0C00000\0Mand on\0\0") * 1000)


def postgres_silent_in_query(client):
    refuse_tls(client)
    client.recv(4096)
    client.sendall(LET_IN + message(b"S", b"server_version\x0014.1\0") + message(b"Z", b"I"))


# HTTP

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\n"


def http_drips(client):
    drip(client, HEAD)


def http_drips_body(client):
    client.recv(4096)
    client.sendall(HEAD)
    drip(client, b"x" * 1000)


def http_endless(client):
    client.recv(4096)
    client.sendall(HEAD)
    floods(client)


def serve(client):
    try:
        globals()[sys.argv[1]](client)
        time.sleep(1000)
    except OSError:
        pass


server = socket.create_server(("", 5432), backlog=64)
print("ready", flush=True)
while True:
    threading.Thread(target=serve, args=(server.accept()[0],), daemon=True).start()
