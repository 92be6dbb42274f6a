"""A router that keeps every packet for a while: `relay.py DELAY_MS NET:HOST,HOST… NET:HOST…`, one NET per interface."""
import heapq, select, socket, struct, sys, time

delay = int(sys.argv[1]) / 1000
hosts = [argument.split(":")[1].split(",") for argument in sys.argv[2:]]
names = [name for _, name in socket.if_nameindex() if name != "lo"]


def sum16(data):
    data += b"\0" * (len(data) % 2)
    total = sum(struct.unpack("!%dH" % (len(data) // 2), data))
    while total > 0xFFFF:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def with_checksum(packet):
    """What a virtual interface leaves to hardware that is not there."""
    head = (packet[0] & 15) * 4
    packet = bytearray(packet[: struct.unpack("!H", packet[2:4])[0]])
    if packet[9] == 6:
        packet[head + 16 : head + 18] = b"\0\0"
        pseudo = bytes(packet[12:20]) + struct.pack("!BBH", 0, 6, len(packet) - head)
        packet[head + 16 : head + 18] = struct.pack("!H", sum16(pseudo + bytes(packet[head:])))
    return bytes(packet)


def neighbours():
    """Interface and hardware address by address, once every host has been spoken to."""
    probe = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    wanted = [host for group in hosts for host in group]
    while True:
        for host in wanted:
            probe.sendto(b"", (host, 9))
        time.sleep(0.1)
        rows = [line.split() for line in open("/proc/net/arp").readlines()[1:]]
        known = {row[0]: (row[5], bytes.fromhex(row[3].replace(":", ""))) for row in rows if row[2] == "0x2"}
        if all(host in known for host in wanted):
            return known


known = neighbours()
sockets = {name: socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)) for name in names}
for name, endpoint in sockets.items():
    endpoint.bind((name, 0x0800))
print("ready", flush=True)
waiting, count = [], 0
while True:
    pause = max(0, waiting[0][0] - time.monotonic()) if waiting else None
    readable, _, _ = select.select(list(sockets.values()), [], [], pause)
    for endpoint in readable:
        packet, (name, _, kind, *_) = endpoint.recvfrom(65535)
        to = known.get(socket.inet_ntoa(packet[16:20]))
        if kind == 0 and to and to[0] != name:
            count += 1
            heapq.heappush(waiting, (time.monotonic() + delay, count, to, with_checksum(packet)))
    while waiting and waiting[0][0] <= time.monotonic():
        _, _, (name, address), packet = heapq.heappop(waiting)
        sockets[name].sendto(packet, (name, 0x0800, 0, 0, address))
