"""Effects: what must hold after a case, in the store, at the sinks, in the process, in the session.

Each effect is one row of EFFECTS: what it reads, its pattern, its check. None means that it cannot
be known with this adapter; the report lists such effects.
"""
import re
import time
from dataclasses import dataclass, field

from cases import SPECIAL, unescape
from session import Session


@dataclass
class Evidence:
    session: Session
    stored: list = None         # new messages, stored or queued; None: the adapter cannot say
    sunk: list = field(default_factory=list)
    tail: str = ''              # what came after the script: a reply, '-' or 'EOF'
    alive: bool = True
    cpu: float = None
    rss: int = None

    @property
    def replies(self):
        return [reply for step in self.session.got for reply in step if reply not in SPECIAL]

    @property
    def closed(self):
        return self.tail == 'EOF' or any('EOF' in step for step in self.session.got)

    @property
    def mail(self):
        return [message for message in self.stored if not message.is_dsn]

    def dsns(self, local=None):
        return [message for message in self.stored + self.sunk if message.is_dsn and (local is None or message.to(local))]


def fits(number, sign, wanted):
    return number <= int(wanted) if sign == '<=' else number == int(wanted)


def any_value(messages, name, pattern):
    return any(re.search(pattern or '', value, re.I | re.S) for message in messages for value in message.values(name))


def longest_run_kept(e, _):
    longest = max((run.group() for run in re.finditer(rb'(.)\1*', e.session.sent[0])), key=len).decode('latin-1')
    return any(longest in message.body for message in e.mail)


def no_bare_newlines(e, _):
    known = [message for message in e.mail + e.sunk if message.crlf]
    return None if e.mail and not known else not any(message.bare for message in known)


def no_raw_newline_in_fields(e, _):
    fields = [text for message in e.stored for text in message.fields or []]
    return not re.search(r'[\r\n]', ' '.join(fields)) if fields else None


def dsn_text(e, m):
    if m[1] and 'delay_warning_s' not in e.session.info:
        return None
    found = any(re.search(m[3], message.data.decode('latin-1').replace('\r\n', '\n')) for message in e.dsns())
    return bool(e.dsns()) and not found if m[2] else found


def sink_messages(e, m):
    return fits(sum(not each.is_dsn and (not m[1] or each.to(m[1])) for each in e.sunk), m[2], m[3])


def converted_to_7bit(e, _):
    encoded = rb'(?im)^content-transfer-encoding:\s*(quoted-printable|base64)'
    return any(message.sink == 'sevenbit' and message.data.isascii() and re.search(encoded, message.data) for message in e.sunk)


def same_reply(e, _):
    """Equal texts, the argument echoed back left out."""
    words = [octets.split()[-1].decode('latin-1') for octets in e.session.sent]
    return len({reply.replace(word, '') for word, reply in zip(words, e.replies)}) == 1


def in_order(e, _):
    """A reply to each command; or up to a limit, where one refusal closes."""
    commands = e.session.sent[0].count(b'\r\n')
    return len(e.replies) == commands or e.closed and all(reply.startswith('250') for reply in e.replies[:-1])


