"""Usage pulled from a server over real HTTP lands as the uploaded answer does."""

import ssl
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from inferplan.datasets.errors import InferplanError, SourceAnswerError, SourceSkippedError, UnknownNameError
from inferplan.datasets.exports import ReadOptions, import_file, inspect, undo_import
from inferplan.datasets.live.presets import PROMETHEUS, prometheus_queries
from inferplan.datasets.live.prometheus import Prometheus
from inferplan.datasets.live.pulling import pull
from inferplan.datasets.live.window import Window, duration_s, last
from inferplan.datasets.warehouse import MEMORY, Warehouse
from inferplan.planner.request_latency import request_latencies

END = datetime(2026, 11, 20, tzinfo=UTC)
HOUR = last(timedelta(hours=1), 60, END)
GPU = {"UUID": "GPU-1", "gpu": "0", "Hostname": "n1", "modelName": "NVIDIA L40S", "cluster": "a"}
UTILIZATION = {"__name__": "DCGM_FI_DEV_GPU_UTIL", **GPU}


def minute(at: float) -> str:
    """A value that tells its time: the minute of the hour."""
    return str(int(at) % 3600 // 60)


def source(server: Any, *queries: str, **given: Any) -> Prometheus:
    return Prometheus(server.url, queries or prometheus_queries("dcgm"), **given)


def test_a_pull_lands_as_the_uploaded_answer_does(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [
        (UTILIZATION, minute),
        (
            {**UTILIZATION, "__name__": "DCGM_FI_DEV_FB_USED"},
            lambda at: "NaN" if minute(at) == "7" else "70000",
        ),
        ({**UTILIZATION, "__name__": "DCGM_FI_DEV_XID_ERRORS"}, minute),
    ]
    path = tmp_path / "pulled.json.gz"
    asked = source(prometheus)
    assert pull(asked, HOUR, path) == 61 * 2  # nothing is asked that nobody uses
    options = ReadOptions(file_name=asked.title)
    with Warehouse.open(MEMORY) as warehouse:
        done = import_file(warehouse, path, options)
        assert done.parsed.format == "prometheus-json"
        assert (done.parsed.values_kept, done.parsed.values_missing, done.parsed.series) == (121, 1, 2)
        assert done.parsed.first_at == datetime(2026, 11, 19, 23)
        assert done.parsed.last_at == datetime(2026, 11, 20)
        rows = warehouse.rows(
            "SELECT value FROM usage_samples JOIN usage_series USING (series_id) "
            "WHERE metric = 'gpu_util_ratio' ORDER BY measured_at"
        )
        assert [round(value * 100) for (value,) in rows] == [*range(60), 0]

        again = tmp_path / "again.json.gz"
        pull(asked, HOUR, again)
        assert import_file(warehouse, again, options).already_imported
        undo_import(warehouse, done.import_id)
        assert warehouse.rows("SELECT count(*) FROM usage_samples") == [(0,)]


def test_a_long_window_is_asked_in_pieces_that_the_server_answers(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    window = last(timedelta(weeks=3), 60, END)
    taken = pull(source(prometheus, 'DCGM_FI_DEV_GPU_UTIL{__name__=~".*UTIL"}'), window, tmp_path / "p")
    assert taken == window.points == 30_241
    spans = [(float(one["start"]), float(one["end"])) for one in prometheus.asked]
    assert [round((end - start) / 60) + 1 for start, end in spans] == [11_000, 11_000, 8_241]
    report = inspect(tmp_path / "p")
    assert (report.values_kept, report.series, report.step_s, report.coverage) == (30_241, 1, 60.0, 1.0)
    assert not any("repeat" in note for note in report.notes)


def test_a_server_that_says_too_much_is_asked_for_less(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    prometheus.most_samples = 20
    assert pull(source(prometheus), HOUR, tmp_path / "p") == 61
    assert inspect(tmp_path / "p").values_kept == 61
    prometheus.most_samples = 0
    with pytest.raises(SourceAnswerError, match="too many samples"):
        pull(source(prometheus), HOUR, tmp_path / "p")


@pytest.mark.parametrize(
    ("status", "headers", "body", "kind", "said"),
    [
        (400, {}, b'{"status":"error","errorType":"bad_data","error":"parse error: x"}', SourceAnswerError,
         "parse error: x (bad_data, HTTP 400)"),
        (403, {}, b"<html>", SourceSkippedError, "refuses the credentials (HTTP 403)"),
        (302, {"Location": "https://login.example/"}, b"", SourceSkippedError,
         "redirects to https://login.example/"),
        (404, {}, b"404 page not found", SourceAnswerError, "not as Prometheus does"),
        (200, {}, b"<html>Grafana</html>", SourceAnswerError, "not as Prometheus does"),
        (200, {}, b"", SourceAnswerError, "not as Prometheus does"),
        (200, {}, b'{"status":"success","data":{"resultType":"matrix","result":[{"metric":{', InferplanError,
         "cut off"),
        (200, {"Content-Length": "500"}, b'{"status":"success"', SourceSkippedError, "broke off"),
        (200, {"Content-Encoding": "gzip"}, b"\x1f\x8bnonsense", SourceSkippedError, "broke off"),
    ],
)  # fmt: skip
def test_what_servers_answer_instead(
    prometheus: Any, tmp_path: Path, status: int, headers: dict[str, str], body: bytes, kind: type[Exception],
    said: str,
) -> None:  # fmt: skip
    prometheus.before = [(status, headers, body)]
    with pytest.raises(kind) as raised:
        pull(source(prometheus, secret="hunter2"), HOUR, tmp_path / "p")
    assert said in str(raised.value)
    assert "hunter2" not in str(raised.value)


def test_a_busy_server_is_asked_again_and_then_left(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    busy = (503, {"Retry-After": "0"}, b"busy")
    prometheus.before = [busy, (429, {"Retry-After": "0"}, b"slow down")]
    assert pull(source(prometheus), HOUR, tmp_path / "p") == 61
    prometheus.before = [busy] * 3
    with pytest.raises(SourceSkippedError, match="busy"):
        pull(source(prometheus), HOUR, tmp_path / "p")


def test_warnings_of_a_partial_answer_reach_the_report(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    prometheus.warnings = ["store-2 is unreachable"]
    pull(source(prometheus), HOUR, tmp_path / "p")
    assert "Prometheus warns: store-2 is unreachable" in inspect(tmp_path / "p").notes


@pytest.mark.parametrize(
    ("given", "header"),
    [({"user": "ops", "secret": "s3cret"}, "Basic b3BzOnMzY3JldA=="), ({"secret": "t0ken"}, "Bearer t0ken")],
)
def test_credentials_are_sent_and_not_shown(
    prometheus: Any, tmp_path: Path, given: dict[str, str], header: str
) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    prometheus.credentials = header
    assert given["secret"] not in repr(source(prometheus, **given))
    assert pull(source(prometheus, **given), HOUR, tmp_path / "p") == 61
    with pytest.raises(SourceSkippedError, match="refuses the credentials"):
        pull(source(prometheus), HOUR, tmp_path / "p")


def test_a_pull_beyond_its_budget_brings_nothing(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute)]
    with pytest.raises(InferplanError, match="more than 60 samples"):
        pull(source(prometheus), HOUR, tmp_path / "p", most_samples=60)


def test_a_filter_narrows_and_an_empty_answer_is_said(prometheus: Any, tmp_path: Path) -> None:
    prometheus.series = [(UTILIZATION, minute), ({**UTILIZATION, "UUID": "GPU-2", "cluster": "b"}, minute)]
    narrowed = source(prometheus, *prometheus_queries("dcgm", 'cluster="b"'))
    assert pull(narrowed, HOUR, tmp_path / "p") == 61
    with pytest.raises(InferplanError, match="nothing of this between 2026-11-19 23:00 and 2026-11-20 00:00"):
        pull(source(prometheus, *prometheus_queries("vllm")), HOUR, tmp_path / "p")


@pytest.mark.parametrize(
    "address",
    ["ftp://host", "file:///etc/passwd", "prometheus", "http://", "http://u:p@host", "http://host/?a=b", ""],
)
def test_other_addresses_are_refused(address: str, tmp_path: Path) -> None:
    with pytest.raises(InferplanError) as raised:
        pull(Prometheus(address, ("up",)), HOUR, tmp_path / "p")
    assert "u:p" not in str(raised.value)


def test_a_server_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceSkippedError, match="cannot be reached"):
        pull(Prometheus("http://127.0.0.1:9", ("up",)), HOUR, tmp_path / "p")


def test_certificates_are_checked(serve: Callable[[ssl.SSLContext], Any], tmp_path: Path) -> None:
    certificate = own_certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with serve(context) as secure:
        secure.series = [(UTILIZATION, minute)]
        with pytest.raises(SourceSkippedError, match="certificate that is not trusted"):
            pull(source(secure), HOUR, tmp_path / "p")
        assert pull(source(secure, ca_file=certificate), HOUR, tmp_path / "p") == 61
        with pytest.raises(InferplanError, match="holds no certificates"):
            pull(source(secure, ca_file=tmp_path / "absent.pem"), HOUR, tmp_path / "p")


def own_certificate(folder: Path) -> Path:
    """Return a file with a key and a certificate for 127.0.0.1 that no authority signed."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "own.pem"
    path.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return path


def test_a_slow_server_is_not_waited_for(prometheus: Any, tmp_path: Path) -> None:
    def slow(at: float) -> str:
        time.sleep(0.3)
        return "1"

    prometheus.series = [(UTILIZATION, slow)]
    with pytest.raises(SourceSkippedError, match=r"did not answer within 0\.1 s"):
        pull(source(prometheus, timeout_s=0.1), Window(END - timedelta(minutes=1), END, 60), tmp_path / "p")


def test_counters_keep_their_increases_across_pieces(prometheus: Any, tmp_path: Path) -> None:
    labels = {"__name__": "vllm:generation_tokens_total", "model_name": "m", "instance": "a:8000"}
    prometheus.series = [(labels, lambda at: str(at - END.timestamp() + 1e7))]
    prometheus.most_samples = 10
    pull(source(prometheus, *prometheus_queries("vllm")), HOUR, tmp_path / "p")
    with Warehouse.open(MEMORY) as warehouse:
        import_file(warehouse, tmp_path / "p")
        found = warehouse.rows(
            "SELECT sum(value) FROM usage_samples JOIN usage_series USING (series_id) "
            "WHERE metric = 'generation_tokens'"
        )
    assert found == [(3600.0,)]


def test_buckets_of_latencies_are_a_preset_of_their_own(prometheus: Any, tmp_path: Path) -> None:
    """Each minute 60 requests, of which 54 have their first token within 0.5 s and 59 within 1 s."""
    for bound, per_minute in (("0.5", 54), ("1.0", 59), ("+Inf", 60)):
        labels = {"__name__": "vllm:time_to_first_token_seconds_bucket", "le": bound, "pod": "a"}
        prometheus.series.append(
            (labels, lambda at, n=per_minute: str((at - END.timestamp() + 1e7) // 60 * n))
        )
    with pytest.raises(InferplanError, match="has nothing of this"):
        pull(source(prometheus, *prometheus_queries("vllm")), HOUR, tmp_path / "p")
    pull(source(prometheus, *prometheus_queries("vllm-latency")), HOUR, tmp_path / "p")
    with Warehouse.open(MEMORY) as warehouse:
        import_file(warehouse, tmp_path / "p")
        [found] = request_latencies(warehouse, {"a": "a"})
    assert found.observations == 3600
    p95, p99 = (found.percentiles[name] for name in ("p95", "p99"))
    assert (p95.low, p95.high, p99.low, p99.high) == (0.5, 1.0, 1.0, None)


def test_every_preset_asks_for_names_that_are_read(prometheus: Any) -> None:
    for preset in PROMETHEUS:
        assert prometheus_queries(preset)
    with pytest.raises(UnknownNameError, match="dcgm"):
        prometheus_queries("dcgmi")


@pytest.mark.parametrize("text", ["", "7", "0d", "-1h", "1.5h", "7 days", "9999999s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(InferplanError, match="is no duration"):
        duration_s(text)


def test_windows_refuse_what_has_no_moment() -> None:
    with pytest.raises(InferplanError, match="is empty"):
        Window(END, END, 60)
    with pytest.raises(InferplanError, match="1 s or more"):
        Window(END - timedelta(hours=1), END, 0)
    assert [piece.points for piece in HOUR.pieces(60)] == [60, 1]
