"""One case on one connection: its state is made first, then its script is walked step by step.

Each reply is kept for the effects. A step that gets another reply than the case lists ends it.
"""
import base64
import re
import time

from cases import matches, step_bytes
from wire import REPLY_LIMIT, Wire, client_hello, scram
from world import BLOCKED

QUIET = 0.3         # seconds of silence that '-' means


class Failed(Exception):
    def __init__(self, step, expected, got):
        self.step, self.expected, self.got = step, expected, got


class Skipped(Exception):
    pass


class Session:
    """Walks one case: the state first, then the script; keeps each reply for the effects."""

    def __init__(self, case, target, info, source):
        self.case, self.target, self.info, self.source = case, target, info, source
        self.got, self.sent, self.began, self.signature_ok = [], [], time.monotonic(), None

    async def run(self):
        source = BLOCKED if '@GREET blocked' in self.case.script else self.source
        self.wire = await Wire.connect(self.target['host'], self.target['port'], source)
        await self.prepare(self.case.state)
        for number, (step, expect) in enumerate(zip(self.case.script, self.case.expect), 1):
            self.got.append([])
            outcome = await self.act(step)
            for wanted in expect:
                got = [outcome] if outcome else await self.take(wanted, step)
                outcome = None
                self.got[-1] += got
                if wanted == ['*'] or matches(wanted, got[0]):
                    continue
                if number == 1 and f'pass_if_first={got[0][:3]}' in self.case.effects:
                    return
                raise Failed(number, '|'.join(wanted), got[0])

    async def take(self, wanted, step):
        if wanted == ['*']:
            return await self.drain(2)
        limit = REPLY_LIMIT
        if wait := re.match(r'@WAIT (\d+)', step):
            limit = int(wait[1]) / 1000
            limit = min(limit, self.info.get('idle_timeout_s', limit) + 5)
        elif step == '@TLS stall':
            limit = self.patience()
        elif '-' in wanted:
            limit = QUIET if len(wanted) == 1 else 1
        return [await self.wire.reply(limit)]

    async def drain(self, quiet, limit=30):
        replies, deadline = [''], time.monotonic() + limit
        while time.monotonic() < deadline and replies[-1] not in ('-', 'EOF'):
            replies.append(await self.wire.reply(quiet))
        return replies[1:]

    def patience(self):
        return max([int(n) for n in re.findall(r'closed_within=(\d+)s', ';'.join(self.case.effects))], default=5)

    async def act(self, step):
        """Does a step; a directive that has its own outcome returns it."""
        verb, _, rest = step.partition(' ')
        if verb in ('@GREET', '@WAIT'):
            return None
        if verb in ('@CLOSE', '@RST'):
            self.wire.close(reset=verb == '@RST')
        elif verb == '@FIN':
            self.wire.half_close()
        elif step == '@TLS stall':
            await self.wire.send(client_hello()[:40])
        elif verb == '@TLS':
            return await self.wire.start_tls(dict(option.split('=') for option in rest.split()))
        elif verb == '@SCRAM':
            _, user, password, *spoil = rest.split()
            reply, self.signature_ok = await scram(self.wire, user, password, bool(spoil))
            return reply
        else:
            self.sent.append(step_bytes(step.removesuffix('@PREGREET')))
            await self.wire.send(self.sent[-1])
        return None

    async def ask(self, line, code):
        if line:
            await self.wire.send(line.encode() + b'\r\n')
        reply = await self.wire.reply()
        if not reply.startswith(code):
            raise Failed(f'state {self.case.state}', f'{line}: {code}', reply)
        return reply

    async def secure(self):
        if (verdict := await self.wire.start_tls({})) != 'TLSOK':
            raise Failed(f'state {self.case.state}', 'TLSOK', verdict)

    async def prepare(self, state):
        if state == 'connect':
            return
        implicit = self.case.port == 'subs'
        if implicit:
            await self.secure()
        await self.ask('', '220')
        if state == 'none':
            return
        hello = {'helo': 'HELO', 'helo-data': 'HELO', 'lhlo': 'LHLO'}.get(state, 'EHLO') + ' c.test'
        offers = await self.ask(hello, '250')
        login = state.startswith('auth')
        if (state.startswith('tls') or login) and not implicit:
            await self.ask('STARTTLS', '220')
            await self.secure()
            await self.ask(hello, '250')
        if login:
            await self.ask('AUTH PLAIN ' + base64.b64encode(b'\0alice@example.test\0wonderland').decode(), '235')
        if state in ('helo', 'ehlo', 'lhlo', 'tls', 'auth'):
            return
        parameter = {'mail-utf8': ' SMTPUTF8', 'mail-binary-rcpt': ' BODY=BINARYMIME'}.get(state, '')
        if state == 'mail-binary-rcpt' and 'BINARYMIME' not in offers:
            raise Skipped('BINARYMIME not offered')
        await self.ask(f'MAIL FROM:<{"alice@example.test" if login else "sender@remote.test"}>{parameter}', '250')
        if state in ('mail', 'mail-utf8', 'auth-mail'):
            return
        await self.ask(f'RCPT TO:<{"friend@ok.remote.test" if login else "user@example.test"}>', '250')
        if state.endswith('data'):
            await self.ask('DATA', '354')
        elif state not in ('rcpt', 'mail-binary-rcpt', 'auth-rcpt'):
            raise SystemExit(f'{self.case.id}: unknown state {state!r}')
