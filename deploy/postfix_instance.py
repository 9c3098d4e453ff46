"""postfix_instance.py - a Postfix of its own in one folder, for tests and measurements; the system's is not touched."""
import grp
import os
import pwd
import shutil
import subprocess

MASTER = "/usr/lib/postfix/sbin/master"

SERVICES = """cleanup   unix  n - n - 0 cleanup
qmgr      unix  n - n 300 1 qmgr
rewrite   unix  - - n - - trivial-rewrite
bounce    unix  - - n - 0 bounce
defer     unix  - - n - 0 bounce
trace     unix  - - n - 0 bounce
proxymap  unix  - - n - - proxymap
discard   unix  - - n - - discard
error     unix  - - n - - error
retry     unix  - - n - - error
anvil     unix  - - n - 1 anvil
tlsmgr    unix  - - n 1000? 1 tlsmgr
postlog   unix-dgram n - n - 1 postlogd
"""


def available():
    return os.path.exists(MASTER)


def make(folder, smtpd="", services="", **settings):
    """Writes the configuration into `folder` and lets Postfix lay out its queue. `smtpd`: options of the smtpd service;
    `services`: more lines of master.cf.
    Start it with command(folder); it ends on SIGTERM."""
    os.makedirs(folder)
    for name in ("queue", "data"):
        os.makedirs(f"{folder}/{name}")
    os.chown(f"{folder}/data", pwd.getpwnam("postfix").pw_uid, grp.getgrnam("postfix").gr_gid)
    its = {"compatibility_level": "3.6", "queue_directory": f"{folder}/queue", "data_directory": f"{folder}/data",
           "command_directory": "/usr/sbin", "daemon_directory": "/usr/lib/postfix/sbin", "mail_owner": "postfix",
           "setgid_group": "postdrop", "inet_interfaces": "all", "inet_protocols": "ipv4", "mydestination": "",
           "relay_domains": "backend.example", "relay_transport": "discard:", "default_transport": "discard:",
           "smtpd_relay_restrictions": "permit_mynetworks, reject", "smtpd_peername_lookup": "no", "alias_maps": "",
           "alias_database": "", "local_recipient_maps": "", "disable_dns_lookups": "yes", "default_process_limit": "300",
           "smtpd_client_connection_count_limit": "0", "smtpd_client_connection_rate_limit": "0",
           "smtpd_tls_security_level": "none", "message_size_limit": "104857600", "maillog_file": f"{folder}/log",
           "maillog_file_prefixes": folder, **settings}
    with open(f"{folder}/main.cf", "w") as file:
        file.write("".join(f"{key} = {value}\n" for key, value in its.items()))
    with open(f"{folder}/master.cf", "w") as file:
        file.write(f"smtp inet n - n - - smtpd {smtpd}\n{SERVICES}{services}")
    # `postfix check` makes the queue's folders from these lists, which lie beside main.cf.
    for name in ("dynamicmaps.cf", "postfix-files"):
        if os.path.exists(f"/etc/postfix/{name}"):
            shutil.copy(f"/etc/postfix/{name}", folder)
    for name in ("dynamicmaps.cf.d", "postfix-files.d"):
        if os.path.isdir(f"/etc/postfix/{name}"):
            shutil.copytree(f"/etc/postfix/{name}", f"{folder}/{name}")
    subprocess.run(["/usr/sbin/postfix", "-c", folder, "check"], capture_output=True, check=True)


def command(folder):
    return (MASTER, "-c", folder, "-d")
