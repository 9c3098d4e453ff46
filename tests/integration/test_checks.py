#!/usr/bin/python3
"""test_checks.py - rules that ask the DNS: a server of the test's own lists a client and a link, is slow, says nothing."""
import base64
import hashlib
import json
import os
import re
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "..", "deploy")]

from lab import LAB, Lab, run  # noqa: E402
from tap import Tap, equal, need_root  # noqa: E402
from test_gateway import NOTE, Gateway, in_namespace  # noqa: E402

GATEWAY = "10.25.0.2"
LISTED, CLEAN, OTHER, STRANGER = "198.51.100.7", "198.51.100.8", "198.51.100.9", "198.51.100.10"
REVERSED = {address: ".".join(reversed(address.split("."))) for address in (LISTED, CLEAN, OTHER, STRANGER)}
TIMEOUT = 1.0
RULES = r"""
util_rb_tld com net org
header   __IN_LIST     eval:check_rbl('list', 'bl.lists.example.')
tflags   __IN_LIST     net
header   LISTED_SPAM   eval:check_rbl_sub('list', '127.0.0.2')
tflags   LISTED_SPAM   net
score    LISTED_SPAM   0 11 0 11
header   LISTED_OTHER  eval:check_rbl_sub('list', '127.0.0.9')
tflags   LISTED_OTHER  net
score    LISTED_OTHER  20
header   LISTED_TEXT   eval:check_rbl_txt('text-lastexternal', 'txt.lists.example.', '(?i:spam source)')
tflags   LISTED_TEXT   net
score    LISTED_TEXT   1
urirhssub LISTED_LINK  uri.lists.example. A 4
body     LISTED_LINK   eval:check_uridnsbl('LISTED_LINK')
tflags   LISTED_LINK   net notrim
score    LISTED_LINK   12
uridnssub LISTED_HOST  bl.lists.example. A 127.0.0.3
body     LISTED_HOST   eval:check_uridnsbl('LISTED_HOST')
tflags   LISTED_HOST   net a
score    LISTED_HOST   13
uridnsbl LISTED_SERVER ns.lists.example. A
body     LISTED_SERVER eval:check_uridnsbl('LISTED_SERVER')
tflags   LISTED_SERVER net
score    LISTED_SERVER 14
header   SPF_OF_OTHERS eval:check_for_spf_fail()
tflags   SPF_OF_OTHERS net
score    SPF_OF_OTHERS 15
header   SPF_FITS      eval:check_for_spf_pass()
tflags   SPF_FITS      net nice
score    SPF_FITS      -0.5
header   HELO_FITS     eval:check_for_spf_helo_pass()
tflags   HELO_FITS     net nice
score    HELO_FITS     -0.1
askdns   FRESH_SHOP    _HEADER(X-Shop)_.fresh.lists.example. A /^127\.2\.0\.2$/
score    FRESH_SHOP    15
askdns   OPEN_SHOP     _HEADER(X-Shop)_ TXT /^v=spf1 \+all$/
score    OPEN_SHOP     16
header   LISTED_DIGEST eval:check_hashbl_emails('hash.lists.example', 'md5', 'Reply-To/body')
tflags   LISTED_DIGEST net
score    LISTED_DIGEST 17
body     LISTED_PHONE  eval:check_hashbl_bodyre('hash.lists.example', 'raw/num', '((?:\d[ -]?){8,13})', '^127\.0\.1\.16$')
tflags   LISTED_PHONE  net
score    LISTED_PHONE  18
header   DMARC_FITS    eval:check_dmarc_pass()
tflags   DMARC_FITS    net nice
score    DMARC_FITS    -0.2
header   DMARC_FAILS   eval:check_dmarc_reject()
tflags   DMARC_FAILS   net
score    DMARC_FAILS   16
meta     NOT_LISTED    !LISTED_SPAM
score    NOT_LISTED    0.5
body     PLAIN_WORDS   /buy now/
score    PLAIN_WORDS   3
full     SIGNED        eval:check_dkim_signed()
score    SIGNED        0.1
full     SIGNED_WELL   eval:check_dkim_valid()
score    SIGNED_WELL   -1
full     BY_AUTHOR     eval:check_dkim_valid_author_sig()
score    BY_AUTHOR     -1
meta     SIGNED_BADLY  SIGNED && !SIGNED_WELL
score    SIGNED_BADLY  2
"""
RECORDS = {
    "A": {f"{REVERSED[LISTED]}.bl.lists.example": ["127.0.0.2"],
          "bad.example.com.uri.lists.example": ["127.0.0.4"],
          "www.example.net": ["203.0.113.5"],
          "5.113.0.203.bl.lists.example": ["127.0.0.3"],
          "ns1.shady.example": ["203.0.113.6"],
          "6.113.0.203.ns.lists.example": ["127.0.0.2"],
          "fresh.example.fresh.lists.example": ["127.2.0.2"],
          f"{hashlib.md5(b'bob@digest.example.com').hexdigest()}.hash.lists.example": ["127.0.0.2"],
          "5550123456.hash.lists.example": ["127.0.1.16"],
          "out1.strict.example": ["203.0.113.77"], "out2.strict.example": [CLEAN]},
    "MX": {"strict.example": ["10 out1.strict.example", "20 out2.strict.example"]},
    "NS": {"example.org": ["ns1.shady.example"]},
    "TXT": {f"{REVERSED[LISTED]}.txt.lists.example": ["Spam source, see https://lists.example/"],
            "open.example": ["v=spf1 +all"],
            "strict.example": ["unrelated=" + "x" * 300, "v=spf1 include:_spf.strict.example mx -all"],
            "_spf.strict.example": [f"v=spf1 ip4:{LISTED} -exists:%{{l}}.%{{ir}}.users.strict.example ~all"],
            "_dmarc.author.com": ["v=DMARC1; p=none; sp=reject"],
            "mail.author.com": [f"v=spf1 ip4:{CLEAN} ?all"],
            "helo.strict.example": ["v=spf1 a:out2.strict.example -all"]},
}


