"""sign_peer.py opendkim|python3-dkim rsa|ed25519 MESSAGE KEY RECORD SECONDS: the counterpart of bench/sign.cc.

Signs and verifies MESSAGE on one thread, relaxed and relaxed, the key record at hand instead of in DNS, and prints
{"sign", "verify"}: messages a second of CPU time. `opendkim` is its library (the one its milter calls), through ctypes;
KEY is what the library wants: PEM, or for python3-dkim and Ed25519 the seed in base64. Ends with 1 where a signature
does not verify.
"""
import ctypes
import json
import sys
import time

PIECE = 64 * 1024
DOMAIN, SELECTOR = b'example.com', b's'
# What Goniec covers of these fields; each once, for neither library is asked for more than it does by itself.
RELAXED, RSA, ED25519, OK = 1, 1, 2, 0


class OpenDkim:
    """libopendkim 2.11: dkim_sign or dkim_verify, header fields, end of header, body, end of message."""
    def __init__(self, algorithm, message, key, record):
        self.library = library = ctypes.CDLL('libopendkim.so.11')
        for name in ('dkim_init', 'dkim_sign', 'dkim_verify'):
            getattr(library, name).restype = ctypes.c_void_p
        self.handle = ctypes.c_void_p(library.dkim_init(None, None))
        self.algorithm = RSA if algorithm == 'rsa' else ED25519
        self.key = ctypes.create_string_buffer(key)
        self.record = record + b'\0'
        lookup = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.POINTER(ctypes.c_char), ctypes.c_size_t)
        self.lookup = lookup(self.give_record)
        self.checked(library.dkim_set_key_lookup(self.handle, self.lookup))
        header, _, self.body = message.partition(b'\r\n\r\n')
        self.fields = header.split(b'\r\n')   # none is folded
        self.signed = self.sign()

    def give_record(self, dkim, signature, buffer, octets):
        ctypes.memmove(buffer, self.record, min(octets, len(self.record)))
        return 0

    @staticmethod
    def checked(status):
        if status != OK:
            sys.exit(f'libopendkim: status {status}')

    def take(self, dkim, fields):
        library = self.library
        for field in fields:
            self.checked(library.dkim_header(dkim, field, ctypes.c_size_t(len(field))))
        status = library.dkim_eoh(dkim)
        if status != OK:
            sys.exit(f'dkim_eoh: {status}')
        for at in range(0, len(self.body), PIECE):
            piece = self.body[at:at + PIECE]
            self.checked(library.dkim_body(dkim, piece, ctypes.c_size_t(len(piece))))
        self.checked(library.dkim_eom(dkim, None))

    def sign(self):
        status = ctypes.c_int()
        dkim = ctypes.c_void_p(self.library.dkim_sign(self.handle, b'id', None, self.key, SELECTOR, DOMAIN, RELAXED, RELAXED, self.algorithm,
                                                      ctypes.c_ssize_t(-1), ctypes.byref(status)))
        self.checked(status.value)
        self.take(dkim, self.fields)
        buffer = ctypes.create_string_buffer(4096)
        self.checked(self.library.dkim_getsighdr(dkim, buffer, ctypes.c_size_t(4096), ctypes.c_size_t(16)))
        self.library.dkim_free(dkim)
        return b'DKIM-Signature: ' + buffer.value

    def verify(self):
        status = ctypes.c_int()
        dkim = ctypes.c_void_p(self.library.dkim_verify(self.handle, b'id', None, ctypes.byref(status)))
        self.checked(status.value)
        self.take(dkim, [self.signed, *self.fields])
        self.library.dkim_free(dkim)


class PythonDkim:
    def __init__(self, algorithm, message, key, record):
        import dkim  # of Debian's python alone
        self.dkim, self.algorithm, self.message, self.key, self.record = dkim, b'rsa-sha256' if algorithm == 'rsa' else b'ed25519-sha256', message, key, record
        self.signed = self.sign() + message

    def sign(self):
        return self.dkim.sign(self.message, SELECTOR, DOMAIN, self.key, canonicalize=(b'relaxed', b'relaxed'), signature_algorithm=self.algorithm)

    def verify(self):
        if not self.dkim.verify(self.signed, dnsfunc=lambda name, timeout=5: self.record):
            sys.exit('python3-dkim: a signature of its own does not verify')


def rate(work, seconds):
    began, count, spent = time.process_time(), 0, 0.0
    while spent < seconds:
        work()
        count += 1
        spent = time.process_time() - began
    return count / spent


def main():
    name, algorithm, message, key, record, seconds = sys.argv[1:]
    files = [open(path, 'rb').read() for path in (message, key, record)]
    peer = {'opendkim': OpenDkim, 'python3-dkim': PythonDkim}[name](algorithm, *files)
    peer.verify()
    print(json.dumps({'sign': rate(peer.sign, float(seconds)), 'verify': rate(peer.verify, float(seconds))}))


if __name__ == '__main__':
    main()
