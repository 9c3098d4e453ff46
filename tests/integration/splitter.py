#!/usr/bin/python3
"""splitter.py - stands before a server and cuts what it says into segments of so many octets, another number for each
connection.

    splitter.py LISTEN_PORT SERVER_PORT SIZE...
"""
import itertools
import socket
import sys
import threading
import time

ADDRESS = "10.26.0.1"


def cut(server, client, size):
    try:
        while octets := server.recv(65536):
            for at in range(0, len(octets), size):
                client.sendall(octets[at:at + size])
                time.sleep(0.0001)
        client.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def serve(client, port, size):
    with client, socket.create_connection((ADDRESS, port)) as server:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        threading.Thread(target=cut, args=(server, client, size), daemon=True).start()
        try:
            while octets := client.recv(65536):
                server.sendall(octets)
        except OSError:
            pass


def main():
    listen, port, sizes = int(sys.argv[1]), int(sys.argv[2]), itertools.cycle(map(int, sys.argv[3:]))
    with socket.create_server((ADDRESS, listen)) as server:
        while True:
            client, _ = server.accept()
            threading.Thread(target=serve, args=(client, port, next(sizes)), daemon=True).start()


if __name__ == "__main__":
    main()
