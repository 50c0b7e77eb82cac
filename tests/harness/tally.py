"""Runs named tests, one after another, and closes with `N passed, N failed`."""
import sys
import traceback


class Tests:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, name, test, *arguments, tell=lambda: ''):
        try:
            test(*arguments)
            self.passed += 1
            print(f'ok    {name}', flush=True)
        except Exception as error:
            self.failed += 1
            where = traceback.extract_tb(error.__traceback__)[-1]
            print(f'FAIL  {name}: {type(error).__name__} in line {where.lineno} ({where.line}): {str(error)[:1500]}\n{tell()}', flush=True)

    def close(self):
        print(f'\n{self.passed} passed, {self.failed} failed')
        sys.exit(1 if self.failed else 0)
