"""What a job.toml or a config.toml can hold that no program can use: each is refused with its key, at once."""

from __future__ import annotations

import contextlib
import math
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labd.common.errors import ConfigError, ProjectError
from labd.common.schema import SchemaError, read_text
from labd.model.account_settings import AccountLimits
from labd.model.config import Config, for_account, load
from labd.model.jobs import read_options, within

JOB = [
    ("timeout = nan", "line 2: job.timeout is nan"),
    ("timeout = inf", "line 2: job.timeout is inf"),
    ("timeout = -1", "line 2: job.timeout is -1"),
    ("timeout = 1e300", "line 2: job.timeout is 1e+300"),
    ("timeout = 0.5", "line 2: timeout must be at least"),
    ("timeout = true", "line 2: job.timeout is True"),
    ("timeout = 2025-01-01", "line 2: job.timeout is"),
    ("timeout = '99999999999d'", "line 2: job.timeout is"),
    ("cpus = nan", "line 2: job.cpus is nan"),
    ("cpus = -nan", "line 2: job.cpus is nan"),
    ("cpus = inf", "line 2: job.cpus is inf"),
    ("cpus = 1e-12", "line 2: cpus must be at least 0.01"),
    ("cpus = 0.009", "line 2: cpus must be at least 0.01"),
    ("cpus = 1e300", "line 2: job.cpus is 1e+300"),
    ("cpus = 2e6", "line 2: cpus is more than any machine has"),
    ("cpus = [1]", "line 2: job.cpus is [1]"),
    ("cpus = 07:00:00", "line 2: job.cpus is"),
    (f"cpus = {'9' * 5000}", "line 2: a number is too long"),
    (f"cpus = 0x{'f' * 5000}", "line 2: job.cpus is a number that is too long"),
    (f"cpus = 1e{'9' * 400}", "line 2: job.cpus is inf"),
    ("memory = 1", "line 2: memory must be at least"),
    ("memory = nan", "line 2: job.memory is nan"),
    ("memory = 1e30", "line 2: job.memory is 1e+30"),
    ("memory = 99999999999999999999999999", "line 2: job.memory is 99999999999999999999999999"),
    ("memory = '999999999999t'", "line 2: job.memory is"),
    ("memory = false", "line 2: job.memory is False"),
    ("gpus = -1", "line 2: job.gpus is -1"),
    ("gpus = 99999999999999999999", "line 2: job.gpus is"),
    ("gpus = true", "line 2: job.gpus is True"),
    (f"\nargs = {'[' * 20_000}", "line 3: brackets or dots are nested too deeply"),
    (f"env{'.a' * 4000} = 1", "line 2: brackets or dots are nested too deeply"),
    (f"{'.'.join('x' * 4000)} = 1", "line 2: brackets or dots are nested too deeply"),
    (f"env{'.a' * 40} = 1", "line 2: job.env.a is {'a': {'a'"),
    (f"{'.'.join('x' * 40)} = 1", "line 2: there is no option `job.x`"),
    ("env = { A = 1 }", "job.env.A is 1"),
    (f"args = [{'1,' * 20_000}]", "line 2: job.args.0 is 1"),
    ("args = [" + "'',\n" * 2000 + "]", "line 2: args has 2,000 entries; the most is 1,000"),
    ("env = {" + ",".join(f"A{n} = ''" for n in range(1001)) + "}", "line 2: env has 1,001 entries"),
    ('args = ["a\\u0000b"]', "line 2: job.args.0 is"),
    ('args = ["", "\\u001b[2J"]', "args.1 has a control character"),
    ('args = ["\\ud800"]', "not valid TOML"),
    ('env = { A = "\\u0000" }', "job.env.A is"),
    ('env = { A = "\\u009b" }', "env: the value of A has a control character"),
    ('env = { "A\\u001b" = "" }', "env: 'A\\x1b' cannot be the name of a variable"),
    ("env = { '' = '' }", "env: '' cannot be the name of a variable"),
    ("env = { 'A B' = '' }", "env: 'A B' cannot be the name of a variable"),
    (f"env = {{ {'A' * 300} = '' }}", "cannot be the name of a variable"),
    (f"python = '{'3' * 200}'", "line 2: python is longer than any name"),
    ('language = "\\u001b"', "line 2: language is longer than any name, or has a control character"),
    ('"\\u001b[31m" = 1', "there is no option `job.'\\x1b[31m'`"),
    (f"{'x' * 10_000} = 1", "there is no option `job.'xxxx"),
    ("cpus = 1\n" * 2, "not valid TOML: Cannot overwrite a value (at line 3"),
    ("args = ['" + "x" * 70_000 + "']", "job.toml has 68.4 kB; the most is 64 kB"),
]


@pytest.mark.parametrize(("text", "message"), JOB, ids=range(len(JOB)))
def test_every_strange_value_in_job_toml_is_refused_with_its_key(text: str, message: str) -> None:
    began = time.thread_time()
    with pytest.raises(ProjectError) as caught:
        read_options(f"[job]\n{text}\n".encode(), ["python"])
    assert message in caught.value.message
    assert len(caught.value.message) < 400
    assert caught.value.message.isprintable()
    assert time.thread_time() - began < 2.0


