"""backend_server.py - what mail servers behind the gateway have in common: a thread a connection, a log of JSON lines."""
import json
import socket
import threading


def serve(port, path, session):
    """Calls session(conn, log) for each connection to come, for ever; what it says with log(entry) is a line of `path`."""
    lock = threading.Lock()
    out = open(path, "a")

    def log(entry):
        with lock:
            out.write(json.dumps(entry) + "\n")
            out.flush()

    def run(conn):
        try:
            session(conn, log)
        except (OSError, ValueError) as error:
            log({"error": str(error)})
        conn.close()

    with socket.create_server(("10.26.0.1", port)) as server:
        while True:
            conn, _ = server.accept()
            conn.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            threading.Thread(target=run, args=(conn,), daemon=True).start()
