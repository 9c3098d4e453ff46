#!/usr/bin/python3
"""live.py - runs postern and postern-mgmtd with the user's own configuration until Ctrl-C."""
import argparse
import signal
import subprocess
import sys
import time


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--config", required=True)
    its = parser.parse_args()
    dataplane = [f"{its.build}/dataplane/postern", "--config", its.config]
    management = [f"{its.build}/mgmt/postern-mgmtd", "--config", its.config]
    checked = subprocess.run(dataplane + ["--check"])
    if checked.returncode != 0:
        return checked.returncode
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    processes = []
    try:
        for command in (dataplane, management):
            processes.append(subprocess.Popen(command, start_new_session=True))
        while all(process.poll() is None for process in processes):
            time.sleep(0.5)
        return next(process.returncode for process in processes if process.poll() is not None)
    except KeyboardInterrupt:
        return 0
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        for process in processes[::-1]:
            if process.poll() is None:
                process.terminate()
        for process in processes:
            try:
                process.wait(40)
            except subprocess.TimeoutExpired:
                process.kill()


sys.exit(main())
