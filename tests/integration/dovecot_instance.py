"""dovecot_instance.py - Dovecot's authentication alone, for a Postfix that asks it: passwords and bearer tokens, in one folder."""
import base64
import hashlib
import hmac
import json
import os
import time

MECHANISMS = "plain login cram-md5 scram-sha-1 scram-sha-256 oauthbearer xoauth2"


def make(folder, socket, users, key):
    """Writes the configuration. `users`: name to password; tokens are signed with `key` (HS256). Returns the command."""
    os.makedirs(f"{folder}/keys/default/HS256")
    with open(f"{folder}/keys/default/HS256/default", "w") as file:
        file.write(base64.b64encode(key).decode())
    with open(f"{folder}/users", "w") as file:
        file.write("".join(f"{name}:{{PLAIN}}{password}\n" for name, password in users.items()))
    with open(f"{folder}/oauth2", "w") as file:
        file.write(f"introspection_mode = local\nlocal_validation_key_dict = fs:posix:prefix={folder}/keys/\nusername_attribute = sub\n")
    with open(f"{folder}/dovecot.conf", "w") as file:
        file.write(f"""base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
protocols =
ssl = no
disable_plaintext_auth = no
auth_mechanisms = {MECHANISMS}
auth_failure_delay = 0
passdb {{
    driver = passwd-file
    mechanisms = plain login cram-md5 scram-sha-1 scram-sha-256
    args = {folder}/users
}}
passdb {{
    driver = oauth2
    mechanisms = oauthbearer xoauth2
    args = {folder}/oauth2
}}
userdb {{
    driver = static
    args = uid=nobody gid=nogroup home={folder}
}}
service auth {{
    unix_listener {socket} {{
        mode = 0666
    }}
}}
""")
    os.chmod(folder, 0o755)
    return ("dovecot", "-F", "-c", f"{folder}/dovecot.conf")


def token(name, key, seconds=3600):
    """A JSON Web Token (RFC 7519) for `name`."""
    def part(octets):
        return base64.urlsafe_b64encode(octets).rstrip(b"=")

    now = int(time.time())
    text = b".".join(part(json.dumps(value).encode()) for value in (
        {"alg": "HS256", "typ": "JWT"}, {"sub": name, "iat": now - 5, "nbf": now - 5, "exp": now + seconds}))
    return (text + b"." + part(hmac.new(key, text, hashlib.sha256).digest())).decode()