EFFECTS = [     # (what it reads, pattern, check(evidence, match): True, False, or None when it cannot be known)
    ('store', r'msgs(<?=)(\d+)', lambda e, m: fits(len(e.mail), m[1], m[2])),
    ('store', r'copies\((\S+)\)(<?=)(\d+)', lambda e, m: fits(sum(each.to(m[1]) for each in e.mail), m[2], m[3])),
    ('store', r'rcpts(<?=)(\d+)', lambda e, m: fits(sum(len(each.rcpts) for each in e.mail), m[1], m[2])),
    ('store', r'body=(.*)', lambda e, m: any(each.body == unescape(m[1]).decode('latin-1') for each in e.mail)),
    ('store', r'body~(.*)', lambda e, m: any(re.search(m[1], each.body.replace('\r\n', '\n'), re.M) for each in e.mail)),
    ('store', r'hdr:([\w-]+)(?:~(.*))?', lambda e, m: any_value(e.mail, m[1], m[2])),
    ('store', r'no_hdr:([\w-]+)(?:~(.*))?', lambda e, m: bool(e.mail) and not any_value(e.mail, m[1], m[2])),
    ('store', r'count\(hdr:([\w-]+)\)=(\d+)', lambda e, m: bool(e.mail) and all(len(each.values(m[1])) == int(m[2]) for each in e.mail)),
    ('store', r'no_envelope_from=(\S+)', lambda e, m: all(each.sender != m[1] for each in e.stored + e.sunk)),
    ('store', r'octets_kept', longest_run_kept),
    ('store', r'auth_results (\w+)!=(\w+)', lambda e, m: not any_value(e.mail, 'Authentication-Results', rf'\b{m[1]}={m[2]}\b')),
    ('store', r'no_bare_(lf|cr)_(?:stored_or_)?relayed', no_bare_newlines),
    ('store', r'no_raw_newline_in_spool(?:_or_dsn)?', no_raw_newline_in_fields),
    ('store', r'if_stored:(.*)', lambda e, m: not e.mail or judge(m[1], e)),
    ('late', r'dsn(?:\((\w+)\))?=(\d+)', lambda e, m: len(e.dsns(m[1])) == int(m[2])),
    ('late', r'dsn:env_from=<>', lambda e, m: bool(e.dsns())),      # only messages from <> count as DSNs
    ('late', r'dsn:ctype~(.*)', lambda e, m: any_value(e.dsns(), 'Content-Type', m[1])),
    ('late', r'(after_delay_warning:)?dsn(!?)~(.*)', dsn_text),
    ('sink', r'sink:msgs(?:\((\w+)\))?(<?=)(\d+)', sink_messages),
    ('sink', r'sink:hdr:([\w-]+)(?:~(.*))?', lambda e, m: any_value(e.sunk, m[1], m[2])),
    ('sink', r'sink:no_hdr:([\w-]+)', lambda e, m: bool(e.sunk) and not any_value(e.sunk, m[1], '')),
    ('sink', r'sink:(mail|rcpt)_params~(.*)', lambda e, m: any(re.search(m[2], each.params[m[1]]) for each in e.sunk)),
    ('sink', r'sink:no_bare_lf_or_cr', lambda e, m: not any(each.bare for each in e.sunk)),
    ('sink', r'sink:7bit_converted', converted_to_7bit),
    ('process', r'no_crash|server_alive', lambda e, m: e.alive),
    ('process', r'cpu<(\d+)s', lambda e, m: None if e.cpu is None else e.cpu < float(m[1])),
    ('process', r'rss_growth<(\d+)MiB', lambda e, m: None if e.rss is None else e.rss < int(m[1]) << 20),
    ('session', r'one_reply(?:_after_tls)?', lambda e, m: e.tail in ('-', 'EOF')),
    ('session', r'same_reply', same_reply),
    ('session', r'some_reply[=~](.*)', lambda e, m: any(re.match(m[1], reply) for reply in e.replies)),
    ('session', r'in_order', in_order),
    ('session', r'closed(?:_within=\d+s)?', lambda e, m: e.closed),
    ('session', r'closed_or_slowed', lambda e, m: e.closed or time.monotonic() - e.session.began > 5 or any(reply[0] == '4' for reply in e.replies)),
    ('session', r'no_plaintext_reply', lambda e, m: not any(re.match(r'\d{3}[ -]', reply) for reply in e.session.got[-1] + [e.tail])),
    ('session', r'peer_unchanged', lambda e, m: e.closed or any(reply[0] == '5' for reply in e.replies)),     # the line is refused, not swallowed
    ('session', r'server_signature_ok', lambda e, m: e.session.signature_ok),
    ('session', r'pass_if_first=\d+', lambda e, m: True),           # the session itself acts on it
    ('session', r'dashboard_escaped', lambda e, m: None),
]


def find_effect(text):
    return next(((reads, check, match) for reads, pattern, check in EFFECTS if (match := re.fullmatch(pattern, text, re.S))), None)


def judge(text, evidence):
    """True, False, or None when it cannot be known; 'a||b' holds when either does."""
    verdicts = []
    for part in text.split('||'):
        reads, check, match = find_effect(part)
        unknown = reads in ('store', 'late') and evidence.stored is None
        verdicts.append(None if unknown else check(evidence, match))
    return True if any(verdicts) else None if None in verdicts else False


def sources(case):
    return {find_effect(part)[0] for each in case.effects for part in each.split('||')}


def check_known(case):
    for each in case.effects:
        for part in each.split('||'):
            if not find_effect(part):
                raise SystemExit(f'{case.id}: unknown effect {part!r}')
