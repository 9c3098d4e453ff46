"""certificates.py - certificates for tests, made by openssl where they are used and never kept."""
import hashlib
import ssl
import subprocess

NAME = "gateway.example"
DAYS = "90"
# Nobody fetches it: without one a certificate could not be revoked, which scanners complain of.
REVOCATION = "URI:http://root.example/root.crl"


def run(*command):
    subprocess.run(command, capture_output=True, check=True)


class Authority:
    """A root of its own in a folder, and what it signs."""

    def __init__(self, folder):
        self.folder = folder
        self.root = f"{folder}/root.pem"
        self.root_key = f"{folder}/root.key"
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", DAYS,
            "-subj", "/CN=test root", "-keyout", self.root_key, "-out", self.root,
            "-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def issue(self, stem, names=(NAME,), kind="ec", usage="serverAuth"):
        """Writes STEM.pem (leaf, then root) and STEM.key; returns their paths."""
        chain, key, ask, more = (f"{self.folder}/{stem}.{end}" for end in ("pem", "key", "csr", "ext"))
        new = ("ec", "-pkeyopt", "ec_paramgen_curve:P-256") if kind == "ec" else ("rsa:2048",)
        with open(more, "w") as file:
            file.write("subjectAltName=%s\nextendedKeyUsage=%s\nkeyUsage=critical,digitalSignature\n"
                       "crlDistributionPoints=%s\n" % (",".join(f"DNS:{name}" for name in names), usage, REVOCATION))
        run("openssl", "req", "-newkey", *new, "-nodes", "-subj", f"/CN={names[0]}", "-keyout", key, "-out", ask)
        run("openssl", "x509", "-req", "-in", ask, "-CA", self.root, "-CAkey", self.root_key, "-CAcreateserial",
            "-days", DAYS, "-extfile", more, "-out", chain)
        with open(self.root) as root, open(chain, "a") as leaf:
            leaf.write(root.read())
        return chain, key


def fingerprint(chain):
    """SHA-256 of the leaf, DER, in hexadecimal digits."""
    with open(chain) as file:
        leaf = file.read().split("-----END CERTIFICATE-----")[0] + "-----END CERTIFICATE-----\n"
    return hashlib.sha256(ssl.PEM_cert_to_DER_cert(leaf)).hexdigest()
