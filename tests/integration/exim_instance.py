"""exim_instance.py - an Exim of its own in one folder, for tests. Debian lets one mail server be installed, so this one
lies unpacked (deploy/test puts it there), or is the system's."""
import os
import pwd
import shutil

USER, UID = "Debian-exim", 61999


def program(build):
    """Where Exim is; None: nowhere."""
    for path in (f"{build}/unpacked/usr/sbin/exim4", shutil.which("exim4")):
        if path and os.path.exists(path):
            return path
    return None


class Exim:
    """Runs in a mount namespace with a user and hosts the machine does not have."""

    def __init__(self, path, folder, hosts, settings):
        self.path, self.folder = path, folder
        os.makedirs(f"{folder}/log")
        os.makedirs(f"{folder}/spool")
        os.makedirs(f"{folder}/mail")
        try:
            uid = pwd.getpwnam(USER).pw_uid
        except KeyError:
            uid = UID
        for name, line in (("passwd", f"{USER}:x:{uid}:{uid}::/nonexistent:/usr/sbin/nologin\n"),
                           ("group", f"{USER}:x:{uid}:\n"), ("hosts", hosts)):
            with open(f"/etc/{name}") as file:
                kept = [row for row in file if not row.startswith(f"{USER}:")]
            with open(f"{folder}/{name}", "w") as file:
                file.write("".join(kept).rstrip("\n") + "\n" + line)
        with open(f"{folder}/conf", "w") as file:
            file.write(f"primary_hostname = exim.example\nexim_path = {path}\nlog_file_path = {folder}/log/%slog\nspool_directory = {folder}/spool\n"
                       "log_selector = +tls_cipher +tls_resumption\nkeep_environment =\nsyslog_timestamp = false\n" + settings)
        for where in ("log", "spool", "mail"):
            os.chown(f"{folder}/{where}", uid, uid)

    def command(self, *arguments):
        mounts = " && ".join(f"mount --bind {self.folder}/{name} /etc/{name}" for name in ("passwd", "group", "hosts"))
        return ("unshare", "-m", "sh", "-c", f'{mounts} && exec "$@"', "exim", self.path, "-C", f"{self.folder}/conf", *arguments)

    def log(self):
        text = ""
        for name in ("main", "panic", "reject"):
            if os.path.exists(f"{self.folder}/log/{name}log"):
                with open(f"{self.folder}/log/{name}log", errors="replace") as file:
                    text += file.read()
        return text