@pytest.mark.parametrize(
    "name",
    [
        "NVIDIA_VISIBLE_DEVICES",
        "nvidia_driver_capabilities",
        "CUDA_VISIBLE_DEVICES",
        "ROCR_VISIBLE_DEVICES",
        "HIP_VISIBLE_DEVICES",
        "GPU_DEVICE_ORDINAL",
        "AMD_VISIBLE_DEVICES",
        "ZE_AFFINITY_MASK",
    ],
)
def test_no_job_chooses_its_own_gpus(name: str) -> None:
    with pytest.raises(ProjectError, match=f"{name} is not a job's to set") as caught:
        read_options(f"[job.env]\n{name} = 'all'".encode())
    assert f"Remove {name} from env" in caught.value.hint
    assert "`gpus = 1`" in caught.value.hint


@pytest.mark.parametrize("name", ["HOME", "USER", "LABD_JOB"])
def test_who_sets_what_labd_sets_itself_is_told(name: str) -> None:
    with pytest.raises(ProjectError, match=f"{name} is set by labd itself"):
        read_options(f"[job.env]\n{name} = '/x'".encode())


def test_what_is_unusual_but_right_is_read() -> None:
    text = """
        [job]
        cpus = 0.01
        memory = "16m"
        timeout = "1s"
        args = ["two\\nlines\\t", "ä\u00a0€"]
        env = { _R_CHECK = "1", "path.x" = "" }
    """
    options = read_options(text.encode())
    assert (options.cpus, options.memory, options.timeout) == (0.01, 16 * 1024**2, 1.0)
    assert options.args == ("two\nlines\t", "ä\u00a0€")
    assert options.env == {"_R_CHECK": "1", "path.x": ""}


NUMBERS = st.one_of(st.floats(), st.integers(), st.booleans(), st.integers(-(10**40), 10**40))


@given(st.sampled_from(["cpus", "memory", "timeout", "gpus"]), NUMBERS)
def test_each_number_is_refused_or_can_be_used(name: str, number: float) -> None:
    text = str(number).lower() if isinstance(number, bool) else repr(number)
    with contextlib.suppress(ProjectError):
        asked = getattr(read_options(f"[job]\n{name} = {text}".encode(), ["python"]), name)
        assert math.isfinite(asked)
        assert asked >= 0
        if name != "gpus":
            assert within(name, asked) == asked


CONFIG = [
    ("\n[job]\ncpus = nan", "line 3: job.cpus is nan; expected is a number from 0"),
    ("[job]\ncpus = 1e-12", "line 2: job.cpus must be at least 0.01"),
    ("[job]\nmemory = 1", "job.memory must be at least"),
    ("[job]\npids = 0", "job.pids must be at least 1"),
    ("[job]\ntmp = 0", "job.tmp must be at least"),
    ("[job]\ntimeout = inf", "job.timeout is inf; expected is a duration from 0"),
    ("[job.max]\ncpus = 1e-9", "job.max.cpus must be 0, or at least 0.01"),
    ("[job.max]\ntimeout = 0", "job.max.timeout must be at least 1"),
    ("[machine]\ncpus = -1", "machine.cpus is -1"),
    ("[machine]\nmemory = '1e400g'", "machine.memory is '1e400g'; expected is a size"),
    ("[machine]\nmemory = 99999999999999999999", "expected is a size from 0"),
    (f"[machine]\ncpus = {'9' * 5000}", "line 2: a number is too long"),
    (f"[machine]\ncpus = 0x{'f' * 5000}", "a number that is too long; expected is a number"),
    ("[machine]\ngpus = ['0', '0']", "machine.gpus names a device twice"),
    ("[user]\nhalf_life = 0", "user.half_life must be at least 1"),
    ("[user]\nrunning = -1", "user.running is -1"),
    ("[inbox]\nrescan = 0", "inbox.rescan must be at least 1"),
    ("[output]\ninterval = 0", "output.interval must be at least 0.1"),
    ('[paths]\nstate = "/a\\u0000b"', "expected is text without NUL"),
    ("[[accounts]]\nname = 'a'\nlimits = { timeout = nan }", "accounts.0.limits.timeout is nan"),
    ("[[accounts]]\nname = 'a'\nlimits = { cpus = 1e-12 }", "limits.cpus must be 0, or at least 0.01"),
    ("[[accounts]]\nname = 'a'\nlimits = { timeout = 0 }", "limits.timeout must be at least 1"),
    ("x = " + "[" * 100_000, "nested too deeply"),
]


@pytest.mark.parametrize(("text", "message"), CONFIG, ids=range(len(CONFIG)))
def test_every_strange_value_in_config_toml_is_refused_with_its_key(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.toml"
    file.write_text(text)
    with pytest.raises(ConfigError) as caught:
        load(file)
    assert message in caught.value.message


@given(st.sampled_from(["cpus", "memory", "timeout", "gpus", "running"]), NUMBERS)
def test_limits_of_an_account_that_are_read_can_be_used(name: str, number: float) -> None:
    text = str(number).lower() if isinstance(number, bool) else repr(number)
    with contextlib.suppress(SchemaError):
        own = for_account(Config(), read_text(AccountLimits, f"{name} = {text}".encode(), "ana.toml"))
        limit = own.user.running if name == "running" else getattr(own.job.max, name)
        assert limit == number
        assert math.isfinite(limit)
        assert limit >= 0
