#!/usr/bin/python3
"""test_scan_compare.py - postern-scan --compare against a spamd that pretends, and (asked for by POSTERN_SPAMD=1, with
POSTERN_CORPUS naming a folder with mail/ in it) against a real one.

Usage: test_scan_compare.py POSTERN_SCAN
"""
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time


SCAN = sys.argv[1]
RULES = """
body    WORD     /rare/
score   WORD     1.5
body    __SILENT /rare/
header  SUBJ     Subject =~ /hello/
score   SUBJ     2.25
"""
MAIL = b'Subject: hello\r\n\r\nsomething rare\r\n'
MESSAGES = 40


class FakeSpamd(threading.Thread):
    """Answers each request with the next of its answers; keeps what it was sent."""

    def __init__(self, family, address, answers):
        super().__init__(daemon=True)
        self.listener = socket.socket(family)
        self.listener.bind(address)
        self.listener.listen(4)
        self.answers, self.requests = list(answers), []
        self.start()

    def run(self):
        for answer in self.answers:
            connection, _ = self.listener.accept()
            data = b''
            while True:
                more = connection.recv(65536)
                if not more:
                    break
                data += more
            self.requests.append(data)
            connection.sendall(answer)
            connection.close()
        self.listener.close()


def answer(score, names):
    return (b'SPAMD/1.1 0 EX_OK\r\nContent-length: %d\r\nSpam: False ; %s / 5.0\r\n\r\n%s\r\n'
            % (len(names) + 2, score, names))


def scan(folder, where, *files):
    return subprocess.run([SCAN, '--rules', os.path.join(folder, 'rules.cf'), '--compare', 'spamd', '--socket', where,
                           *files], stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=False, timeout=60)


def case_agreement(folder):
    path, mail = os.path.join(folder, 'a.sock'), os.path.join(folder, 'mail')
    fake = FakeSpamd(socket.AF_UNIX, path, [answer(b'3.8', b'SUBJ,WORD')])
    done = scan(folder, path, mail)
    assert done.returncode == 0, done
    assert b'same rules' in done.stdout and b'1 with the same rules, 1 with the same points' in done.stdout, done.stdout
    head, body = fake.requests[0].split(b'\r\n\r\n', 1)
    assert head.startswith(b'SYMBOLS SPAMC/1.') and b'Content-length: %d' % len(MAIL) in head, head
    assert body == MAIL, body


def case_differences(folder):
    mail = os.path.join(folder, 'mail')
    fake = FakeSpamd(socket.AF_INET, ('127.0.0.1', 0), [answer(b'9.0', b'SUBJ,FOREIGN'), answer(b'3.8', b'SUBJ,WORD')])
    done = scan(folder, '127.0.0.1:%d' % fake.listener.getsockname()[1], mail, mail)
    out = done.stdout.decode()
    assert done.returncode == 3, done
    assert re.search(r'\+WORD and 1 rules that are not in these files', out), out
    assert '2 messages: 1 with the same rules, 1 with the same points; hits: 3 of both, 1 of ours alone, 1 of spamd' in out
    assert re.search(r'^WORD +1 +0$', out, re.M) and re.search(r'^FOREIGN +unknown +1$', out, re.M), out
    assert '__SILENT' not in out, out


def case_folder(folder):
    path, mails = os.path.join(folder, 'c.sock'), os.path.join(folder, 'mails')
    os.makedirs(os.path.join(mails, 'inner'))
    for name in ('b', 'a', 'inner/c'):
        shutil.copy(os.path.join(folder, 'mail'), os.path.join(mails, name))
    FakeSpamd(socket.AF_UNIX, path, [answer(b'3.8', b'SUBJ,WORD')] * 3)
    done = scan(folder, path, mails)
    assert done.returncode == 0, done
    names = re.findall(r'^%s/(\S+): ' % re.escape(mails), done.stdout.decode(), re.M)
    assert names == ['a', 'b', 'inner/c'], done.stdout
    assert b'3 messages: 3 with the same rules' in done.stdout, done.stdout
    assert scan(folder, path, os.path.join(folder, 'nowhere')).returncode == 1


def case_bad_answers(folder):
    path, mail = os.path.join(folder, 'b.sock'), os.path.join(folder, 'mail')
    FakeSpamd(socket.AF_UNIX, path, [b'SPAMD/1.1 74 EX_IOERR\r\n\r\n', b'220 smtp.example ready\r\n', b'',
                                     b'SPAMD/1.1 0 EX_OK\r\n\r\nWORD\r\n'])
    done = scan(folder, path, mail, mail, mail, mail)
    assert done.returncode == 1, done
    assert b'spamd says: 74 EX_IOERR' in done.stderr and b'no answer of a spamd' in done.stderr, done.stderr
    assert b'has no field Spam' in done.stderr, done.stderr
    assert scan(folder, os.path.join(folder, 'none.sock'), mail).returncode == 1


def case_real_spamd(folder):
    path = os.path.join(folder, 'real.sock')
    files = sorted(os.path.join(where, name) for where, _, names in os.walk(os.path.join(os.environ['POSTERN_CORPUS'],
                                                                                          'mail')) for name in names)
    files = files[::max(1, len(files) // MESSAGES)][:MESSAGES]
    spamd = subprocess.Popen(['spamd', '-L', '-x', '-m', '1', '--socketpath=' + path, '--socketmode=0666',
                              '-u', 'nobody', '-s', 'null', '-H', folder, '--cf=use_bayes 0'])
    try:
        for _ in range(300):
            if os.path.exists(path):
                break
            time.sleep(0.1)
        done = subprocess.run([SCAN, '--rules', '/usr/share/spamassassin', '--compare', 'spamd', '--socket', path, *files],
                              stdout=subprocess.PIPE, check=False, timeout=500)
    finally:
        spamd.terminate()
        spamd.wait()
    out = done.stdout.decode(errors='replace')
    print('# ' + out.replace('\n', '\n# '))
    same = int(re.search(r'^%d messages: (\d+) with the same rules' % len(files), out, re.M).group(1))
    assert done.returncode in (0, 3), done
    assert same >= len(files) * 0.8, out


def main():
    cases = [case_agreement, case_differences, case_folder, case_bad_answers]
    if os.environ.get('POSTERN_SPAMD') == '1' and os.environ.get('POSTERN_CORPUS') and shutil.which('spamd'):
        cases.append(case_real_spamd)
    print('1..%d' % len(cases), flush=True)
    failed = 0
    for number, case in enumerate(cases, 1):
        with tempfile.TemporaryDirectory() as folder:
            os.chmod(folder, 0o777)
            with open(os.path.join(folder, 'rules.cf'), 'w', encoding='ascii') as rules:
                rules.write(RULES)
            with open(os.path.join(folder, 'mail'), 'wb') as mail:
                mail.write(MAIL)
            try:
                case(folder)
                print('ok %d - %s' % (number, case.__name__), flush=True)
            except Exception as error:  # noqa: BLE001 - a failed case is a line of the protocol
                failed = 1
                print('not ok %d - %s\n# %s' % (number, case.__name__, repr(error).replace('\n', '\n# ')), flush=True)
    return failed


sys.exit(main())