class Signer:
    """Signs messages as they lie (c=simple/simple), with a key of its own."""

    def __init__(self, folder, name):
        self.key = f"{folder}/{name}.pem"
        self.name, self.domain = name.split("._domainkey.")
        subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
        public = subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-outform", "DER"], check=True,
                                capture_output=True).stdout
        self.record = "v=DKIM1; k=rsa; p=" + base64.b64encode(public).decode()

    def made(self, what):
        """The signature of a text."""
        done = subprocess.run(["openssl", "dgst", "-sha256", "-sign", self.key], input=what.encode(), check=True, capture_output=True)
        return base64.b64encode(done.stdout).decode()

    def sign(self, message, what="DKIM-Signature: v=1"):
        header, body = message.split("\r\n\r\n", 1)
        fields = [line for line in header.split("\r\n") if line.lower().startswith(("from:", "subject:"))]
        names = ":".join(line.split(":")[0] for line in fields)
        digest = base64.b64encode(hashlib.sha256(body.encode()).digest()).decode()
        field = f"{what}; a=rsa-sha256; d={self.domain}; s={self.name};\r\n h={names}; bh={digest};\r\n b="
        return field + self.made("".join(line + "\r\n" for line in fields) + field) + "\r\n" + message

    def seal(self, message):
        """As the first who seals it (RFC 8617 5.1)."""
        results = "ARC-Authentication-Results: i=1; first.example; none\r\n"
        whole = self.sign(message, "ARC-Message-Signature: i=1; c=simple/simple")
        seal = f"ARC-Seal: i=1; a=rsa-sha256; cv=none; d={self.domain}; s={self.name}; b="
        signature = whole[:len(whole) - len(message)]
        what = "".join(name.lower() + ":" + " ".join(value.split()) + "\r\n" for name, value in (
            field.split(":", 1) for field in (results, signature, seal)))
        return seal + self.made(what[:-2]) + "\r\n" + signature + results + message


