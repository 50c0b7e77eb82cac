"""The HTTP API's contract, src/api/openapi.yaml, as a judge of real calls.

    contract = Contract(); contract.check('POST', '/emails', request_body, status, response_body)
Promises: the request (when it was accepted) and the response are what the contract says of them, and
contract.seen tells which operations were looked at. routes() reads the table of the server's source.
"""
import json
import re
from pathlib import Path

import jsonschema
import yaml

ROOT = Path(__file__).resolve().parents[2]


class Contract:
    def __init__(self):
        self.document = yaml.safe_load((ROOT / 'src/api/openapi.yaml').read_text())
        self.seen = set()

    def resolved(self, node):
        while '$ref' in node:
            found = self.document
            for part in node['$ref'].removeprefix('#/').split('/'):
                found = found[part]
            node = found
        return node

    def fits(self, value, schema, what):
        # References are looked up from the root of the document, which holds the components.
        whole = {**self.document, '$schema': 'https://json-schema.org/draft/2020-12/schema', 'allOf': [schema]}
        errors = sorted(jsonschema.Draft202012Validator(whole).iter_errors(value), key=lambda error: list(error.path))
        assert not errors, f'{what}: {errors[0].message} at {list(errors[0].path)} of {json.dumps(value)[:600]}'

    def path_of(self, path):
        """The path of the contract that `path` is of: literal parts come before {…}."""
        parts = path.split('?')[0].removeprefix('/api/v1').rstrip('/').split('/')
        best = None
        for pattern in self.document['paths']:
            wanted = pattern.split('/')
            if len(wanted) == len(parts) and all(w == p or (w.startswith('{') and p) for w, p in zip(wanted, parts)):
                if best is None or pattern.count('{') < best.count('{'):
                    best = pattern
        return best

    def check(self, method, path, body, status, content_type, answer):
        pattern = self.path_of(path)
        assert pattern, f'{path} is not in the contract'
        operation = self.document['paths'][pattern].get(method.lower())
        if operation is None:
            assert status == 405, f'{method} {pattern} is not in the contract, and answered {status}'
            return
        self.seen.add((method, pattern))
        responses = operation['responses']
        response = responses.get(str(status)) or responses.get('default')
        assert response, f'{method} {pattern}: status {status} is not in the contract'
        content = self.resolved(response).get('content', {})
        media = content.get(content_type.split(';')[0])
        assert media or not content, f'{method} {pattern}: {content_type} is not in the contract'
        if media and content_type.startswith('application/json'):
            self.fits(json.loads(answer), media['schema'], f'{method} {pattern} answered')
        request = operation.get('requestBody')
        if request and status < 300 and body is not None:
            self.fits(body, request['content']['application/json']['schema'], f'{method} {pattern} was sent')

    def has(self, method, pattern):
        """A part of the contract's path that is a parameter stands for any word too: /templates/{id}/{action}."""
        parts = pattern.split('/')
        for known, operations in self.document['paths'].items():
            wanted = known.split('/')
            if len(wanted) == len(parts) and all(w == p or w.startswith('{') for w, p in zip(wanted, parts)) and method.lower() in operations:
                return True
        return False


def routes():
    """(method, pattern below /api/v1, access) of what comes on the web."""
    source = (ROOT / 'src/api/routes.cc').read_text()
    table = source[source.index('constexpr ApiRoute routes[]'):]
    table = table[:table.index('};')]
    found = re.findall(r'\{"([A-Z]+)",\s*"/api/v1([^"]*)",\s*\w+(?:,\s*(\w+))?', table)
    return [(method, pattern, access) for method, pattern, access in found if access and access != 'closed']
