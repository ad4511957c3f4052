import subprocess
import sys


def run(program: str) -> str:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_the_sdk_imports_nothing_of_the_service() -> None:
    loaded = run(
        "import sys, blackhole.sdk as bh\n"
        "for name in bh.__all__: getattr(bh, name)\n"
        "print(sorted(m for m in sys.modules if m.startswith('blackhole')"
        " and not m.startswith('blackhole.sdk')))"
    )
    assert loaded == "['blackhole']"


def test_supervising_needs_no_opentelemetry_and_the_rest_says_how_to_get_it() -> None:
    said = run(
        "import sys\n"
        "sys.modules['opentelemetry'] = None\n"
        "import blackhole.sdk as bh\n"
        "bh.AnalyticsProcess, bh.classify_peer\n"
        "try: bh.setup\n"
        "except ImportError as error: print(error)"
    )
    assert said == "blackhole.sdk.setup needs opentelemetry: pip install 'blackhole-analytics[sdk]'"


def test_an_unknown_name_is_an_ordinary_attribute_error() -> None:
    assert run("import blackhole.sdk as bh\nprint(hasattr(bh, 'nothing'))") == "False"