@in_namespace(f"{LAB}-test-client")
def deliver(source, sender, body, pause=0, helo="client.example", fields="", message=None):
    """One message from `source`: the last reply, and how long it took from the dot."""
    import socket
    with socket.create_connection((GATEWAY, 25), 20, (source, 0)) as conn:
        file = conn.makefile("rb")

        def say(text):
            if text:
                conn.sendall(text.encode())
            while True:
                line = file.readline().decode()
                if line[3:4] != "-":
                    return line.strip()
        say("")
        for line in (f"EHLO {helo}", f"MAIL FROM:<{sender}>", "RCPT TO:<bob@backend.example>", "DATA"):
            answer = say(line + "\r\n")
            if answer[0] not in "23":
                return [answer, 0]
        time.sleep(pause)
        start = time.monotonic()
        answer = say((message or fields + NOTE % (sender, body)) + ".\r\n")
        return [answer, time.monotonic() - start]


class Checks(Gateway):
    def up(self):
        self.lab.open()
        client = self.lab.namespaces["client"]
        for address in (LISTED, CLEAN, OTHER, STRANGER):
            run("ip", "-n", client, "addr", "add", f"{address}/32", "dev", "lo")
        run("ip", "netns", "exec", client, "sysctl", "-qw", "net.ipv4.conf.all.rp_filter=0", check=False)
        rules = f"{self.lab.folder}/rules.cf"
        with open(rules, "w") as file:
            file.write(RULES)
        self.records()
        self.lab.start("dns", "gateway", sys.executable, os.path.join(HERE, "dns_server.py"), "127.0.0.1", "5353",
                       f"{self.lab.folder}/records.json", f"{self.lab.folder}/queries")
        self.lab.write_config(rules=(rules,), client_router="10.25.0.1", sections=f"""checks {{
    dns_checks = true; resolver = "127.0.0.1:5353"; checks_timeout_ms = {int(TIMEOUT * 1000)}ms;
}}""")
        self.lab.start_sink()
        self.lab.start_dataplane()
        self.lab.start_management()
        self.lab.wait_rules()

    def records(self, **more):
        path = f"{self.lab.folder}/records.json"
        with open(path + ".new", "w") as file:
            json.dump({**RECORDS, **more}, file)
        os.rename(path + ".new", path)

    def queries(self):
        with open(f"{self.lab.folder}/queries") as file:
            return file.read().splitlines()

    def gateway_counters(self):
        time.sleep(0.1)
        return self.lab.counters()["gateway"]

    def event_of(self, sender):
        end = time.monotonic() + 5
        while time.monotonic() < end:
            for line in reversed(self.lab.ctl("--json", "events", "--last", "50").stdout.splitlines()):
                event = json.loads(line)
                if event.get("from") == sender:
                    return event
            time.sleep(0.1)
        raise AssertionError(f"no event of {sender}")

    def hits_of(self, sender):
        return {rule["name"] for rule in self.event_of(sender)["rules"]}

    # -- cases -------------------------------------------------------------------------------------
    def listed_client_is_refused(self):
        answer, _ = deliver(LISTED, "a@listed.example", "Good day.")
        assert answer.startswith("554 5.7.1") and "LISTED_SPAM" in answer, answer
        equal(self.hits_of("a@listed.example"), {"LISTED_SPAM", "LISTED_TEXT"}, "hits")
        assert self.lab.stored("a@listed.example") is None, "a refused message is at the sink"

    def clean_client_is_taken(self):
        answer, _ = deliver(CLEAN, "b@clean.example", "Good day.")
        equal(answer[:3], "250", answer)
        equal(self.hits_of("b@clean.example"), {"NOT_LISTED"}, "hits")

    def listed_links_are_refused(self):
        for rule, link in (("LISTED_LINK", "http://bad.example.com/x"), ("LISTED_HOST", "https://www.example.net/"),
                           ("LISTED_SERVER", "http://shop.example.org/")):
            answer, _ = deliver(CLEAN, f"{rule.lower()}@clean.example", f"Look at {link} today.")
            assert answer.startswith("554 5.7.1") and rule in answer, (rule, answer)

    def results_of(self, sender):
        """Rows of our Authentication-Results above what the backend has of that sender."""
        field = re.match(rb"Authentication-Results: gateway\.example;((?:.*\r\n)(?:\t.*\r\n)*)Received: ", self.lab.stored(sender))
        return [" ".join(row.split()) for row in field[1].decode().split(";")]

    def sender_is_checked_by_spf(self):
        answer, _ = deliver(CLEAN, "joe@strict.example", "Good day.", helo="helo.strict.example")
        equal(answer[:3], "250", answer)
        equal(self.hits_of("joe@strict.example"), {"SPF_FITS", "HELO_FITS", "NOT_LISTED"}, "hits")
        equal(self.results_of("joe@strict.example"), [
            "spf=pass smtp.mailfrom=joe@strict.example", "spf=pass smtp.helo=helo.strict.example", "arc=none",
            "dkim=none"], "results")
        answer, _ = deliver(STRANGER, "ann@strict.example", "Good day.")
        assert answer.startswith("554 5.7.1") and "SPF_OF_OTHERS" in answer, answer
        equal(self.hits_of("ann@strict.example"), {"SPF_OF_OTHERS", "NOT_LISTED"}, "hits")
        assert f"A ann.{REVERSED[STRANGER]}.users.strict.example" in self.queries(), self.queries()

    def field_of_a_stranger_is_not_believed(self):
        answer, _ = deliver(STRANGER, "eve@strict.example", "Good day.", fields="Received-SPF: pass\r\n")
        assert answer.startswith("554 5.7.1") and "SPF_OF_OTHERS" in answer, answer

    def wishes_of_the_author_count(self):
        note = "From: Ann <ann@shop.author.com>\r\nSubject: A note\r\n\r\nGood day.\r\n"
        answer, _ = deliver(CLEAN, "ann@mail.author.com", "", message=note)
        equal(answer[:3], "250", answer)
        equal(self.hits_of("ann@mail.author.com"), {"SPF_FITS", "DMARC_FITS", "NOT_LISTED"}, "hits")
        assert "dmarc=pass (p=reject) header.from=shop.author.com" in self.results_of("ann@mail.author.com")
        answer, _ = deliver(CLEAN, "eve@clean.example", "", message=note.replace("shop.author.com", "author.com"))
        equal(answer[:3], "250", answer)
        equal(self.results_of("eve@clean.example")[0], "dmarc=fail (p=none) header.from=author.com")
        answer, _ = deliver(CLEAN, "tom@clean.example", "", message=note.replace("shop.author.com", "other.com"))
        equal(self.results_of("tom@clean.example")[0], "dmarc=none header.from=other.com")
        answer, _ = deliver(CLEAN, "two@mail.author.com", "", message=note.replace("Subject:", "From: ceo@other.com\r\nSubject:"))
        equal(answer[:3], "250", answer)
        equal(self.results_of("two@mail.author.com")[0], "dmarc=permerror header.from=shop.author.com")
        answer, _ = deliver(STRANGER, "eve@mail.author.com", "", message=note)
        assert answer.startswith("554 5.7.1") and "DMARC_FAILS" in answer, answer
        equal(self.hits_of("eve@mail.author.com"), {"DMARC_FAILS", "NOT_LISTED"}, "hits")

    def spf_is_asked_before_the_message(self):
        self.records(delay={"slow.example": TIMEOUT * 0.4}, TXT={**RECORDS["TXT"], "slow.example": ["v=spf1 -all"]})
        answer, seconds = deliver(CLEAN, "ann@slow.example", "Good day.", pause=TIMEOUT * 0.8)
        assert answer.startswith("554 5.7.1") and "SPF_OF_OTHERS" in answer, answer
        assert seconds < TIMEOUT * 0.3, f"waited {seconds:.2f} s"
        self.records()

    def names_and_digests_are_asked(self):
        for rule, fields, body in (("FRESH_SHOP", "X-Shop: fresh.example\r\n", "Good day."),
                                   ("OPEN_SHOP", "X-Shop: Open.example\r\n", "Good day."),
                                   ("LISTED_DIGEST", "", "Write to Bob@Digest.example.com today."),
                                   ("LISTED_PHONE", "", "Call 555-012-3456 now.")):
            answer, _ = deliver(CLEAN, f"{rule.lower()}@clean.example", body, fields=fields)
            assert answer.startswith("554 5.7.1") and rule in answer, (rule, answer)

    def same_question_is_asked_once(self):
        before = self.queries()
        deliver(LISTED, "c@listed.example", "Good day.")
        equal(self.queries(), before, "queries")
        # Records of SPF are asked for each client's address; that they are near is the resolver's affair.
        lists = [query for query in before if query.endswith(".lists.example")]
        assert lists, before
        equal(len(lists), len(set(lists)), "queries that were repeated")

    def silent_server_costs_the_timeout_and_no_more(self):
        before = self.gateway_counters()
        self.records(silent=["bl.lists.example", "txt.lists.example"])
        answer, seconds = deliver(OTHER, "d@other.example", "Please buy now.")
        equal(answer[:3], "250", answer)
        assert TIMEOUT * 0.5 <= seconds < TIMEOUT + 2, f"waited {seconds:.2f} s"
        # Nobody knows whether it is listed: neither that nor the contrary counts.
        equal(self.hits_of("d@other.example"), {"PLAIN_WORDS"}, "hits")
        after = self.gateway_counters()
        equal(after["checks_late"] - before["checks_late"], 1, "judged without answers")
        equal(after["checks_waits"] - before["checks_waits"], 1, "waited")

    def others_go_on_while_one_waits(self):
        self.records(silent=["quiet.example.com.uri.lists.example"])
        deliver(CLEAN, "warm@clean.example", "Good day.")
        pid = os.fork()
        if pid == 0:
            answer, seconds = deliver(CLEAN, "slow@clean.example", "See http://quiet.example.com/ now.")
            os._exit(0 if answer[:3] == "250" and seconds >= TIMEOUT * 0.5 else 1)
        time.sleep(TIMEOUT * 0.2)
        for n in range(5):
            answer, seconds = deliver(CLEAN, f"quick{n}@clean.example", "Good day.")
            equal(answer[:3], "250", answer)
            assert seconds < TIMEOUT * 0.4, f"another message took {seconds:.2f} s"
        _, status = os.waitpid(pid, 0)
        equal(status, 0, "the one that waits is taken, late")

    def late_answer_serves_the_next(self):
        self.records(delay={"late.example.com.uri.lists.example": TIMEOUT * 0.4}, A={
            **RECORDS["A"], "late.example.com.uri.lists.example": ["127.0.0.4"]})
        answer, seconds = deliver(CLEAN, "e@clean.example", "See http://late.example.com/ now.")
        assert answer.startswith("554 5.7.1") and "LISTED_LINK" in answer, answer
        assert seconds >= TIMEOUT * 0.35, f"{seconds:.2f} s"
        answer, seconds = deliver(CLEAN, "f@clean.example", "See http://late.example.com/ now.")
        assert answer.startswith("554 5.7.1") and seconds < TIMEOUT * 0.3, (answer, seconds)

    def signatures_are_verified(self):
        author = Signer(self.lab.folder, "key._domainkey.client.example")
        signer = Signer(self.lab.folder, "key._domainkey.signer.example")
        other = Signer(self.lab.folder, "other._domainkey.signer.example")
        self.records(TXT={**RECORDS["TXT"], "key._domainkey.signer.example": [signer.record],
                          "key._domainkey.client.example": [author.record],
                          "other._domainkey.signer.example": [signer.record]}, silent=["_domainkey.silent.example"])
        for sender, sign, hits in (
                ("good@client.example", author.sign, {"SIGNED", "SIGNED_WELL", "BY_AUTHOR", "NOT_LISTED"}),
                ("third@signer.example", signer.sign, {"SIGNED", "SIGNED_WELL", "NOT_LISTED"}),
                ("body@signer.example", lambda text: signer.sign(text).replace("Good day", "Bad day"),
                 {"SIGNED", "SIGNED_BADLY", "NOT_LISTED"}),
                ("head@signer.example", lambda text: signer.sign(text).replace("From: ", "From:  "),
                 {"SIGNED", "SIGNED_BADLY", "NOT_LISTED"}),
                ("key@signer.example", other.sign, {"SIGNED", "SIGNED_BADLY", "NOT_LISTED"}),
                ("none@signer.example", Signer(self.lab.folder, "none._domainkey.signer.example").sign,
                 {"SIGNED", "SIGNED_BADLY", "NOT_LISTED"}),
                # Nobody knows: neither that nor the contrary counts.
                ("late@signer.example", Signer(self.lab.folder, "key._domainkey.silent.example").sign, {"SIGNED", "NOT_LISTED"}),
                ("plain@signer.example", lambda text: text, {"NOT_LISTED"})):
            answer, _ = deliver(CLEAN, sender, "", message=sign(NOTE % (sender, "Good day.")))
            equal(answer[:3], "250", answer)
            equal(self.hits_of(sender), hits, sender)
        equal(self.queries().count("TXT key._domainkey.signer.example"), 1, "queries for the key")
        for name, result in (("good@client", "pass header.d=client.example header.s=key"), ("third@signer", "pass header.d=signer.example header.s=key"),
                             ("body@signer", "fail header.d=signer.example header.s=key"), ("head@signer", "fail header.d=signer.example header.s=key"),
                             ("none@signer", "permerror header.d=signer.example header.s=none"),
                             ("late@signer", "temperror header.d=silent.example header.s=key"), ("plain@signer", "none")):
            equal([row for row in self.results_of(name + ".example") if row.startswith("dkim=")], [f"dkim={result}"], name)

    def chains_are_verified(self):
        signer = Signer(self.lab.folder, "arc._domainkey.signer.example")
        silent = Signer(self.lab.folder, "arc._domainkey.silent.example")
        self.records(TXT={**RECORDS["TXT"], "arc._domainkey.signer.example": [signer.record]}, silent=["_domainkey.silent.example"])
        for sender, change, rows in (
                ("chain@signer.example", signer.seal, ["arc=pass (i=1)"]),
                ("broken@signer.example", lambda text: signer.seal(text).replace("first.example", "other.example"), ["arc=fail (i=1)"]),
                ("gap@signer.example", lambda text: signer.seal(text).replace("ARC-Message", "Not-Message"), ["arc=fail (i=1)"]),
                ("open@signer.example", silent.seal, []),
                ("none@signer.example", lambda text: text, ["arc=none"])):
            answer, _ = deliver(CLEAN, sender, "", message=change(NOTE % (sender, "Good day.")))
            equal(answer[:3], "250", answer)
            equal([row for row in self.results_of(sender) if row.startswith("arc=")], rows, sender)

    def without_management_nothing_is_asked(self):
        self.lab.stop("postern-mgmtd")
        time.sleep(0.3)
        answer, seconds = deliver(CLEAN, "g@clean.example", "See http://another.example.com/ now.")
        equal(answer[:3], "250", answer)
        assert seconds < TIMEOUT * 0.5, f"{seconds:.2f} s"
        self.lab.start_management()
        self.lab.wait_rules()
        assert self.gateway_counters()["checks_unserved"] > 0
        answer, _ = deliver(CLEAN, "h@clean.example", "See http://bad.example.com/y now.")
        assert answer.startswith("554 5.7.1"), answer


CASES = ("listed_client_is_refused", "clean_client_is_taken", "listed_links_are_refused", "sender_is_checked_by_spf",
         "field_of_a_stranger_is_not_believed", "wishes_of_the_author_count", "spf_is_asked_before_the_message",
         "names_and_digests_are_asked", "same_question_is_asked_once", "silent_server_costs_the_timeout_and_no_more",
         "others_go_on_while_one_waits", "late_answer_serves_the_next", "signatures_are_verified", "chains_are_verified",
         "without_management_nothing_is_asked")


def main():
    need_root()
    tap = Tap()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    wanted = sys.argv[2:]
    checks = Checks(sys.argv[1], None)
    try:
        tap.case("everything starts", checks.up)
        for name in CASES if tap.failed == 0 else ():
            if not wanted or name in wanted:
                tap.case(name.replace("_", " "), getattr(checks, name))
    finally:
        checks.lab.close()
    tap.done()


if __name__ == "__main__":
    main()
